"""One file of the record: lines are appended to it by the process that made it, and by no other."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hyperkms.audit.record import KEYED_SIGNATURE, Encoded, line
from hyperkms.audit.sink import Position
from hyperkms.errors import Unavailable

ROOM = 4096
"""Bytes that must find a place before a record that had none is called writable again."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND


class KeyedPlace(NamedTuple):
    """The line of a signature under an Idempotency-Key: its number, and the bytes where it begins and ends."""

    number: int
    start: int
    end: int


class Written(NamedTuple):
    """Lines that were appended."""

    first: Position
    keyed: Sequence[KeyedPlace]


class LogFile:
    """A record file that this process made."""

    def __init__(self, path: Path, log: str, descriptor: int) -> None:
        self.descriptor = descriptor
        self._path = path
        self._place = str(path)
        self._identity = _identity(os.fstat(descriptor))
        self.log = log
        self.length = 0
        """Bytes of whole lines."""
        self.is_announced = False
        """It is looked for after a crash, so it stays even without a line."""
        self._next = 0

    @classmethod
    def create(cls, folder: Path) -> "LogFile":
        """A new file, whose name is durable; Unavailable, and no file, if it cannot be made."""
        log = secrets.token_hex(16)
        path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{log}.jsonl"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            file = cls(path, log, os.open(path, _NEW, 0o600))
        except OSError as error:
            raise unwritable(error) from error
        try:
            for place in (folder, folder.parent):
                _sync_directory(place)
        except OSError as error:
            file.close()
            raise unwritable(error) from error
        return file

    def write(self, records: Sequence[Encoded]) -> Written:
        """Append lines, not yet durable; after an error the file may end in half a line: take it back."""
        lines, keyed, end = [], [], self.length
        for index, record in enumerate(records, self._next):
            text = line(self.log, index, record)
            if record.kind == KEYED_SIGNATURE:
                keyed.append(KeyedPlace(index, end, end + len(text)))
            end += len(text)
            lines.append(text)
        _write_all(self.descriptor, b"".join(lines))
        first = Position(self.log, self._next)
        self._next += len(records)
        self.length = end
        return Written(first, keyed)

    def starts_again(self) -> bool:
        """After a first write that failed: an announced file is emptied and goes on, since each one stays."""
        if not self.is_announced or self.length > 0:
            return False
        try:
            os.ftruncate(self.descriptor, 0)
        except OSError:
            return False
        return True

    def take_back(self, length: int) -> None:
        """The end of a file after a write or an fsync that failed: it is cut to this length, the one before."""
        self.length = length
        with suppress(OSError):
            os.ftruncate(self.descriptor, length)
        self.close()

    def is_in_place(self) -> bool:
        """Whether the name still leads to this file: what is in a removed one is lost."""
        try:
            return _identity(os.stat(self._place)) == self._identity  # noqa: PTH116 (once a group: pathlib takes longer)
        except OSError:
            return False

    def abandon(self) -> None:
        """Never write to it again."""
        os.close(self.descriptor)

    def close(self) -> None:
        """The end of a file in good order; one without a line is removed, since it says nothing."""
        os.close(self.descriptor)
        if self.length == 0 and not self.is_announced:
            with suppress(OSError):  # it was taken away already, and perhaps its folder too
                self._path.unlink()


def require_room(folder: Path) -> None:
    """Unavailable unless a file of a few lines can be written here now and made durable; it does not stay."""
    path = folder / f"room-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(path, _NEW, 0o600)
        try:
            _write_all(descriptor, bytes(ROOM))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        raise unwritable(error) from error


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def removed() -> Unavailable:
    """The refusal where the file in use is no longer the one that its name leads to."""
    words = "the record file was removed or replaced while it was in use; no signature leaves without its record"
    return Unavailable("record-unwritable", words)


def unwritable(error: Exception) -> Unavailable:
    """The refusal where the disk did not take it."""
    reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return Unavailable("record-unwritable", f"the record cannot be written ({reason}); no signature leaves without it")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
