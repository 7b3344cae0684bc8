"""The form of a line, byte for byte: whatever deviates from docs/formats.md is no line."""

import re
from collections.abc import Mapping

import msgspec

from hyperkms.audit.chain import FIRST_PREV
from hyperkms.audit.record import DATABASE, OPENING

ZEROS = FIRST_PREV.encode()
MAX_INDEX = 2**63 - 1

_KINDS = range(OPENING, DATABASE + 1)
KINDS: Mapping[bytes, int] = {b'{"v":%d' % kind: kind for kind in _KINDS}
"""How a line of each kind begins."""
KIND_LENGTH = 7

_CHAINED = re.compile(
    rb'\{"v":(' + b"|".join(b"%d" % kind for kind in _KINDS) + rb'),"log":"([0-9a-f]{32})",'
    rb'"index":(0|[1-9][0-9]{0,18}),"prev":"([0-9a-f]{64})","record":(\{.*\})\}',
    re.DOTALL,
)
_UNCHAINED = re.compile(
    rb'\{"v":([1-4]),"log":"([0-9a-f]{32})","index":(0|[1-9][0-9]{0,18}),"record":(\{.*\})\}', re.DOTALL
)
_TIME = re.compile(rb'\{"time":(0|[1-9][0-9]{0,15})[,}]')
read_any = msgspec.json.Decoder(msgspec.Raw).decode
"""Raises a MsgspecError unless the bytes are one JSON value and nothing more."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line, taken apart; texts are bytes as they stand in it."""

    kind: int
    log: str
    index: int
    prev: bytes | None
    """64 hex digits; None in a file of the release before."""
    record: bytes

    @property
    def time(self) -> int | None:
        """Milliseconds; None if the record does not begin with it."""
        return time_of(self.record)


def parse_chained(text: bytes) -> Line | None:
    """A line without its newline; None if it is none."""
    found = _CHAINED.fullmatch(text)
    if found is None or not is_json(found[5]):
        return None
    return _line(found[1], found[2], found[3], found[4], found[5])


def parse_unchained(text: bytes) -> Line | None:
    """A line of the release before."""
    found = _UNCHAINED.fullmatch(text)
    if found is None or not is_json(found[4]):
        return None
    return _line(found[1], found[2], found[3], None, found[4])


def parse_line(text: bytes) -> Line | None:
    """A line of either form."""
    return parse_chained(text) or parse_unchained(text)


def is_json(record: bytes) -> bool:
    """Whether it is one JSON value in UTF-8."""
    try:
        read_any(record)
        if not record.isascii():
            record.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def time_of(record: bytes) -> int | None:
    """The member `time`, with which each record begins."""
    found = _TIME.match(record)
    return int(found[1]) if found else None


def _line(kind: bytes, log: bytes, index: bytes, prev: bytes | None, record: bytes) -> Line | None:
    number = int(index)
    return Line(int(kind), log.decode(), number, prev, record) if number <= MAX_INDEX else None
