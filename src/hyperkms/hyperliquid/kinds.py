"""Kinds of members beside those that orders have: names, amounts, tokens."""

import re
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.members import Kind, integer, parse_address
from hyperkms.hyperliquid.wire import Numbers, read_decimal

_AMOUNT = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_ZERO = re.compile(r"[0.]+", re.ASCII)
_SYMBOL = re.compile(r"[!-~]{1,64}", re.ASCII)
_DEX = re.compile(r"[!-~]{0,32}", re.ASCII)

INT64 = integer(-(2**63), 2**63 - 1)


def positive(value: object, path: str, numbers: Numbers) -> str:
    """A decimal string above 0 in canonical form."""
    text = read_decimal(value, path, numbers)
    if text[0] == "-" or _ZERO.fullmatch(text):
        raise Malformed.at(path, "a number above 0 is due", "invalid-number")
    return text


def amount(value: object, path: str, _numbers: Numbers) -> str:
    """A decimal string above 0, hashed as it is written: "100.0" is another text than "100", and as good."""
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise Malformed.at(path, 'a plain decimal string is due, e.g. "12.5", without sign or exponent')
    if _ZERO.fullmatch(value):
        raise Malformed.at(path, "an amount is above 0", "invalid-number")
    return value


def text(least: int, most: int) -> Kind:
    """A text of this many characters."""

    def read(value: object, path: str, _numbers: Numbers) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise Malformed.at(path, f"a text of {least} to {most} characters is due")
        return value

    return read


def address_as_written(value: object, path: str, _numbers: Numbers) -> str:
    """An address that is hashed as a text, so that its case is kept."""
    parse_address(value, path)
    return str(value)


def token(value: object, path: str, _numbers: Numbers) -> str:
    """A token as the exchange names it, e.g. USDC or PURR:0xc1fb593aeffbeb02f85e0308e9956a90; hashed as written."""
    if not isinstance(value, str) or not _SYMBOL.fullmatch(value):
        raise Malformed.at(path, "a token's name is due: 1 to 64 printable ASCII characters without spaces")
    return value


def dex(value: object, path: str, _numbers: Numbers) -> str:
    """The name of a DEX: empty for the first one, `spot` for spot."""
    if not isinstance(value, str) or not _DEX.fullmatch(value):
        raise Malformed.at(path, "a DEX's name is due: at most 32 printable ASCII characters without spaces")
    return value


def nullable(kind: Kind) -> Kind:
    """What `kind` reads, or null: the member is there and says that it is unset."""

    def read(value: object, path: str, numbers: Numbers) -> Any:
        return None if value is None else kind(value, path, numbers)

    return read


def null(value: object, path: str, _numbers: Numbers) -> None:
    """Null and nothing else."""
    if value is not None:
        raise Malformed.at(path, "null is due")
