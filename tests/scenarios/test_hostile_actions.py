"""Malformed actions: 400 that names the path of what is wrong, and what would be right where that can be said."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from support.keep_alive import Line, line_to
from support.service import Service

Json = dict[str, Any]
Path = tuple[str | int, ...]
NOOP: Json = {"type": "noop"}
WRONG: tuple[Any, ...] = (None, True, 7, -1, 1.5, 2**65, "", "é", "1e5", [], [[]], {}, {"x": 1})

_CLOID = "0x" + "1" * 32
_LIMIT: Json = {"a": 0, "b": True, "p": "1.5", "s": "2", "r": False, "t": {"limit": {"tif": "Gtc"}}, "c": _CLOID}
_TRIGGER: Json = {**_LIMIT, "t": {"trigger": {"isMarket": True, "triggerPx": "3", "tpsl": "tp"}}}
_BUILDER: Json = {"b": "0x" + "a" * 40, "f": 1}
ACTIONS: tuple[Json, ...] = (
    {"type": "order", "orders": [_LIMIT, _TRIGGER], "grouping": "na", "builder": _BUILDER},
    {"type": "order", "orders": [_LIMIT], "grouping": {"p": 1}},
    {"type": "cancel", "cancels": [{"a": 0, "o": 1}], "f": True},
    {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": _CLOID}], "f": True},
    {"type": "modify", "oid": 1, "order": _LIMIT, "a": True},
    {"type": "batchModify", "modifies": [{"oid": _CLOID, "order": _TRIGGER}], "a": True},
    {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
    {"type": "scheduleCancel", "time": 1_700_000_000_000},
    NOOP,
)


@pytest.fixture(scope="module")
def prepared(shared_service: Service) -> Service:
    """A service with the wallet `bot`."""
    shared_service.generate("bot", keyType="secp256k1")
    return shared_service


@pytest.fixture
def line(prepared: Service) -> Iterator[Line]:
    with line_to(prepared) as opened:
        yield opened


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in an action with what stands there, the action itself included."""
    yield path, value
    members: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, member in members:
        yield from _places(member, (*path, name))


def _name(path: Path) -> str:
    return "action" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _with(action: Json, path: Path, value: Any) -> Any:
    """A copy of the action with something else in one place."""
    if not path:
        return value
    changed = copy.deepcopy(action)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def _refused_field(line: Line, action: Any) -> str:
    answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": action})
    assert answer.status == 400, (action, answer.body)
    return str(answer.json["field"])


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["type"]))
def test_a_good_action_is_signed(line: Line, action: Json) -> None:
    assert line.post("/hyperliquid/sign", {"walletId": "bot", "action": action}).status == 200


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["type"]))
def test_a_wrong_type_anywhere_in_an_action_is_refused_with_its_path(line: Line, action: Json) -> None:
    for path, good in _places(action):
        for value in WRONG:
            if not _may_be_good(path, good, value):
                assert _refused_field(line, _with(action, path, value)).startswith(_name(path)), (path, value)


def _may_be_good(path: Path, good: object, value: object) -> bool:
    """Another flag or number where one stands, and the number of an order for its client id."""
    if path[-1:] == ("oid",):
        return value == 7
    return type(value) is type(good) and value in (True, 7)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["type"]))
def test_an_unknown_member_anywhere_in_an_action_is_refused(line: Line, action: Json) -> None:
    for path, good in _places(action):
        if isinstance(good, dict):
            for name in ("x", "T", "__proto__", "cloid2"):
                assert _refused_field(line, _with(action, path, {**good, name: 1})).startswith(_name(path))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["type"]))
def test_a_missing_member_anywhere_in_an_action_is_refused_or_optional(line: Line, action: Json) -> None:
    optional = {"action.builder", "action.f", "action.a", "action.time"}
    for path, _ in _places(action):
        if not path or isinstance(path[-1], int) or path[-1] == "c" or _name(path) in optional:
            continue
        parent: Json = next(value for place, value in _places(action) if place == path[:-1])
        without = {name: member for name, member in parent.items() if name != path[-1]}
        assert _refused_field(line, _with(action, path[:-1], without)).startswith(_name(path[:-1])), path


@pytest.mark.parametrize("written", ["1.5", "2", "0", "-1", "1e3", "1.50", "100000000000000000000"])
def test_a_json_number_where_a_decimal_string_is_due_is_refused_with_its_path(line: Line, written: str) -> None:
    for action in ACTIONS:
        for path, _ in _places(action):
            if path[-1:] in (("p",), ("s",), ("triggerPx",)) and path != ("grouping", "p"):
                text = json.dumps({"walletId": "bot", "action": _with(action, path, "NUMBER")})
                answer = line.post_raw("/hyperliquid/sign", text.replace('"NUMBER"', written).encode())
                assert (answer.status, answer.json["field"]) == (400, _name(path))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("1.50", "1.5"), ("01", "1"), ("1.0", "1"), ("0.0", "0"), ("-0", "0"), ("00.5", "0.5"), ("1.000000000", "1")],
)
def test_a_number_in_another_form_is_refused_with_the_canonical_one(line: Line, written: str, canonical: str) -> None:
    order = {**_LIMIT, "s": written}
    answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "modify", "oid": 1, "order": order}})
    told = (answer.status, answer.json["code"], answer.json["field"], answer.json["canonical"])
    assert told == (400, "not-canonical", "action.order.s", canonical)


@pytest.mark.parametrize(
    "text",
    ["1e5", "+1", ".5", "1.", "1,5", "1_000", " 1", "1 ", "\uff11", "٣", "NaN", "Infinity", "0x1", "--1", "1" * 41],
)
def test_what_is_no_plain_decimal_string_is_refused(line: Line, text: str) -> None:
    for name in ("p", "s"):
        assert (
            _refused_field(line, {"type": "modify", "oid": 1, "order": {**_LIMIT, name: text}})
            == f"action.order.{name}"
        )


@pytest.mark.parametrize(
    ("price", "nearest"),
    [("1.23456", "1.2346"), ("0.00000123", "0.000001"), ("12345.6", "12346"), ("0.0000004", "0.000001")],
)
def test_a_price_the_exchange_would_refuse_is_refused_with_the_nearest(line: Line, price: str, nearest: str) -> None:
    answer = line.post(
        "/hyperliquid/sign",
        {"walletId": "bot", "action": {"type": "order", "orders": [{**_LIMIT, "p": price}], "grouping": "na"}},
    )
    told = (answer.status, answer.json["code"], answer.json["field"], answer.json["nearest"])
    assert told == (400, "invalid-price", "action.orders[0].p", nearest)


def test_a_type_that_is_not_in_the_table_is_refused(line: Line) -> None:
    for name in (
        "Order",
        "order ",
        "",
        "userOutcome",
        "CValidatorAction",
        "multiSig",
    ):
        assert _refused_field(line, {**_LIMIT, "type": name}) == "action.type"


@pytest.mark.parametrize("address", ["", "0x", "0x12", "ab" * 20, "0x" + "g" * 40, "0X" + "a" * 40, " 0x" + "a" * 40])
def test_a_malformed_address_is_refused(line: Line, address: str) -> None:
    answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": NOOP, "vaultAddress": address})
    assert (answer.status, answer.json["field"]) == (400, "vaultAddress")
    action = {"type": "order", "orders": [_LIMIT], "grouping": "na", "builder": {"b": address, "f": 1}}
    assert _refused_field(line, action) == "action.builder.b"
