"""The files of the record: which belong to which log, and their bytes in lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hyperkms.audit.segments import segment_of
from hyperkms.errors import NotFound, Unavailable

CHUNK = 1 << 20
MAX_LINE = 16 << 20
"""Bytes; whatever is longer is no line."""

Progress: TypeAlias = Callable[[int], None]
"""Told of each number of bytes that was read."""


class ListedFile(NamedTuple):
    """A segment of a log, or the one file of a log of the release before, as it was listed."""

    log: str
    number: int
    path: Path
    size: int
    """Bytes when it was listed."""

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.name


@dataclass
class Folder:
    """What stands in `records`."""

    path: Path
    logs: dict[str, list[ListedFile]] = field(default_factory=dict)
    """In the order of their start; of each its segments in order."""
    unchained: list[ListedFile] = field(default_factory=list)
    """Files of the release before: each is a log of its own, without a chain."""

    @classmethod
    def read(cls, path: Path) -> "Folder":
        """List it; NotFound if it is not there."""
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except FileNotFoundError as error:
            raise NotFound("no-record", f"there is no folder {path}") from error
        except OSError as error:
            raise unreadable(path, error) from error
        folder = cls(path)
        for name in names:
            folder.take(name)
        return folder

    def take(self, name: str) -> None:
        """Add a file that is there, if it is not listed yet."""
        segment = segment_of(self.path, name)
        if segment is None:
            return
        file = ListedFile(segment.log, segment.number, segment.path, _size(segment.path))
        if not segment.is_chained:
            self.unchained.append(file)
            return
        files = self.logs.setdefault(file.log, [])
        if all(one.name != name for one in files):
            files.append(file)
            files.sort()

    def size(self) -> int:
        """Bytes of all logs."""
        chained = sum(one.size for segments in self.logs.values() for one in segments)
        return chained + sum(one.size for one in self.unchained)


def batches(path: Path, progress: Progress, start: int = 0) -> Iterator[tuple[list[bytes], bytes]]:
    """The lines of a file, without their newlines, many at a time, and what stands after the last newline so far.

    Unavailable if it cannot be read; the tail is cut where no line is that long.
    """
    tail = b""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            while chunk := file.read(CHUNK):
                *lines, tail = (tail + chunk).split(b"\n")
                progress(len(chunk))
                yield lines, tail
                if len(tail) > MAX_LINE:
                    return
    except OSError as error:
        raise unreadable(path, error) from error


def no_progress(_bytes: int) -> None:
    """Where nobody looks."""


def lines_of(path: Path, start: int = 0) -> Iterator[bytes]:
    """The whole lines of a file, without their newlines; a last one that was cut off is none."""
    for lines, _ in batches(path, no_progress, start):
        yield from lines


def unreadable(path: Path, error: OSError) -> Unavailable:
    """The refusal where a file cannot be read."""
    return Unavailable("record-unreadable", f"{path} cannot be read ({error.strerror})")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
