"""One file of the record: lines are appended to it by the process that made it, and by no other."""

import errno
import fcntl
import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hyperkms.audit.space_ahead import SpaceAhead, piece_in, used_up
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.durable import sync

ROOM = 4096
"""Bytes that must find a place before a record that had none is called writable again."""
_APPEND = os.O_WRONLY | os.O_CLOEXEC | os.O_APPEND
_NEW = _APPEND | os.O_CREAT | os.O_EXCL


class LogFile:
    """A segment of a log of this process, `<UTC time>-<log id>-<number>.jsonl`, mode 0600.

    As long as it is open this process holds its lock (flock), which the kernel frees when the process ends:
    so others tell a log that is written from one whose writer died.
    """

    def __init__(self, path: Path, descriptor: int, capacity: int | None = None) -> None:
        self.descriptor = descriptor
        self.path = path
        self.capacity = capacity
        """Bytes that were allocated ahead, and it takes no more; None: as many as the disk has."""
        self._place = str(path)
        self._identity = _identity(os.fstat(descriptor))
        self.length = 0
        """Bytes of lines that stay."""

    @classmethod
    def create(cls, folder: Path, log: str, number: int) -> "LogFile":
        """A new file, whose name is durable; OSError, and no file, if it cannot be made."""
        path = _path(folder, log, number)
        file = cls(path, os.open(path, _NEW, 0o600))
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for place in (folder, folder.parent):
                sync(place)
        except OSError:
            file.remove()
            raise
        return file

    @classmethod
    def take_piece(cls, space: SpaceAhead, log: str, number: int) -> "LogFile":
        """The same of a piece of the space that was allocated ahead; Unavailable if none is left."""
        return cls._of_piece(space, _path(space.folder, log, number))

    def in_a_piece(self, space: SpaceAhead) -> "LogFile":
        """A piece in the place of this file, which has no line and which the manifest lists."""
        file = self._of_piece(space, self.path)
        self.close()
        return file

    @classmethod
    def _of_piece(cls, space: SpaceAhead, path: Path) -> "LogFile":
        piece = next(iter(space.left()), None)
        if piece is None:
            raise used_up()
        file = cls(path, os.open(piece, _APPEND), space.piece_bytes)
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            piece.rename(path)
            sync(space.folder)
        except OSError:
            file.close()
            raise
        return file

    def append(self, data: bytes) -> None:
        """Write it, not yet durable; after an error the file may end in half a line: cut it."""
        if self.capacity is not None and self.length + len(data) > self.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(self.descriptor, data)

    def trim(self) -> None:
        """Give back what was allocated ahead and will not be used."""
        if self.capacity is not None:
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.length)

    def cut(self) -> bool:
        """Take back what was appended and does not stay; False if the disk does not let go of it."""
        try:
            # To cut a file to the length that it has would give back what was allocated ahead.
            if os.fstat(self.descriptor).st_size != self.length:
                os.ftruncate(self.descriptor, self.length)
        except OSError:
            return False
        return True

    def is_in_place(self) -> bool:
        """Whether the name still leads to this file: what is in a removed one is lost."""
        try:
            return _identity(os.stat(self._place)) == self._identity  # noqa: PTH116 (once a group: pathlib takes longer)
        except OSError:
            return False

    def close(self) -> None:
        """Never write to it again; its lock is free."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """The end of a file that nobody was told of."""
        self.close()
        with suppress(OSError):  # it was taken away already, and perhaps its folder too
            if self.capacity is None:
                self.path.unlink()
            else:
                self.path.rename(piece_in(self.path.parent))


def make_folder(folder: Path) -> None:
    """The folder of the record; Unavailable if there can be none."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unwritable(error) from error


def require_room(folder: Path) -> None:
    """Unavailable unless a file of a few lines can be written here now and made durable; it does not stay."""
    path = folder / f"room-{secrets.token_hex(8)}.tmp"
    make_folder(folder)
    try:
        descriptor = os.open(path, _NEW, 0o600)
        try:
            write_all(descriptor, bytes(ROOM))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        raise unwritable(error) from error


def removed() -> Unavailable:
    """The refusal where the file in use is no longer the one that its name leads to."""
    words = "the record file was removed or replaced while it was in use; no signature leaves without its record"
    return Unavailable("record-unwritable", words)


def unwritable(error: Exception) -> Unavailable:
    """The refusal where the disk did not take it."""
    if isinstance(error, HyperkmsError):
        reason: str | None = error.message
    else:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return Unavailable("record-unwritable", f"the record cannot be written ({reason}); no signature leaves without it")


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; OSError if the disk takes no more."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _path(folder: Path, log: str, number: int) -> Path:
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{log}-{number:04}.jsonl"


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
