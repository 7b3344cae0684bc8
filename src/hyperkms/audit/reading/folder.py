"""The files of the record: which belong to which log, and their bytes in lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hyperkms.audit.segments import MANIFEST, SEGMENT_NAME, UNCHAINED_NAME
from hyperkms.errors import NotFound, Unavailable

CHUNK = 1 << 20
MAX_LINE = 16 << 20
"""Bytes; whatever is longer is no line."""

Progress: TypeAlias = Callable[[int], None]
"""Told of each number of bytes that was read."""


class Segment(NamedTuple):
    """A file of a chained log."""

    number: int
    name: str
    path: Path
    size: int
    """Bytes when it was listed."""


class Unchained(NamedTuple):
    """A file of the release before: a log of its own, without a chain."""

    log: str
    name: str
    path: Path
    size: int


@dataclass
class Folder:
    """What stands in `records`."""

    path: Path
    logs: dict[str, list[Segment]] = field(default_factory=dict)
    """In the order of their start; of each its segments in order."""
    unchained: list[Unchained] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Files that end as a record does and have no name of one."""

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
        path = self.path / name
        if segment := SEGMENT_NAME.fullmatch(name):
            segments = self.logs.setdefault(segment[1], [])
            if all(one.name != name for one in segments):
                segments.append(Segment(int(segment[2]), name, path, _size(path)))
                segments.sort()
        elif unchained := UNCHAINED_NAME.fullmatch(name):
            self.unchained.append(Unchained(unchained[1], name, path, _size(path)))
        elif name.endswith(".jsonl") and name != MANIFEST:
            self.others.append(name)

    @property
    def manifest(self) -> Path:
        """Where the manifest stands, or should."""
        return self.path / MANIFEST

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
