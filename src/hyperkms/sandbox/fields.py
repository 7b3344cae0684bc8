"""Strict reading of JSON: the text itself, the members of an object, and the scalars the exchange knows.

Every reader returns the canonical form of what it read (lower-case hex, numbers without needless zeros) or
raises `MalformedBody`.
"""

import json
import re
from collections.abc import Callable
from typing import TypeVar

from hyperkms.sandbox.refusals import MalformedBody

T = TypeVar("T")

U64 = 2**64 - 1
U32 = 2**32 - 1

_DECIMAL = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?")
_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_SCALAR = re.compile(r"0x[0-9a-fA-F]{1,64}")


def parse_json(body: bytes) -> object:
    """Parse strict JSON in UTF-8: no duplicate keys, infinite numbers, half surrogates or trailing text."""
    try:
        value: object = json.loads(body.decode("utf-8"), object_pairs_hook=_without_duplicates)
        # Writing it again finds what Python reads and JSON does not have: NaN, 1e999, half a surrogate pair.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"not JSON: {type(error).__name__}") from error
    return value


class Fields:
    """The members of one JSON object, each taken at most once; `finish` refuses whatever is left."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise MalformedBody("an object was expected")
        self._left: dict[str, object] = dict(value)

    def take(self, name: str, read: Callable[[object], T]) -> T:
        """Take a member that must be there."""
        if name not in self._left:
            raise MalformedBody(f"missing field {name}")
        return read(self._left.pop(name))

    def take_optional(self, name: str, read: Callable[[object], T]) -> T | None:
        """Take a member that may be absent; null counts as absent."""
        value = self._left.pop(name, None)
        return None if value is None else read(value)

    def finish(self) -> None:
        """Refuse members that nobody took."""
        if self._left:
            raise MalformedBody(f"unknown field {min(self._left)!r}")


def uint64(value: object) -> int:
    """Read an integer from 0 to 2^64 - 1. A boolean or a float is no integer."""
    return _bounded(value, U64)


def uint32(value: object) -> int:
    """Read an integer from 0 to 2^32 - 1."""
    return _bounded(value, U32)


def int64(value: object) -> int:
    """Read an integer from -2^63 to 2^63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise MalformedBody("a signed integer was expected")
    return value


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise MalformedBody("a boolean was expected")
    return value


def decimal_text(value: object) -> str:
    """Read a decimal given as text; "2000.0" becomes "2000", "007.50" becomes "7.5"."""
    text = _matching(value, _DECIMAL, "a decimal as text")
    whole, _, fraction = text.partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def address(value: object) -> str:
    """Read a 20-byte address; the 0x may be missing, as in the vaults ccxt posts. The result has it."""
    text = _matching(value, _ADDRESS, "an address").lower()
    return text if text.startswith("0x") else f"0x{text}"


def cloid(value: object) -> str:
    """Read a client order id: 0x and 32 hex digits, made lower case."""
    return _matching(value, _CLOID, "a client order id").lower()


def any_text(value: object) -> str:
    """Read any text."""
    if not isinstance(value, str):
        raise MalformedBody("a text was expected")
    return value


def scalar(value: object) -> int:
    """Read r or s of a signature, or a chain id: 0x and 1 to 64 hex digits, leading zeros optional."""
    return int(_matching(value, _SCALAR, "a 32-byte hex number"), 16)


def one_of(*allowed: str) -> Callable[[object], str]:
    """Make a reader for a word from a fixed list."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise MalformedBody(f"one of {', '.join(allowed)} was expected")
        return value

    return read


def list_of(read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Make a reader for a list, from the reader of its items."""

    def read_all(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise MalformedBody("a list was expected")
        return tuple(read(item) for item in value)

    return read_all


def _bounded(value: object, maximum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= maximum:
        raise MalformedBody(f"an integer from 0 to {maximum} was expected")
    return value


def _matching(value: object, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise MalformedBody(f"{expected} was expected")
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members
