"""Numbers as the exchange writes them, and the msgpack form that is hashed.

Sources: docs/formats.md "Action numbers"; `float_to_wire` of the official Python SDK.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal
from enum import Enum

import msgspec

from hyperkms.errors import Malformed

MAX_DECIMALS = 8
MAX_SIGNIFICANT = 5
_MAX_TEXT = 40
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_CERTAIN = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{0,7}[1-9])?", re.ASCII)
"""Texts that are canonical and have at most MAX_DECIMALS decimals; not all of them, -1 for one."""
_CERTAIN_PRICE = re.compile(r"[1-9][0-9]{0,19}|(?=.{3,6}\Z)[1-9][0-9]{0,3}\.[0-9]{0,3}[1-9]", re.ASCII)
"""Prices that every market takes whose decimals they do not exceed: whole, or of 5 figures or fewer."""
_WIDE = Context(prec=100, rounding=ROUND_HALF_EVEN)


class Numbers(Enum):
    """How the decimal strings of an action are read."""

    CANONICAL = "canonical"
    """Only what the exchange would itself write."""
    AS_WRITTEN = "as-written"
    """Any decimal string, hashed as it stands: replay of published vectors in development."""


def msgpack(action: Mapping[str, object]) -> bytes:
    """The bytes that are hashed: members in order, integers in their smallest form, no floats."""
    return msgspec.msgpack.encode(action)


def canonical(value: Decimal) -> str:
    """No exponent, no trailing zeros, 0 and never -0."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_decimal(value: object, path: str, numbers: Numbers) -> str:
    """A decimal string of an action, e.g. "1670.1"; Malformed if it is not one in canonical form."""
    if not isinstance(value, str):
        raise Malformed.at(path, 'a decimal string is due, e.g. "1670.1"; a JSON number is not exact')
    if _CERTAIN.fullmatch(value):
        return value
    if len(value) > _MAX_TEXT or not _DECIMAL.fullmatch(value):
        raise Malformed.at(path, 'a plain decimal string is due, e.g. "1670.1", without exponent or sign +')
    if numbers is Numbers.AS_WRITTEN:
        return value
    wanted = canonical(Decimal(value))
    if value != wanted:
        words = f'"{value}" is not canonical: the exchange hashes "{wanted}"; send that'
        raise Malformed.at(path, words, "not-canonical", canonical=wanted)
    require_decimals(Decimal(value), path, MAX_DECIMALS, "invalid-number")
    return value


def require_price_text(text: str, path: str, decimals: int) -> None:
    """`require_price` for a text that `read_decimal` has answered."""
    if len(text.partition(".")[2]) > decimals or not _CERTAIN_PRICE.fullmatch(text):
        require_price(Decimal(text), path, decimals)


def require_price(price: Decimal, path: str, decimals: int) -> None:
    """A price above 0 with at most 5 significant figures and `decimals` decimals; whole numbers always pass."""
    if price <= 0:
        raise Malformed.at(path, "a price is above 0", "invalid-price")
    if price == price.to_integral_value():
        return
    step = max(Decimal(1).scaleb(-decimals), Decimal(1).scaleb(price.adjusted() - MAX_SIGNIFICANT + 1))
    step = min(step, Decimal(1))
    nearest = _nearest(price, step)
    if nearest != price:
        words = f"{canonical(price)} has more than {MAX_SIGNIFICANT} significant figures or {decimals} decimals"
        raise _off_grid(path, words, nearest, "invalid-price")


def require_decimals(value: Decimal, path: str, decimals: int, code: str = "invalid-size") -> None:
    """At most `decimals` decimals."""
    nearest = _nearest(value, Decimal(1).scaleb(-decimals))
    if nearest != value:
        raise _off_grid(path, f"{canonical(value)} has more than {decimals} decimals", nearest, code)


def _nearest(value: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of `step`, a power of ten; never 0 for a value that is not."""
    nearest = value.quantize(step, context=_WIDE)
    if nearest == 0 and value != 0:
        return value.quantize(step, rounding=ROUND_UP if value > 0 else ROUND_DOWN, context=_WIDE)
    return nearest


def _off_grid(path: str, words: str, nearest: Decimal, code: str) -> Malformed:
    wanted = canonical(nearest)
    return Malformed.at(path, f"{words}; the nearest the exchange accepts is {wanted}", code, nearest=wanted)
