"""The list of all logs: `manifest.jsonl`, appended to by every process that writes one, a line for each fact.

Its lines are chained and each is signed. An entry is durable before what it announces happens: before the first
line of a log, and of each further segment.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from hyperkms.audit.chain import FIRST_PREV
from hyperkms.audit.entries import Entry, KeyEntry, Listed
from hyperkms.audit.log_file import make_folder, unwritable, write_all
from hyperkms.audit.log_key import LogKey
from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.segments import MANIFEST
from hyperkms.audit.told import EntryWitness
from hyperkms.errors import Tampered, Unavailable
from hyperkms.state.durable import sync

LOCK = "manifest.lock"
PATIENCE_S = 5.0
"""So long one waits for another process that appends."""
_POLL_S = 0.005
_TAIL = 64 * 1024
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct, frozen=True):
    index: int
    entry: Listed


_read_line = msgspec.json.Decoder(_Line).decode


class Manifest:
    """The manifest of a data directory."""

    def __init__(
        self, folder: Path, key: LogKey, clock: Callable[[], int], witness: EntryWitness | None = None
    ) -> None:
        self.folder = folder
        self.clock = clock
        self._key = key
        self._witness = witness

    @contextmanager
    def alone(self) -> Iterator["Appending"]:
        """No other process appends, or makes a log, within this block.

        Unavailable if the disk does not take it or another process holds on to it; Tampered if it ends in what is no
        line of it.
        """
        make_folder(self.folder)
        try:
            lock = os.open(self.folder / LOCK, _OPEN, 0o600)
        except OSError as error:
            raise unwritable(error) from error
        try:
            _take(lock)
            yield Appending(self.folder / MANIFEST, self._key, self.clock, self._witness)
        except OSError as error:
            raise unwritable(error) from error
        finally:
            os.close(lock)


class Appending:
    """The manifest while this process alone appends."""

    def __init__(self, path: Path, key: LogKey, clock: Callable[[], int], witness: EntryWitness | None) -> None:
        self._path = path
        self._key = key
        self._clock = clock
        self._witness = witness

    def append(self, entry: Entry) -> None:
        """Durable on return; after an error nothing of it stays. The first entry of all is that of the key."""
        descriptor = os.open(self._path, _OPEN | os.O_APPEND, 0o600)
        try:
            end = _cut_to_whole_lines(descriptor, self._path)
            last = _last_line(descriptor, end, self._path)
            entries = [entry] if last else [self._key_entry(), entry]
            lines = self._lines(entries, *_following(last, self._path))
            try:
                write_all(descriptor, b"".join(text + b"\n" for text in lines.values()))
                os.fsync(descriptor)
                if not last:
                    sync(self._path.parent)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if self._witness:
            for index, text in lines.items():
                self._witness.entry(index, leaf_hash(text).hex(), self._clock())

    def require_sound(self) -> None:
        """Tampered if it ends in what is no line of it; its lines are checked by who verifies."""
        if not self._path.exists():
            return
        descriptor = os.open(self._path, _OPEN, 0o600)
        try:
            _following(_last_line(descriptor, _cut_to_whole_lines(descriptor, self._path), self._path), self._path)
        finally:
            os.close(descriptor)

    def entries(self) -> Sequence[Listed]:
        """What it says so far; Tampered if a line is none."""
        return read_entries(self._path.parent)

    def _lines(self, entries: Sequence[Entry], index: int, prev: str) -> dict[int, bytes]:
        made = {}
        for number, entry in enumerate(entries, index):
            said = _encode(entry)
            signature = self._key.sign_entry(said, index=number, prev=prev)
            made[number] = b'{"v":1,"index":%d,"prev":"%b","entry":%b,"keyId":"%b","signature":"%b"}' % (
                number,
                prev.encode(),
                said,
                self._key.id.encode(),
                signature.encode(),
            )
            prev = leaf_hash(made[number]).hex()
        return made

    def _key_entry(self) -> KeyEntry:
        return KeyEntry(time=self._clock(), key_id=self._key.id, public_key=self._key.public_key)


def read_entries(folder: Path) -> Sequence[Listed]:
    """What the manifest of this folder says, in its order; nothing is checked but that each line is one (Tampered)."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            return [_read(text, path).entry for text in file if text.endswith(b"\n")]
    except FileNotFoundError:
        return []


def _take(lock: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                words = f"another process holds {LOCK} of the record; no signature leaves without its record"
                raise Unavailable("record-unwritable", words) from None
            time.sleep(_POLL_S)
        else:
            return


def _cut_to_whole_lines(descriptor: int, path: Path) -> int:
    """The length of it; half a line at its end was left by a process that died, and announced nothing."""
    length = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL, max(0, length - _TAIL))
    if not tail or tail.endswith(b"\n"):
        return length
    kept = tail.rfind(b"\n") + 1
    if not kept and length > _TAIL:
        raise _malformed(path)
    os.ftruncate(descriptor, length - len(tail) + kept)
    return length - len(tail) + kept


def _last_line(descriptor: int, end: int, path: Path) -> bytes:
    """Without its newline; empty if there is none."""
    start = max(0, end - _TAIL)
    tail = os.pread(descriptor, end - start, start)[:-1]
    if start and b"\n" not in tail:
        raise _malformed(path)
    return tail[tail.rfind(b"\n") + 1 :]


def _following(last: bytes, path: Path) -> tuple[int, str]:
    """The number of the next line, and the hash that it names."""
    return (_read(last, path).index + 1, leaf_hash(last).hex()) if last else (0, FIRST_PREV)


def _read(text: bytes, path: Path) -> _Line:
    try:
        return _read_line(text)
    except msgspec.MsgspecError as error:
        raise _malformed(path) from error


def _malformed(path: Path) -> Tampered:
    return Tampered("record-malformed", f"{path} has a line that is none; nothing is signed before it is put right")
