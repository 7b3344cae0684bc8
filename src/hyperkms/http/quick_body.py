"""Bodies of the signing routes, read in one step where it is certain that the careful reading would answer the same."""

from functools import cache
from typing import TypeVar

import msgspec

from hyperkms.strict_json import MAX_DEPTH, count_members, short_decimal

S = TypeVar("S", bound=msgspec.Struct)
_MOST = 2_048
"""Objects and lists in a body that is read here, in the event loop's thread: with so many it takes a millisecond."""
_NOT_SURE = -(2**62)


def read_quickly(raw: bytes, kind: type[S]) -> S | None:
    """The body as a struct of this kind, or None: then `read_struct` says what is wrong with it, if anything is.

    Every key of a JSON text is followed by a colon. So a text with no more colons than there are members in
    the struct and the objects within it has no duplicate key, which msgspec would pass over.
    """
    if len(raw) > _MOST and raw.count(b"{") + raw.count(b"[") > _MOST:
        return None
    try:
        body: S = _decoder(kind).decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return body if _members(body, MAX_DEPTH) == raw.count(b":") else None


def _members(body: msgspec.Struct, levels: int) -> int:
    """How many members were read, of the structs in it too; a negative number where the careful reading may refuse."""
    values = msgspec.structs.astuple(body)
    if "" in values:  # it may count as missing
        return _NOT_SURE
    count = len(values) - values.count(None)
    for value in values:
        if type(value) is dict:
            count += count_members(value, levels - 1)
        elif type(value) is list:
            count += sum([0 if type(each) is str else _members(each, levels - 2) for each in value])
    return count


@cache
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind, float_hook=short_decimal)
