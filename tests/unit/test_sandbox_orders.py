"""What accepted actions do to an account, and in which words the exchange answers."""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from hyperkms.sandbox.account import Account, Leverage
from hyperkms.sandbox.applying import apply
from hyperkms.sandbox.parsing import parse_action
from hyperkms.sandbox.placing import Moment
from hyperkms.sandbox.refusals import Refused

Json = dict[str, Any]

NOW = 1_780_000_000_000
CLOID = "0x1234567890abcdef1234567890abcdef"
BTC, ETH, DOGE, PURR = 0, 1, 3, 10_000


class Desk:
    """One account, and the exchange's answers to actions on it."""

    def __init__(self) -> None:
        self.account = Account()
        self._oids = count(1)

    def does(self, action: Json) -> Json:
        return apply(parse_action(action), self.account, Moment(NOW, self._oids.__next__))

    def orders(self, *orders: Json, grouping: str = "na") -> list[Any]:
        return _statuses(self.does({"type": "order", "orders": list(orders), "grouping": grouping}))

    def open_oids(self) -> list[int]:
        return [record.oid for record in self.account.open_orders()]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def _statuses(response: Json) -> list[Any]:
    statuses: list[Any] = response["data"]["statuses"]
    return statuses


def _order(tif: str = "Gtc", **changes: Any) -> Json:
    order = {"a": BTC, "b": True, "p": "60000", "s": "0.01", "r": False, "t": {"limit": {"tif": tif}}}
    return {**order, **changes}


def _stop(**changes: Any) -> Json:
    terms = {"trigger": {"isMarket": True, "triggerPx": "59000", "tpsl": "sl"}}
    return _order(b=False, r=True, t=terms, **changes)


@pytest.mark.parametrize("tif", ["Gtc", "Alo"])
def test_a_limit_order_rests_under_a_fresh_oid(desk: Desk, tif: str) -> None:
    assert desk.orders(_order(tif), _order(tif, c=CLOID)) == [
        {"resting": {"oid": 1}},
        {"resting": {"oid": 2, "cloid": CLOID}},
    ]
    assert desk.open_oids() == [1, 2]


@pytest.mark.parametrize("tif", ["Ioc", "FrontendMarket"])
def test_an_immediate_order_fills_wholly_at_its_own_price(desk: Desk, tif: str) -> None:
    assert desk.orders(_order(tif, c=CLOID)) == [
        {"filled": {"totalSz": "0.01", "avgPx": "60000", "oid": 1, "cloid": CLOID}}
    ]
    assert desk.open_oids() == []
    assert desk.account.positions[BTC].size == Decimal("0.01")


def test_positions_average_their_entry_and_vanish_when_closed(desk: Desk) -> None:
    desk.orders(_order("Ioc", s="1", p="60000"), _order("Ioc", s="1", p="62000"))
    assert desk.account.positions[BTC].entry == Decimal(61000)
    desk.orders(_order("Ioc", s="3", p="60000", b=False))
    assert desk.account.positions[BTC].size == Decimal(-1)
    assert desk.account.positions[BTC].entry == Decimal(60000)
    desk.orders(_order("Ioc", s="1"))
    assert desk.account.positions == {}


def test_a_reduce_only_order_closes_at_most_the_position(desk: Desk) -> None:
    desk.orders(_order("Ioc", s="0.01"))
    [status] = desk.orders(_order("Ioc", s="5", b=False, r=True))
    assert status["filled"]["totalSz"] == "0.01"
    assert desk.account.positions == {}


def test_a_reduce_only_order_that_would_open_a_position_is_refused(desk: Desk) -> None:
    assert desk.orders(_order("Ioc", r=True)) == [{"error": "Reduce only order would increase position. asset=0"}]


def test_a_trigger_order_alone_rests(desk: Desk) -> None:
    assert desk.orders(_stop()) == [{"resting": {"oid": 1}}]


def test_children_of_a_resting_order_wait_for_its_fill(desk: Desk) -> None:
    statuses = desk.orders(_order(), _stop(), grouping="normalTpsl")
    assert statuses == [{"resting": {"oid": 1}}, "waitingForFill"]


def test_children_of_a_filled_order_wait_for_their_trigger(desk: Desk) -> None:
    assert desk.orders(_order("Ioc"), _stop(), grouping="normalTpsl")[1] == "waitingForTrigger"


def test_children_of_a_refused_order_are_refused_with_it(desk: Desk) -> None:
    error = {"error": "Order has invalid size."}
    assert desk.orders(_order(s="0"), _stop(), grouping="normalTpsl") == [error, error]
    assert desk.open_oids() == []


def test_orders_that_protect_a_position_wait_for_their_trigger(desk: Desk) -> None:
    assert desk.orders(_stop(), grouping="positionTpsl") == ["waitingForTrigger"]


REFUSED_ORDERS = {
    "price of zero": (_order(p="0"), "Order has invalid price."),
    "six figures": (_order(p="60000.5"), "Order has invalid price."),
    "too many decimals": (_order(a=DOGE, p="0.0000001", s="1"), "Order has invalid price."),
    "decimals for this size": (_order(p="1.23", s="10"), "Order has invalid price."),
    "trigger price": (
        _order(t={"trigger": {"isMarket": True, "triggerPx": "0", "tpsl": "sl"}}),
        "Invalid TP/SL price. asset=0",
    ),
    "size of zero": (_order(s="0"), "Order has invalid size."),
    "size decimals": (_order(s="0.010001"), "Order has invalid size."),
    "nine dollars": (_order(p="900", s="0.01"), "Order must have minimum value of $10. asset=0"),
    "nine dollars of spot": (
        _order(a=PURR, p="0.9", s="10"),
        "Order must have minimum value of 10 USDC. asset=10000",
    ),
    "unknown asset": (_order(a=99), "Unknown asset. asset=99"),
}


@pytest.mark.parametrize(("order", "words"), REFUSED_ORDERS.values(), ids=REFUSED_ORDERS.keys())
def test_an_order_the_exchange_would_not_take_is_refused_alone(desk: Desk, order: Json, words: str) -> None:
    assert desk.orders(order, _order()) == [{"error": words}, {"resting": {"oid": 1}}]


@pytest.mark.parametrize(
    "order",
    [
        _order(p="123456"),
        _order(p="1234.5"),
        _order(p="1000", s="0.01"),
        _order(p="900", s="0.01", r=True),
        _order(a=DOGE, p="0.12345", s="1000"),
        _order(a=PURR, p="0.00012345", s="100000"),
    ],
    ids=["whole price", "five figures", "exactly 10 USD", "small reduce-only", "6 decimals", "8 decimals"],
)
def test_an_order_at_the_edge_of_the_rules_is_taken(desk: Desk, order: Json) -> None:
    assert desk.orders(order) == [{"resting": {"oid": 1}}]


def test_orders_are_cancelled_by_oid_and_by_cloid(desk: Desk) -> None:
    desk.orders(_order(), _order(c=CLOID))
    by_oid = desk.does({"type": "cancel", "cancels": [{"a": BTC, "o": 1}]})
    by_cloid = desk.does({"type": "cancelByCloid", "cancels": [{"asset": BTC, "cloid": CLOID}]})
    assert by_oid == by_cloid == {"type": "cancel", "data": {"statuses": ["success"]}}
    assert desk.open_oids() == []


def test_cancelling_what_is_not_open_is_an_error_of_its_own(desk: Desk) -> None:
    desk.orders(_order())
    cancels = [{"a": BTC, "o": 1}, {"a": BTC, "o": 1}, {"a": ETH, "o": 9}]
    words = "Order was never placed, already canceled, or filled."
    assert _statuses(desk.does({"type": "cancel", "cancels": cancels})) == [
        "success",
        {"error": f"{words} asset=0"},
        {"error": f"{words} asset=1"},
    ]


def test_an_order_is_not_cancelled_under_another_asset(desk: Desk) -> None:
    desk.orders(_order())
    [status] = _statuses(desk.does({"type": "cancel", "cancels": [{"a": ETH, "o": 1}]}))
    assert "error" in status
    assert desk.open_oids() == [1]


def test_a_modified_order_continues_under_a_new_oid(desk: Desk) -> None:
    desk.orders(_order(c=CLOID))
    assert desk.does({"type": "modify", "oid": CLOID, "order": _order(p="61000")}) == {"type": "default"}
    assert desk.open_oids() == [2]
    changes = [{"oid": 2, "order": _order(p="62000")}]
    assert _statuses(desk.does({"type": "batchModify", "modifies": changes})) == [{"resting": {"oid": 3}}]
    assert [record.order.price for record in desk.account.open_orders()] == ["62000"]


def test_modifying_what_is_not_open_is_refused(desk: Desk) -> None:
    words = "Cannot modify canceled or filled order"
    with pytest.raises(Refused, match=f"^{words}$"):
        desk.does({"type": "modify", "oid": 5, "order": _order()})
    batch = {"type": "batchModify", "modifies": [{"oid": 5, "order": _order()}]}
    assert _statuses(desk.does(batch)) == [{"error": words}]


def test_a_refused_modification_leaves_the_order_as_it_was(desk: Desk) -> None:
    desk.orders(_order())
    batch = {"type": "batchModify", "modifies": [{"oid": 1, "order": _order(p="60000.5")}]}
    assert _statuses(desk.does(batch)) == [{"error": "Order has invalid price."}]
    assert desk.open_oids() == [1]


def test_leverage_is_kept_within_the_markets_maximum(desk: Desk) -> None:
    leverage = {"type": "updateLeverage", "asset": BTC, "isCross": False, "leverage": 40}
    assert desk.does(leverage) == {"type": "default"}
    assert desk.account.leverage[BTC] == Leverage(is_cross=False, value=40)


@pytest.mark.parametrize(("asset", "leverage"), [(BTC, 0), (BTC, 41), (PURR, 1)])
def test_a_leverage_out_of_range_is_refused(desk: Desk, asset: int, leverage: int) -> None:
    with pytest.raises(Refused, match=rf"^Invalid leverage value\. asset={asset}$"):
        desk.does({"type": "updateLeverage", "asset": asset, "isCross": True, "leverage": leverage})


def test_a_scheduled_cancellation_ends_every_open_order_at_its_time(desk: Desk) -> None:
    desk.orders(_order())
    assert desk.does({"type": "scheduleCancel", "time": NOW + 5_000}) == {"type": "default"}
    desk.account.run_schedule(now_ms=NOW + 4_999)
    assert desk.open_oids() == [1]
    desk.account.run_schedule(now_ms=NOW + 5_000)
    assert desk.open_oids() == []
    assert desk.account.records[1].status == "scheduledCancel"


def test_a_scheduled_cancellation_can_be_taken_back(desk: Desk) -> None:
    desk.orders(_order())
    desk.does({"type": "scheduleCancel", "time": NOW + 5_000})
    desk.does({"type": "scheduleCancel"})
    desk.account.run_schedule(now_ms=NOW + 10_000)
    assert desk.open_oids() == [1]


def test_a_scheduled_cancellation_must_be_five_seconds_ahead(desk: Desk) -> None:
    with pytest.raises(Refused, match="at least 5 seconds after the current time"):
        desk.does({"type": "scheduleCancel", "time": NOW + 4_999})


def test_a_noop_changes_nothing(desk: Desk) -> None:
    assert desk.does({"type": "noop"}) == {"type": "default"}
    assert desk.account == Account()
