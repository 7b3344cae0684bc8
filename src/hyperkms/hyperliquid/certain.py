"""Limit orders of which it is certain that the careful reading (`actions.parse_action`) would answer them unchanged.

To read them member by member takes longer than to hash them. What is not certain is not wrong: it is read with care.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hyperkms.hyperliquid.members import MAX_LIST

_PRICE = r"\A(?:[1-9][0-9]{0,19}|(?=.{3,6}\Z)[1-9][0-9]{0,3}\.[0-9]{0,3}[1-9])\Z"
"""Whole, or of 5 figures or fewer with 4 decimals at most; not every price that may be signed."""
_SIZE = r"\A(?:[1-9][0-9]{0,19}(?:\.[0-9]{0,7}[1-9])?|0\.[0-9]{0,7}[1-9])\Z"
_CLOID = r"\A0x[0-9a-f]{32}\Z"


class _Exactly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object with these members, in hashed order."""


class _Limit(_Exactly, frozen=True):
    tif: Literal["Gtc", "Ioc", "Alo", "FrontendMarket"]


class _Terms(_Exactly, frozen=True):
    limit: _Limit


class _Order(_Exactly, frozen=True):
    a: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    b: bool
    p: Annotated[str, Meta(pattern=_PRICE)]
    s: Annotated[str, Meta(pattern=_SIZE)]
    r: bool
    t: _Terms
    c: Annotated[str, Meta(pattern=_CLOID)] | UnsetType = UNSET


class _Orders(_Exactly, frozen=True):
    type: Literal["order"]
    orders: Annotated[list[_Order], Meta(min_length=1, max_length=MAX_LIST)]
    grouping: Literal["na", "normalTpsl", "positionTpsl"]


_pack = msgspec.msgpack.Encoder().encode


def is_canonical_order(value: object) -> bool:
    """Whether this is an order action in canonical form already; False where that is not certain."""
    try:
        read = msgspec.convert(value, _Orders)
    except msgspec.ValidationError:
        return False
    # The same bytes: its members stand in hashed order too.
    return _pack(read) == _pack(value)
