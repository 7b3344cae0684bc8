"""An order that is taken unread is one that the careful reading answers unchanged."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.actions import ACTIONS
from hyperkms.hyperliquid.certain import is_canonical_order
from hyperkms.hyperliquid.wire import Numbers

ORDER: Mapping[str, Any] = {
    "a": 0,
    "b": True,
    "p": "60000",
    "s": "0.001",
    "r": False,
    "t": {"limit": {"tif": "Gtc"}},
    "c": "0x" + "ab" * 16,
}
_DIGITS = st.text("0123456789", max_size=8)
_NUMBERS = st.builds("".join, st.tuples(st.sampled_from(["", "-"]), _DIGITS, st.sampled_from(["", "."]), _DIGITS))
_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.0, Decimal(1), 2**32, 10**30),
        *("", "1", "0", "60000\n", "6\uff10", "0x" + "AB" * 16, [], {}),
        *({"limit": {}}, {"limit": {"tif": "Gtc", "more": 1}}, {"limit": {"tif": "gtc"}}, {"trigger": {}}),
    ]
)


def _action(orders: object, **members: object) -> dict[str, Any]:
    return {"type": "order", "orders": orders, "grouping": "na", **members}


def _carefully(value: object) -> str | None:
    """What is made of it member by member, or None if it is refused."""
    try:
        return json.dumps(ACTIONS["order"].read(value, "action", Numbers.CANONICAL))
    except (Malformed, TypeError):
        return None


def _require_agreement(value: dict[str, Any]) -> None:
    if is_canonical_order(value):
        assert _carefully(value) == json.dumps(value)


def test_a_plain_limit_order_is_certain() -> None:
    plain = {name: member for name, member in ORDER.items() if name != "c"}
    assert is_canonical_order(_action([ORDER, plain]))


@settings(max_examples=1000)
@given(_NUMBERS, _NUMBERS)
def test_its_numbers_are_canonical(price: str, size: str) -> None:
    _require_agreement(_action([{**ORDER, "p": price, "s": size}]))


@settings(max_examples=1000)
@given(st.sampled_from(sorted(ORDER)), _ODD)
def test_nothing_else_stands_in_a_place_of_it(name: str, odd: object) -> None:
    _require_agreement(_action([{**ORDER, name: odd}]))


@given(st.permutations(sorted(ORDER)), st.sets(st.sampled_from(sorted(ORDER))))
def test_its_members_are_there_and_in_hashed_order(names: list[str], left_out: set[str]) -> None:
    _require_agreement(_action([{name: ORDER[name] for name in names if name not in left_out}]))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        _action([]),
        _action([ORDER] * 1001),
        _action([ORDER], more=1),
        _action([ORDER], grouping={"p": 1}),
        _action([ORDER], builder={"b": "0x" + "00" * 20, "f": 1}),
        {"orders": [ORDER], "type": "order", "grouping": "na"},
        {"type": "cancel", "cancels": [{"a": 1, "o": 1}]},
    ],
)
def test_what_is_not_certain_is_left_to_the_careful_reading(value: object) -> None:
    assert not is_canonical_order(value)
