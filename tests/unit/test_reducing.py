"""Which actions are signed on a full disk."""

from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.reducing import takes_risk_away
from hyperkms.hyperliquid.wire import Numbers
from support.good_actions import GOOD, ORDER


def test_of_all_types_only_these_take_risk_away() -> None:
    found = {name for name, action in GOOD.items() if _takes_risk_away(action)}
    assert {GOOD[name]["type"] for name in found} == {"cancel", "cancelByCloid", "twapCancel", "scheduleCancel", "noop"}


def test_to_end_a_scheduled_cancel_takes_no_risk_away() -> None:
    assert _takes_risk_away({"type": "scheduleCancel", "time": 1_900_000_000_000})
    assert not _takes_risk_away({"type": "scheduleCancel"})


def test_a_reduce_only_order_is_an_order() -> None:
    assert not _takes_risk_away({"type": "order", "orders": [{**ORDER, "r": True}], "grouping": "na"})


def _takes_risk_away(action: object) -> bool:
    return takes_risk_away(parse_action(action, Numbers.CANONICAL).wire)
