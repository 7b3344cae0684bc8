"""Orders, as the actions that place and modify them hold them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.members import UINT32, UINT64, Member, Presence, cloid, flag, one_of, struct, word
from hyperkms.hyperliquid.wire import Numbers, read_decimal, require_price_text

PERP_DECIMALS = 6
SPOT_DECIMALS = 8
FIRST_SPOT = 10_000
_FIRST_BUILDER_PERP = 100_000
_FIRST_OUTCOME = 100_000_000


def is_spot(asset: int) -> bool:
    """Whether an asset number is a spot pair: 10000 + its index."""
    return FIRST_SPOT <= asset < _FIRST_BUILDER_PERP


def price_decimals(asset: int, size_decimals: int) -> int:
    """Decimals a price of the asset may have: 6 for perps, 8 for spot, less those of its size."""
    return max(0, (SPOT_DECIMALS if is_spot(asset) else PERP_DECIMALS) - size_decimals)


def grouping(value: object, path: str, numbers: Numbers) -> str | dict[str, Any]:
    """How the orders of an action belong together."""
    if isinstance(value, dict):
        read: dict[str, Any] = struct(Member("p", UINT64))(value, path, numbers)
        return read
    return str(word("na", "normalTpsl", "positionTpsl")(value, path, numbers))


def order(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
    """One order, with prices and a size that some market could take."""
    read: dict[str, Any] = _ORDER(value, path, numbers)
    if numbers is Numbers.CANONICAL:
        _require_sound(read, path)
    return read


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
    Member("c", cloid, Presence.OPTIONAL),
)
