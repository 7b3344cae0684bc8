"""The heads of a log, found from the end of a file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hyperkms.audit.record import HEAD

BLOCK = 1 << 16
_MARK = b'\n{"v":%d,' % HEAD
"""A newline is in no line, so a line of a head begins after this one; the first line of a file has none before it."""


def head_lines(path: Path, end: int | None = None) -> Iterator[bytes]:
    """The whole lines of heads that begin before this byte, each with its newline, the last first.

    OSError if the file cannot be read. It may be written, and cut, meanwhile.
    """
    with path.open("rb") as file:
        for place in _places(file, file.seek(0, os.SEEK_END) if end is None else end):
            file.seek(place)
            text = file.readline()
            if text.endswith(b"\n"):
                yield text


def _places(file: BinaryIO, end: int) -> Iterator[int]:
    """Where lines of heads begin, the last first."""
    stop = end - 1
    while stop > 0:
        start = max(0, stop - BLOCK)
        file.seek(start)
        block = file.read(stop - start + len(_MARK) - 1)
        found = block.rfind(_MARK)
        while found >= 0:
            yield start + found + 1
            found = block.rfind(_MARK, 0, found)
        stop = start
    file.seek(0)
    if end > 0 and file.read(len(_MARK) - 1) == _MARK[1:]:
        yield 0
