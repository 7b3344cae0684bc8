"""Bodies of the signing routes, read in one step where it is certain that the careful reading would answer the same."""

from functools import cache
from typing import TypeVar

import msgspec

from hyperkms.http.body import required_members
from hyperkms.strict_json import MAX_DEPTH, count_members, short_decimal

S = TypeVar("S", bound=msgspec.Struct)


def read_quickly(raw: bytes, kind: type[S]) -> S | None:
    """The body as a struct of this kind, or None: then `read_struct` says what is wrong with it, if anything is.

    Every key of a JSON text is followed by a colon. So a text with no more colons than there are members in
    the struct and the objects within it has no duplicate key, which msgspec would pass over.
    """
    try:
        body: S = _decoder(kind).decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    count = 0
    for name in kind.__struct_fields__:
        value = getattr(body, name)
        if value is not None:
            count += 1 + (count_members(value, MAX_DEPTH - 1) if type(value) is dict else 0)
    if count != raw.count(b":") or "" in [getattr(body, name) for name in required_members(kind)]:
        return None
    return body


@cache
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind, float_hook=short_decimal)
