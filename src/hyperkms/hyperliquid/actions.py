"""The action types that can be signed: one table for parsing, canonical form and hashed key order.

Source: docs/formats.md "Actions", which lists the members in hashed order with the official SDK
functions they match. What has no entry in the table is refused.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.certain import is_canonical_order
from hyperkms.hyperliquid.members import (
    UINT32,
    UINT64,
    Kind,
    Member,
    Presence,
    address,
    cloid,
    flag,
    integer,
    list_of,
    one_of,
    order_id,
    struct,
    word,
)
from hyperkms.hyperliquid.wire import Numbers, read_decimal, require_price_text

PERP_DECIMALS = 6
SPOT_DECIMALS = 8
_FIRST_SPOT = 10_000
_FIRST_BUILDER_PERP = 100_000
_FIRST_OUTCOME = 100_000_000


class Action(msgspec.Struct, frozen=True):
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
    if is_canonical_order(value):
        return Action("order", value)
    name = value.get("type")
    if not isinstance(name, str) or name not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise Malformed.at("action.type", f"is not one of the types that can be signed: {known}", "unknown-action")
    return Action(name, ACTIONS[name](value, "action", numbers))


def is_spot(asset: int) -> bool:
    """Whether an asset number is a spot pair: 10000 + its index."""
    return _FIRST_SPOT <= asset < _FIRST_BUILDER_PERP


def price_decimals(asset: int, size_decimals: int) -> int:
    """Decimals a price of the asset may have: 6 for perps, 8 for spot, less those of its size."""
    return max(0, (SPOT_DECIMALS if is_spot(asset) else PERP_DECIMALS) - size_decimals)


def _grouping(value: object, path: str, numbers: Numbers) -> str | dict[str, Any]:
    if isinstance(value, dict):
        read: dict[str, Any] = struct(Member("p", UINT64))(value, path, numbers)
        return read
    return str(word("na", "normalTpsl", "positionTpsl")(value, path, numbers))


def _order(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
    order: dict[str, Any] = _ORDER(value, path, numbers)
    if numbers is Numbers.CANONICAL:
        _require_sound(order, path)
    return order


def _require_sound(order: Mapping[str, Any], path: str) -> None:
    """What holds for every asset; the market's own decimals are checked where they are known."""
    decimals = price_decimals(order["a"], 0) if order["a"] < _FIRST_OUTCOME else SPOT_DECIMALS
    for place, text in prices_of(order):
        require_price_text(text, f"{path}.{place}", decimals)
    size = order["s"]
    if size[0] not in "-0":
        return
    size = Decimal(size)
    # Size 0 on a reduce-only trigger means the whole position.
    if size < 0 or (size == 0 and not (order["r"] and "trigger" in order["t"])):
        raise Malformed.at(f"{path}.s", "a size is above 0", "invalid-size")


def prices_of(order: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The prices of an order with their paths inside it."""
    yield "p", order["p"]
    if "trigger" in order["t"]:
        yield "t.trigger.triggerPx", order["t"]["trigger"]["triggerPx"]


_OPTIONAL = Presence.OPTIONAL
TIME_IN_FORCE = word("Gtc", "Ioc", "Alo", "FrontendMarket")
"""How long a limit order stands."""

_ORDER = struct(
    Member("a", UINT32),
    Member("b", flag),
    Member("p", read_decimal),
    Member("s", read_decimal),
    Member("r", flag),
    Member(
        "t",
        one_of(
            limit=struct(Member("tif", TIME_IN_FORCE)),
            trigger=struct(
                Member("isMarket", flag), Member("triggerPx", read_decimal), Member("tpsl", word("tp", "sl"))
            ),
        ),
    ),
    Member("c", cloid, _OPTIONAL),
)


def _action(name: str, *members: Member) -> tuple[str, Kind]:
    return name, struct(Member("type", word(name)), *members)


ACTIONS: Mapping[str, Kind] = dict(
    (
        _action(
            "order",
            Member("orders", list_of(_order)),
            Member("grouping", _grouping),
            Member("builder", struct(Member("b", address), Member("f", UINT64)), _OPTIONAL),
        ),
        _action(
            "cancel",
            Member("cancels", list_of(struct(Member("a", UINT32), Member("o", UINT64)))),
            Member("f", flag, Presence.ONLY_TRUE),
        ),
        _action(
            "cancelByCloid",
            Member("cancels", list_of(struct(Member("asset", UINT32), Member("cloid", cloid)))),
            Member("f", flag, Presence.ONLY_TRUE),
        ),
        _action(
            "modify",
            Member("oid", order_id),
            Member("order", _order),
            Member("a", flag, Presence.ONLY_TRUE),
        ),
        _action(
            "batchModify",
            Member("modifies", list_of(struct(Member("oid", order_id), Member("order", _order)))),
            Member("a", flag, Presence.ONLY_TRUE),
        ),
        _action(
            "updateLeverage",
            Member("asset", UINT32),
            Member("isCross", flag),
            Member("leverage", integer(1, 2**32 - 1)),
        ),
        _action("scheduleCancel", Member("time", UINT64, _OPTIONAL)),
        _action("noop"),
    )
)
"""Every action type of this release, by name."""
