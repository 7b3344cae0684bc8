"""JSON that two readers cannot read differently (RFC 8259), and the compact text JavaScript makes of it.

Integers become `int`, every other number `Decimal`, so no digit is lost on the way in.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Never

import msgspec

from hyperkms.errors import Malformed

MAX_DEPTH = 32
"""Levels of objects and arrays; an action has 6."""

_CERTAIN = 300
"""So many digits are always in the range of a double."""

_CERTAIN_INTEGER = 10**_CERTAIN
_NO_COUNT = -(2**62)

MAX_NUMBER = 400
"""Characters of one number; JavaScript prints at most 25."""

_WHAT = "The request body"
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER_LIKE = re.compile(r"(?:0|[1-9][0-9]{0,9})", re.ASCII)
_MAX_ARRAY_INDEX = 2**32 - 2


def parse(raw: bytes, what: str = _WHAT) -> object:
    """Read one JSON text in UTF-8, which a refusal calls so.

    Malformed for anything that is not RFC 8259, and for what readers disagree on: duplicate keys,
    NaN and Infinity, numbers beyond IEEE 754 doubles, lone surrogates, a byte order mark, more than
    32 levels.
    """
    quickly = _parse_quickly(raw)
    return _parse_slowly(raw, what) if quickly is _NOT_SURE else quickly


def _parse_quickly(raw: bytes) -> object:
    """The value where it is certain that no rule of `parse` is broken, else _NOT_SURE.

    msgspec keeps the last of duplicate keys. Every key is followed by a colon, so a text with no more
    colons than the value has members has no duplicate.
    """
    try:
        value = _QUICK.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return _NOT_SURE
    return value if count_members(value, MAX_DEPTH) == raw.count(b":") else _NOT_SURE


def count_members(value: object, levels: int) -> int:
    """How many members the objects in a value have; a negative number where a rule of `parse` may be broken.

    That is beyond so many levels, and with an integer of which it is not certain that a double can hold it.
    """
    if type(value) is dict:
        count, inner = len(value), value.values()
    elif type(value) is list:
        count, inner = 0, value  # type: ignore[assignment]  # iterated alike
    else:
        return _NO_COUNT if type(value) is int and abs(value) > _CERTAIN_INTEGER else 0
    if not levels:
        return _NO_COUNT
    for member in inner:
        kind = type(member)
        if kind is dict or kind is list or kind is int:
            count += count_members(member, levels - 1)
    return count


def short_decimal(text: str) -> Decimal:
    """What needs no look at its range."""
    if len(text) > _SHORT or "e" in text or "E" in text:
        raise ValueError
    return Decimal(text)


def _parse_slowly(raw: bytes, what: str = _WHAT) -> object:
    try:
        return _read(raw)
    except _NotStrict as fault:
        raise Malformed("malformed-json", f"{what} {fault}.") from None


def _read(raw: bytes) -> object:
    try:
        text = raw.decode("utf-8", "strict")
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise _NotStrict("is not UTF-8") from None
    except json.JSONDecodeError as broken:
        raise _NotStrict(f"is not JSON: {broken.msg} at character {broken.pos}") from None
    except RecursionError:
        raise _NotStrict(f"has more than {MAX_DEPTH} levels") from None
    _check(value)
    return value


def ecmascript(value: object) -> str:
    """The compact text that `JSON.stringify(JSON.parse(text))` makes: keys in the order sent.

    Numbers are printed as ECMAScript prints doubles (the rules of RFC 8785 section 3.2.2.3). Keys that
    look like array indexes are refused, since JavaScript would move them to the front.
    """
    match value:
        case dict():
            return "{" + ",".join(f"{_key(key)}:{ecmascript(member)}" for key, member in value.items()) + "}"
        case list():
            return "[" + ",".join(map(ecmascript, value)) + "]"
        case bool() | None:
            return json.dumps(value)
        case int() | Decimal():
            return _number(float(value))
        case str():
            return json.dumps(value, ensure_ascii=False)
    raise TypeError(type(value).__name__)


def _key(key: str) -> str:
    if _INTEGER_LIKE.fullmatch(key) and int(key) <= _MAX_ARRAY_INDEX:
        raise Malformed.at("orderPayload", "a key is a whole number, which JavaScript would reorder", "integer-key")
    return json.dumps(key, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMA-262 Number::toString for radix 10: `repr` has the same shortest digits."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if not isinstance(exponent, int) or value == 0:
        return "0"
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if len(text) <= point <= 21:  # noqa: PLR2004 (21, -6: the bounds of ECMA-262)
        body = text + "0" * (point - len(text))
    elif 0 < point <= 21:  # noqa: PLR2004
        body = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:  # noqa: PLR2004
        body = "0." + "0" * -point + text
    else:
        mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
        body = f"{mantissa}e{point - 1:+d}"
    return "-" + body if sign else body


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrict("has an object with a duplicate key")
    return members


def _integer(text: str) -> int:
    if len(text) > _CERTAIN:
        _decimal(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER or float(text) in (float("inf"), float("-inf")):
        raise _NotStrict("has a number outside the range of a double")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond 18 digits
        raise _NotStrict("has a number outside the range of a double") from None


def _constant(text: str) -> Never:
    raise _NotStrict(f"has {text}, which is not a JSON number")


def _check(value: object) -> None:
    """Depth and surrogates, without recursion."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, str):
            if _SURROGATE.search(current):
                raise _NotStrict("has a lone surrogate, which is not a character")
        elif isinstance(current, dict | list):
            if depth > MAX_DEPTH:
                raise _NotStrict(f"has more than {MAX_DEPTH} levels")
            members = [*current.keys(), *current.values()] if isinstance(current, dict) else current
            waiting.extend((member, depth + 1) for member in members)


class _NotStrict(Exception):
    """What is wrong with the text, as a sentence about it goes on."""


_NOT_SURE = object()
_SHORT = 40
_QUICK = msgspec.json.Decoder(float_hook=short_decimal)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)
