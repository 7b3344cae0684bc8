"""What earlier processes left in the folder of the record, brought into the manifest at the start of a service.

* Files of the release before are listed as they are, once: from then on a change of them is found. One that a process
  still has open is left to the next start.
* A log whose writer died gets its `close`: what whole lines it has.
* An empty file that was never listed is removed: its process died before it had said anything.
"""

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hyperkms.audit.entries import ADOPT, CLOSE, FOUND, OPEN, SEGMENT, AdoptEntry, CloseEntry, Listed
from hyperkms.audit.log_file import unwritable
from hyperkms.audit.manifest import Appending, Manifest, read_entries
from hyperkms.audit.merkle import Tree, leaf_hash
from hyperkms.audit.open_files import are_open
from hyperkms.audit.segments import Segment, segments
from hyperkms.audit.space_ahead import release
from hyperkms.state.durable import sync
from hyperkms.state.file_locks import is_held

LOCK = "left.lock"
_AT_ONCE = 10_000


@dataclass(frozen=True)
class _Left:
    """A log that is not closed, with the files that the manifest names."""

    log: str
    files: Sequence[str]


def bring_in_order(manifest: Manifest) -> None:
    """Do all three, unless another process is at it. Unavailable if the manifest takes nothing.

    Files are read outside of the manifest's lock. Of processes that start together one reads them; a log that is left
    meanwhile is one for the next start.
    """
    if not manifest.folder.is_dir():
        return
    with _turn(manifest.folder) as is_ours:
        if is_ours:
            _put_in_order(manifest)


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Whether no other process is at it; none begins within this block."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(error) from error
    try:
        yield _is_taken(lock)
    finally:
        os.close(lock)


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _put_in_order(manifest: Manifest) -> None:
    folder = manifest.folder
    entries = read_entries(folder)
    _adopt(manifest, _adopted(entries), [file for file in segments(folder) if file.number == 0])
    for left in _left(entries):
        with suppress(OSError):  # a file that is gone is found by who verifies
            _close(manifest, left)
    with manifest.alone() as listing:
        _remove_unlisted(listing, folder)


def _adopt(manifest: Manifest, known: Collection[str | None], files: Iterable[Segment]) -> None:
    new = [file for file in files if file.path.name not in known]
    being_written = are_open(file.path for file in new)
    for file in sorted(new, key=lambda one: one.path.name):
        if file.path in being_written:
            continue
        lines, size, sha256 = _measured(file.path)
        with manifest.alone() as listing:
            if file.path.name not in _adopted(listing.entries()):
                listing.append(
                    AdoptEntry(
                        time=manifest.clock(),
                        file=file.path.name,
                        log=file.log,
                        lines=lines,
                        bytes=size,
                        sha256=sha256,
                    )
                )


def _adopted(entries: Iterable[Listed]) -> set[str | None]:
    return {entry.file for entry in entries if entry.event == ADOPT}


def _measured(path: Path) -> tuple[int, int, str]:
    lines, size, digest = 0, 0, hashlib.sha256()
    with path.open("rb") as file:
        while content := file.read(1 << 20):
            lines += content.count(b"\n")
            size += len(content)
            digest.update(content)
    return lines, size, digest.hexdigest()


def _left(entries: Iterable[Listed]) -> Sequence[_Left]:
    files: dict[str, list[str]] = {}
    for entry in entries:
        if entry.log and entry.file and entry.event in (OPEN, SEGMENT):
            files.setdefault(entry.log, []).append(entry.file)
        elif entry.log and entry.event == CLOSE:
            files.pop(entry.log, None)
    return [_Left(log, names) for log, names in files.items()]


def _close(manifest: Manifest, left: _Left) -> None:
    """A writer holds the lock of the last file that is listed; it takes that before it lets go of the one before."""
    paths = [manifest.folder / name for name in left.files]
    if is_held(paths[-1]):
        return
    tree = Tree()
    for leaves in _leaves(paths):
        tree.extend(leaves)
    for path in paths:  # its writer may not have come to it, and the manifest is about to say how long it is
        release(path)
        sync(path)
    with manifest.alone() as listing:
        if left in _left(listing.entries()):
            root = tree.root().hex()
            listing.append(CloseEntry(time=manifest.clock(), log=left.log, size=tree.size, root=root, how=FOUND))


def _leaves(paths: Sequence[Path]) -> Iterator[list[bytes]]:
    """Of every whole line, some thousands at a time."""
    for path in paths:
        with path.open("rb") as file:
            while texts := file.readlines(_AT_ONCE * 1000):
                yield [leaf_hash(text[:-1]) for text in texts if text.endswith(b"\n")]


def _remove_unlisted(listing: Appending, folder: Path) -> None:
    """A log's file is made and listed while no other process appends, so whoever made these did not get so far.

    An empty file in the place of one that is listed stays: it says that the lines of that one are lost.
    """
    listed = {(entry.log, entry.segment) for entry in listing.entries() if entry.segment}
    for file in segments(folder):
        if file.number and (file.log, file.number) not in listed and file.path.stat().st_size == 0:
            file.path.unlink()
