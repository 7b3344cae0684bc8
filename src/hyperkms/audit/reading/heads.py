"""The newest head of a log, found from its end."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from hyperkms.audit.reading.folder import Segment, unreadable
from hyperkms.audit.reading.line_form import parse_chained
from hyperkms.audit.reading.signed import Head, read_head
from hyperkms.audit.record import HEAD

BLOCK = 1 << 16
_MARK = b'{"v":%d,"log":"' % HEAD


def newest_head(log: str, segments: Sequence[Segment]) -> Head | None:
    """The last head in the files of a log as it stands there, not verified; None before the first."""
    for segment in reversed(segments):
        head = _last_of(log, segment.path)
        if head is not None:
            return head
    return None


def _last_of(log: str, path: Path) -> Head | None:
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            while end > 0:
                start = max(0, end - BLOCK)
                file.seek(start)
                block = file.read(end - start + len(_MARK))
                found = _last_in(log, block, start, file)
                if found is not None:
                    return found
                end = start
    except OSError as error:
        raise unreadable(path, error) from error
    return None


def _last_in(log: str, block: bytes, start: int, file: BinaryIO) -> Head | None:
    """The last whole head that begins in these bytes."""
    place = block.rfind(_MARK)
    while place >= 0:
        file.seek(start + place)
        text = file.readline()
        line = parse_chained(text[:-1]) if text.endswith(b"\n") else None
        if line is not None and line.log == log:
            try:
                return read_head(line.record)
            except msgspec.MsgspecError:
                pass
        place = block.rfind(_MARK, 0, place)
    return None
