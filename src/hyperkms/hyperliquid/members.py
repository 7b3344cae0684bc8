"""How the members of an action are read: strictly, each into its canonical form."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hyperkms.errors import Malformed, shown
from hyperkms.hyperliquid.wire import Numbers

Kind = Callable[[object, str, Numbers], Any]
"""Reads one value at a path; answers its canonical form or raises Malformed."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}", re.ASCII)
MAX_LIST = 1000


class Presence(Enum):
    """Whether a member must be there."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    ONLY_TRUE = "only-true"
    """A flag that is hashed when true and absent when false."""
    UNLESS_EMPTY = "unless-empty"
    """A text that is absent when it is empty."""


_LEFT_OUT: Mapping[Presence, object] = {Presence.ONLY_TRUE: False, Presence.UNLESS_EMPTY: ""}
"""The value that says the same as no value."""


@dataclass(frozen=True)
class Member:
    """One member of an object, in its place in the hashed order."""

    name: str
    kind: Kind
    presence: Presence = Presence.REQUIRED


def struct(*members: Member) -> Kind:
    """An object with exactly these members, answered in this order."""
    names = frozenset(member.name for member in members)
    table = tuple((m.name, m.kind, m.presence is Presence.REQUIRED, _LEFT_OUT.get(m.presence)) for m in members)

    def read(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Malformed.at(path, "an object is due")
        if not names.issuperset(value):
            unknown = next(name for name in value if name not in names)
            raise Malformed.at(f"{path}.{shown(unknown)}", "is not a member of this action", "unknown-field")
        canonical: dict[str, Any] = {}
        for name, kind, required, left_out in table:
            if name in value:
                one = kind(value[name], f"{path}.{name}", numbers)
                if left_out is None or one != left_out:
                    canonical[name] = one
            elif required:
                raise Malformed.at(f"{path}.{name}", "is missing", "missing-field")
        return canonical

    return read


def list_of(kind: Kind) -> Kind:
    """A list of 1 to MAX_LIST entries."""

    def read(value: object, path: str, numbers: Numbers) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
            raise Malformed.at(path, f"a list of 1 to {MAX_LIST} entries is due")
        return [kind(entry, f"{path}[{number}]", numbers) for number, entry in enumerate(value)]

    return read


def word(*words: str) -> Kind:
    """One of these words."""

    def read(value: object, path: str, _numbers: Numbers) -> str:
        if not isinstance(value, str) or value not in words:
            raise Malformed.at(path, f"one of {', '.join(words)} is due")
        return value

    return read


def integer(least: int, most: int) -> Kind:
    """An integer in these bounds, both included; true and false are none."""

    def read(value: object, path: str, _numbers: Numbers) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Malformed.at(path, f"an integer from {least} to {most} is due")
        return value

    return read


def flag(value: object, path: str, _numbers: Numbers) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Malformed.at(path, "true or false is due")
    return value


def address(value: object, path: str, _numbers: Numbers) -> str:
    """See parse_address."""
    return parse_address(value, path)


def address_or_none(value: object, path: str, numbers: Numbers) -> str:
    """An address, or the empty text."""
    return "" if value == "" else address(value, path, numbers)


def cloid(value: object, path: str, _numbers: Numbers) -> str:
    """A client order id, answered in lower case."""
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Malformed.at(path, "a client order id is due: 0x and 32 hex digits")
    return value.lower()


def order_id(value: object, path: str, numbers: Numbers) -> int | str:
    """An order number, or a client order id."""
    if isinstance(value, str):
        return str(cloid(value, path, numbers))
    return int(UINT64(value, path, numbers))


def one_of(**variants: Kind) -> Kind:
    """An object with exactly one member, whose name says which variant it is."""

    def read(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in variants:
            raise Malformed.at(path, f"an object with one member is due: {' or '.join(variants)}")
        name, content = next(iter(value.items()))
        return {name: variants[name](content, f"{path}.{name}", numbers)}

    return read


def parse_address(value: object, path: str) -> str:
    """0x and 40 hex digits, answered in lower case, as the exchange hashes it."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Malformed.at(path, "an address is due: 0x and 40 hex digits")
    return value.lower()


UINT32 = integer(0, 2**32 - 1)
UINT64 = integer(0, 2**64 - 1)
