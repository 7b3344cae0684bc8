"""Assets and marks as a test says, in the place of what is read from the exchange; and orders for them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.wire import Numbers
from support.policy_reference import Listed

BTC, ETH, UNLISTED = 0, 1, 7
LISTED = {BTC: Listed(("BTC",), True, "1000", 0), ETH: Listed(("ETH",), True, "100", 5_000)}  # noqa: FBT003 (a table)


class Book:
    """What is listed; the age of each mark is said, not measured."""

    def __init__(self, listed: Mapping[int, Listed] = LISTED) -> None:
        self._listed = listed

    def names(self, asset: int) -> Sequence[str]:
        return self._listed[asset].names if asset in self._listed else ()

    def name(self, asset: int) -> str | None:
        names = self.names(asset)
        return names[0] if names else None

    def is_in_usd(self, asset: int) -> bool:
        return asset in self._listed and self._listed[asset].is_in_usd

    def mark(self, asset: int, *, now: int, max_age_ms: int) -> Decimal | None:
        del now
        found = self._listed.get(asset)
        return Decimal(found.mark) if found and found.mark is not None and found.age_ms <= max_age_ms else None


def order(
    price: str = "1000", size: str = "1", *, asset: int = BTC, buy: bool = True, reduce_only: bool = False
) -> dict[str, Any]:
    """A limit order."""
    return {"a": asset, "b": buy, "p": price, "s": size, "r": reduce_only, "t": {"limit": {"tif": "Gtc"}}}


def orders(*each: Mapping[str, Any]) -> Action:
    """The action that places them."""
    return parse_action({"type": "order", "orders": list(each), "grouping": "na"}, Numbers.CANONICAL)


def action(kind: str, **members: Any) -> Action:
    """Another action."""
    return parse_action({"type": kind, **members}, Numbers.CANONICAL)
