"""The action types that can be signed: one table for parsing, canonical form and hashed key order.

Source: docs/formats.md "Actions", which lists the members in hashed order with the official SDK
functions they match. What has no entry in the table is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.wire import Numbers, read_decimal, require_price

Kind = Callable[[object, str, Numbers], Any]
"""Reads one value at a path; answers its canonical form or raises Malformed."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}", re.ASCII)
MAX_LIST = 1000

PERP_DECIMALS = 6
SPOT_DECIMALS = 8
_FIRST_SPOT = 10_000
_FIRST_BUILDER_PERP = 100_000
_FIRST_OUTCOME = 100_000_000


@dataclass(frozen=True)
class Action:
    """An action in canonical form: members in hashed key order, ready to be packed and posted."""

    type: str
    wire: Mapping[str, Any]

    def orders(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every order in it, with its path."""
        match self.type:
            case "order":
                for number, order in enumerate(self.wire["orders"]):
                    yield f"action.orders[{number}]", order
            case "modify":
                yield "action.order", self.wire["order"]
            case "batchModify":
                for number, entry in enumerate(self.wire["modifies"]):
                    yield f"action.modifies[{number}].order", entry["order"]


def parse_action(value: object, numbers: Numbers) -> Action:
    """Read an action strictly.

    Malformed, naming the member, for an unknown type or member, a missing one, a wrong type, null, and
    a number that is not canonical. Members may come in any order; addresses and cloids in any case.
    """
    if not isinstance(value, dict):
        raise Malformed.at("action", "an object is due")
    name = value.get("type")
    if not isinstance(name, str) or name not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise Malformed.at("action.type", f"is not one of the types that can be signed: {known}", "unknown-action")
    return Action(name, ACTIONS[name](value, "action", numbers))


def parse_address(value: object, path: str) -> str:
    """0x and 40 hex digits, answered in lower case, as the exchange hashes it."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Malformed.at(path, "an address is due: 0x and 40 hex digits")
    return value.lower()


def is_spot(asset: int) -> bool:
    """Whether an asset number is a spot pair: 10000 + its index."""
    return _FIRST_SPOT <= asset < _FIRST_BUILDER_PERP


def price_decimals(asset: int, size_decimals: int) -> int:
    """Decimals a price of the asset may have: 6 for perps, 8 for spot, less those of its size."""
    return max(0, (SPOT_DECIMALS if is_spot(asset) else PERP_DECIMALS) - size_decimals)


class Presence(Enum):
    """Whether a member must be there."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    ONLY_TRUE = "only-true"
    """A flag that is hashed when true and absent when false."""


@dataclass(frozen=True)
class Member:
    """One member of an object, in its place in the hashed order."""

    name: str
    kind: Kind
    presence: Presence = Presence.REQUIRED


def _struct(*members: Member) -> Kind:
    names = {member.name for member in members}

    def read(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Malformed.at(path, "an object is due")
        for name in value:
            if name not in names:
                raise Malformed.at(f"{path}.{name[:64]}", "is not a member of this action", "unknown-field")
        return dict(_read_members(members, value, path, numbers))

    return read


def _read_members(
    members: tuple[Member, ...], value: Mapping[str, object], path: str, numbers: Numbers
) -> Iterator[tuple[str, Any]]:
    for member in members:
        place = f"{path}.{member.name}"
        if member.name not in value:
            if member.presence is Presence.REQUIRED:
                raise Malformed.at(place, "is missing", "missing-field")
            continue
        read = member.kind(value[member.name], place, numbers)
        if member.presence is Presence.ONLY_TRUE and read is False:
            continue
        yield member.name, read


def _list_of(kind: Kind) -> Kind:
    def read(value: object, path: str, numbers: Numbers) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
            raise Malformed.at(path, f"a list of 1 to {MAX_LIST} entries is due")
        return [kind(entry, f"{path}[{number}]", numbers) for number, entry in enumerate(value)]

    return read


def _word(*words: str) -> Kind:
    def read(value: object, path: str, _numbers: Numbers) -> str:
        if not isinstance(value, str) or value not in words:
            raise Malformed.at(path, f"one of {', '.join(words)} is due")
        return value

    return read


def _integer(least: int, most: int) -> Kind:
    def read(value: object, path: str, _numbers: Numbers) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Malformed.at(path, f"an integer from {least} to {most} is due")
        return value

    return read


def _flag(value: object, path: str, _numbers: Numbers) -> bool:
    if not isinstance(value, bool):
        raise Malformed.at(path, "true or false is due")
    return value


def _address(value: object, path: str, _numbers: Numbers) -> str:
    return parse_address(value, path)


def _cloid(value: object, path: str, _numbers: Numbers) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Malformed.at(path, "a client order id is due: 0x and 32 hex digits")
    return value.lower()


def _order_id(value: object, path: str, numbers: Numbers) -> int | str:
    if isinstance(value, str):
        return str(_cloid(value, path, numbers))
    return int(_UINT64(value, path, numbers))


def _one_of(**variants: Kind) -> Kind:
    """An object with exactly one member, whose name says which variant it is."""

    def read(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in variants:
            raise Malformed.at(path, f"an object with one member is due: {' or '.join(variants)}")
        name, content = next(iter(value.items()))
        return {name: variants[name](content, f"{path}.{name}", numbers)}

    return read


def _grouping(value: object, path: str, numbers: Numbers) -> str | dict[str, Any]:
    if isinstance(value, dict):
        read: dict[str, Any] = _struct(Member("p", _UINT64))(value, path, numbers)
        return read
    return str(_word("na", "normalTpsl", "positionTpsl")(value, path, numbers))


def _order(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
    order: dict[str, Any] = _ORDER(value, path, numbers)
    if numbers is Numbers.CANONICAL:
        _require_sound(order, path)
    return order


def _require_sound(order: Mapping[str, Any], path: str) -> None:
    """What holds for every asset; the market's own decimals are checked where they are known."""
    decimals = price_decimals(order["a"], 0) if order["a"] < _FIRST_OUTCOME else SPOT_DECIMALS
    for place, text in prices_of(order):
        require_price(Decimal(text), f"{path}.{place}", decimals)
    size = Decimal(order["s"])
    # Size 0 on a reduce-only trigger means the whole position.
    if size < 0 or (size == 0 and not (order["r"] and "trigger" in order["t"])):
        raise Malformed.at(f"{path}.s", "a size is above 0", "invalid-size")


def prices_of(order: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The prices of an order with their paths inside it."""
    yield "p", order["p"]
    if "trigger" in order["t"]:
        yield "t.trigger.triggerPx", order["t"]["trigger"]["triggerPx"]


_UINT32 = _integer(0, 2**32 - 1)
_UINT64 = _integer(0, 2**64 - 1)
_OPTIONAL = Presence.OPTIONAL

_ORDER = _struct(
    Member("a", _UINT32),
    Member("b", _flag),
    Member("p", read_decimal),
    Member("s", read_decimal),
    Member("r", _flag),
    Member(
        "t",
        _one_of(
            limit=_struct(Member("tif", _word("Gtc", "Ioc", "Alo", "FrontendMarket"))),
            trigger=_struct(
                Member("isMarket", _flag), Member("triggerPx", read_decimal), Member("tpsl", _word("tp", "sl"))
            ),
        ),
    ),
    Member("c", _cloid, _OPTIONAL),
)


def _action(name: str, *members: Member) -> tuple[str, Kind]:
    return name, _struct(Member("type", _word(name)), *members)


ACTIONS: Mapping[str, Kind] = dict(
    (
        _action(
            "order",
            Member("orders", _list_of(_order)),
            Member("grouping", _grouping),
            Member("builder", _struct(Member("b", _address), Member("f", _UINT64)), _OPTIONAL),
        ),
        _action(
            "cancel",
            Member("cancels", _list_of(_struct(Member("a", _UINT32), Member("o", _UINT64)))),
            Member("f", _flag, Presence.ONLY_TRUE),
        ),
        _action(
            "cancelByCloid",
            Member("cancels", _list_of(_struct(Member("asset", _UINT32), Member("cloid", _cloid)))),
            Member("f", _flag, Presence.ONLY_TRUE),
        ),
        _action(
            "modify",
            Member("oid", _order_id),
            Member("order", _order),
            Member("a", _flag, Presence.ONLY_TRUE),
        ),
        _action(
            "batchModify",
            Member("modifies", _list_of(_struct(Member("oid", _order_id), Member("order", _order)))),
            Member("a", _flag, Presence.ONLY_TRUE),
        ),
        _action(
            "updateLeverage",
            Member("asset", _UINT32),
            Member("isCross", _flag),
            Member("leverage", _integer(1, 2**32 - 1)),
        ),
        _action("scheduleCancel", Member("time", _UINT64, _OPTIONAL)),
        _action("noop"),
    )
)
"""Every action type of this release, by name."""
