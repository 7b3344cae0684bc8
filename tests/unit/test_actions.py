"""Actions are read strictly, and what is signed is what the exchange hashes."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.actions import ACTIONS, parse_action
from hyperkms.hyperliquid.market import Asset, check_order
from hyperkms.hyperliquid.wire import Numbers

ORDER: dict[str, Any] = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
TRIGGER: dict[str, Any] = {"isMarket": True, "triggerPx": "58000", "tpsl": "sl"}
CLOID = "0x" + "Ab" * 16
GOOD: dict[str, dict[str, Any]] = {
    "order": {
        "type": "order",
        "orders": [{**ORDER, "c": CLOID}, {**ORDER, "t": {"trigger": TRIGGER}}],
        "grouping": "normalTpsl",
        "builder": {"b": "0x" + "Cd" * 20, "f": 10},
    },
    "cancel": {"type": "cancel", "cancels": [{"a": 1, "o": 82382}], "f": True},
    "cancelByCloid": {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}]},
    "modify": {"type": "modify", "oid": 7, "order": ORDER, "a": True},
    "batchModify": {"type": "batchModify", "modifies": [{"oid": CLOID, "order": ORDER}]},
    "updateLeverage": {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 21},
    "scheduleCancel": {"type": "scheduleCancel", "time": 1780000010000},
    "noop": {"type": "noop"},
}


def _parse(action: object) -> Any:
    return parse_action(action, Numbers.CANONICAL).wire


def _refusal(action: object) -> Malformed:
    with pytest.raises(Malformed) as refused:
        parse_action(action, Numbers.CANONICAL)
    return refused.value


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return here + [place for name, member in members for place in _places(member, (*path, name))]


def _replaced(action: Any, place: tuple[Any, ...], new: object) -> Any:
    changed = copy.deepcopy(action)
    target = changed
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = new
    return changed


EVERY_PLACE = [(name, place) for name, action in GOOD.items() for place in _places(action)]


def test_every_type_of_this_release_has_an_example_here() -> None:
    assert set(GOOD) == set(ACTIONS)


@pytest.mark.parametrize("name", GOOD)
def test_members_may_come_in_any_order_and_leave_in_the_hashed_one(name: str) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(entry) for entry in value] if isinstance(value, list) else value

    read = _parse(backwards(GOOD[name]))
    assert repr(read) == repr(_parse(GOOD[name]))
    assert next(iter(read)) == "type"


@pytest.mark.parametrize(("name", "place"), EVERY_PLACE)
@pytest.mark.parametrize("wrong", [None, 1.5, [], {}, "", "x", -1, 2**64, b"x"], ids=repr)
def test_a_wrong_value_anywhere_is_refused_and_named(name: str, place: tuple[Any, ...], wrong: object) -> None:
    refused = _refusal(_replaced(GOOD[name], place, wrong))
    assert str(refused.details["field"]).startswith("action")


def _at(action: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        action = action[step]
    return action


EVERY_OBJECT = [
    (name, place)
    for name, action in GOOD.items()
    for place in [(), *_places(action)]
    if isinstance(_at(action, place), dict)
]


@pytest.mark.parametrize(("name", "place"), EVERY_OBJECT)
def test_an_unknown_member_anywhere_is_refused_and_named(name: str, place: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(GOOD[name])
    _at(changed, place)["surprise"] = 1
    variant = place[-1:] == ("t",)  # an object with exactly one member is named itself
    assert str(_refusal(changed).details["field"]).endswith(".t" if variant else ".surprise")


@pytest.mark.parametrize("action", [None, [], "order", 1, {}, {"type": 1}, {"type": "withdraw3"}, {"type": "usdSend"}])
def test_what_is_no_known_action_is_refused(action: object) -> None:
    _refusal(action)


def test_addresses_and_cloids_are_signed_in_lower_case_and_false_flags_left_out() -> None:
    read = _parse({**GOOD["order"]})
    assert read["orders"][0]["c"] == CLOID.lower()
    assert read["builder"]["b"] == GOOD["order"]["builder"]["b"].lower()
    assert "f" not in _parse({**GOOD["cancel"], "f": False})
    assert _parse(GOOD["cancel"])["f"] is True


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("2000.0", "2000"), ("0.10", "0.1"), ("007", "7"), ("1.00000000000", "1"), ("00.5", "0.5"), ("-0", "0")],
)
def test_a_number_that_is_not_canonical_is_refused_with_the_canonical_text(text: str, canonical: str) -> None:
    refused = _refusal({**GOOD["order"], "orders": [{**ORDER, "p": text}]})
    assert (refused.code, refused.details["canonical"]) == ("not-canonical", canonical)
    assert refused.details["field"] == "action.orders[0].p"


@pytest.mark.parametrize(
    "text", ["1e5", "+1", ".5", "5.", "NaN", "inf", "1_0", " 1", "1 ", "٣", "0x10", "1" * 41, "--1"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    _refusal({**GOOD["order"], "orders": [{**ORDER, "p": text}]})


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        ("12345.6", "12346"),
        ("1234.56", "1234.6"),
        ("0.00001234567", None),
        ("0.1234567", "0.12346"),
        ("0.0000012", "0.000001"),
    ],
)
def test_a_price_with_too_many_figures_is_refused_with_the_nearest(price: str, nearest: str | None) -> None:
    refused = _refusal({**GOOD["order"], "orders": [{**ORDER, "p": price}]})
    if nearest:
        assert (refused.code, refused.details["nearest"]) == ("invalid-price", nearest)


@pytest.mark.parametrize("price", ["123456", "1234567", "99999", "0.000001", "1234.5", "0.12345", "100000000"])
def test_a_price_the_exchange_takes_passes(price: str) -> None:
    _parse({**GOOD["order"], "orders": [{**ORDER, "p": price}]})


@pytest.mark.parametrize(("member", "value"), [("p", "0"), ("p", "-1"), ("s", "0"), ("s", "-1")])
def test_prices_and_sizes_are_above_0(member: str, value: str) -> None:
    _refusal({**GOOD["order"], "orders": [{**ORDER, member: value}]})


def test_size_0_means_the_whole_position_on_a_reduce_only_trigger() -> None:
    whole = {**ORDER, "s": "0", "r": True, "t": {"trigger": TRIGGER}}
    _parse({**GOOD["order"], "orders": [whole], "grouping": "positionTpsl"})


@pytest.mark.parametrize(
    ("order", "field", "nearest"),
    [
        ({**ORDER, "s": "0.000015"}, "action.orders[0].s", "0.00002"),
        ({**ORDER, "p": "0.0123"}, "action.orders[0].p", "0"),
        ({**ORDER, "p": "0.1234"}, "action.orders[0].p", "0.1"),
    ],
)
def test_the_decimals_of_a_market_bound_price_and_size(order: dict[str, Any], field: str, nearest: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_order(Asset("BTC", 0, 5), order, "action.orders[0]")
    assert refused.value.details["field"] == field
    assert refused.value.details["nearest"] == (nearest if nearest != "0" else "0.1")


@given(st.decimals(min_value="0.000001", max_value="10000000", places=6))
def test_the_nearest_price_of_a_refusal_is_itself_accepted(price: Any) -> None:
    text = format(price.normalize(), "f")
    action = {**GOOD["order"], "orders": [{**ORDER, "p": text}]}
    nearest = _nearest(action)
    if nearest is not None:
        _parse(_replaced(action, ("orders", 0, "p"), nearest))


def _nearest(action: object) -> object:
    """What a refused price should have been; None if it was accepted."""
    try:
        _parse(action)
    except Malformed as refused:
        return refused.details["nearest"]
    return None
