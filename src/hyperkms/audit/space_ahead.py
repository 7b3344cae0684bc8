"""Space that is allocated ahead: for lines that have to be written when the disk is full.

It lies in pieces beside the logs, `emergency-<16 hex digits>.room`: empty files whose blocks are there already. A
piece becomes a further file of a log by a change of its name, so that a log goes on in it as in any other file. All
processes of a data directory take from the same pieces; who takes or makes one holds the lock of the manifest.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hyperkms import _core
from hyperkms.errors import Unavailable
from hyperkms.state.durable import sync

PIECES = 8
"""Of each process: what is left of a piece is lost when its process dies."""
MANIFEST_AHEAD = 64 * 1024
"""Bytes that the manifest has ahead: about a hundred entries."""
_PIECE = "emergency-*.room"
_BLOCK = 512
RECORD_FULL = "record-full"
_MORE_NAMES = 8
"""Than pieces have before and after, of about the length that segments have: for logs of processes that start."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class SpaceAhead:
    """The pieces of a folder: how many there are to be, and of which size."""

    folder: Path
    pieces: int
    """0: none is made."""
    piece_bytes: int

    @classmethod
    def of(cls, folder: Path, *, processes: int, bytes_each: int) -> "SpaceAhead":
        """So many bytes for each of so many processes."""
        return cls(folder, processes * PIECES if bytes_each else 0, bytes_each // PIECES)

    def left(self) -> list[Path]:
        """The pieces that nobody has taken."""
        return sorted(self.folder.glob(_PIECE))

    def provide(self, manifest: Path) -> None:
        """Make what is missing, durable on return; OSError if there is no room for it, or the file system cannot.

        It leaves as much room on the disk as it takes: a disk is not filled for the day on which it may be full.
        """
        missing = self.pieces - len(self.left())
        if missing > 0:
            self._require_twice(missing * self.piece_bytes + MANIFEST_AHEAD)
        if missing > 0:
            self._make_room_for_names()
        for _ in range(missing):
            self._make_piece()
        if missing > 0 or (self.pieces and not _has_ahead(manifest)):
            manifest.touch(mode=0o600)  # without a line it lists nothing, as if it were not there
            allocate(manifest, manifest.stat().st_size + MANIFEST_AHEAD)
            sync(self.folder)

    def require_more(self) -> None:
        """OSError where the disk has not so much room beside the pieces that one need not fear for the next lines."""
        self._require_twice(self.piece_bytes)

    def _require_twice(self, size: int) -> None:
        found = os.statvfs(self.folder)
        if found.f_bavail * found.f_frsize < 2 * size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_room_for_names(self) -> None:
        """A folder needs blocks as well: once it has had so many names it keeps those, as ext4 does."""
        draft = self.folder / "emergency.draft"
        names = [self.folder / f"emergency-{number:048}.draft" for number in range(2 * self.pieces + _MORE_NAMES)]
        try:
            os.close(os.open(draft, _NEW, 0o600))
            for name in names:
                os.link(draft, name)
            sync(self.folder)
        finally:
            for name in (draft, *names):
                name.unlink(missing_ok=True)

    def _make_piece(self) -> None:
        path = piece_in(self.folder)
        draft = path.with_suffix(".draft")
        try:
            os.close(os.open(draft, _NEW, 0o600))
            allocate(draft, self.piece_bytes)
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)


def left_in(folder: Path) -> int:
    """Bytes of all pieces of a folder that nobody has taken."""
    found = 0
    for piece in folder.glob(_PIECE):
        with suppress(OSError):  # it was taken just now
            found += piece.stat().st_blocks * _BLOCK
    return found


def piece_in(folder: Path) -> Path:
    """The name of a further piece."""
    return folder / f"emergency-{secrets.token_hex(8)}.room"


def allocate(path: Path, size: int) -> None:
    """Give a file blocks for so many bytes, durable on return; its length stays. OSError where there are none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _core.allocate_ahead(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def release(path: Path) -> None:
    """Give back what a file that nobody writes any more has beyond its end."""
    with suppress(OSError):
        os.truncate(path, path.stat().st_size)


def is_full(error: BaseException | None) -> bool:
    """Whether the disk, or the quota of this user, has no room: the error itself, or the one that it came of."""
    return any(isinstance(one, OSError) and one.errno in _FULL for one in _causes(error))


def full(words: str) -> Unavailable:
    """The refusal where the disk is full, which names what still works."""
    return Unavailable("record-full", f"the disk of the record is full; {words}")


def only_cancels() -> Unavailable:
    """The refusal of everything else while cancels go on."""
    return full("cancel, cancelByCloid, twapCancel, scheduleCancel with a time and noop are still signed, nothing else")


def used_up() -> Unavailable:
    """The refusal of everything."""
    return full("and so is the space that was kept for cancels: nothing is signed until there is room")


def _has_ahead(manifest: Path) -> bool:
    """Whether half of what it is to have ahead, or more, is there."""
    try:
        found = manifest.stat()
    except FileNotFoundError:
        return False
    return found.st_blocks * _BLOCK >= found.st_size + MANIFEST_AHEAD // 2


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
