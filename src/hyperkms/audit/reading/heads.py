"""The newest head of a log, found from its end."""

from collections.abc import Iterable, Sequence

import msgspec

from hyperkms.audit.forms import Head, read_head
from hyperkms.audit.head_lines import head_lines
from hyperkms.audit.reading.folder import ListedFile, unreadable
from hyperkms.audit.reading.line_form import parse_chained


def newest_head(log: str, segments: Sequence[ListedFile]) -> Head | None:
    """The last head in the files of a log as it stands there, not verified; None before the first."""
    for segment in reversed(segments):
        try:
            head = _first_good(log, head_lines(segment.path))
        except OSError as error:
            raise unreadable(segment.path, error) from error
        if head is not None:
            return head
    return None


def _first_good(log: str, texts: Iterable[bytes]) -> Head | None:
    for text in texts:
        line = parse_chained(text[:-1])
        if line is not None and line.log == log:
            try:
                return read_head(line.record)
            except msgspec.MsgspecError:
                continue
    return None
