"""What counts as the same action, and what is no action at all."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.sandbox.digest import digest_of
from hyperkms.sandbox.fields import parse_json
from hyperkms.sandbox.parsing import parse_action, parse_request
from hyperkms.sandbox.refusals import MalformedBody

Json = dict[str, Any]

CLOID = "0x1234567890abcdef1234567890abcdef"
ADDRESS = "0x8f7e6d5c4b3a29180716253443526170f1e2d3c4"
LIMIT: Json = {"limit": {"tif": "Gtc"}}
TRIGGER: Json = {"trigger": {"isMarket": True, "triggerPx": "2100.5", "tpsl": "tp"}}
ORDER: Json = {"a": 1, "b": True, "p": "2000", "s": "0.015", "r": False, "t": LIMIT, "c": CLOID}
STOP: Json = {**ORDER, "t": TRIGGER}

ACTIONS: dict[str, Json] = {
    "order": {
        "type": "order",
        "orders": [ORDER, STOP],
        "grouping": "na",
        "builder": {"b": ADDRESS, "f": 10},
    },
    "order with priority": {"type": "order", "orders": [ORDER], "grouping": {"p": 100}},
    "cancel": {"type": "cancel", "cancels": [{"a": 0, "o": 4294967296}], "f": True},
    "cancelByCloid": {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": CLOID}]},
    "modify": {"type": "modify", "oid": CLOID, "order": ORDER, "a": True},
    "batchModify": {"type": "batchModify", "modifies": [{"oid": 7, "order": STOP}]},
    "updateLeverage": {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 21},
    "scheduleCancel": {"type": "scheduleCancel", "time": 1780000010000},
    "noop": {"type": "noop"},
}
BODY: Json = {
    "action": ACTIONS["order"],
    "nonce": 1780000000000,
    "signature": {"r": "0x1", "s": "0x2", "v": 27},
    "vaultAddress": ADDRESS,
    "expiresAfter": 1780000600000,
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
def test_a_canonical_action_is_hashed_as_it_was_written(action: Json) -> None:
    assert json.dumps(parse_action(action).wire()) == json.dumps(action)


@given(data=st.data(), name=st.sampled_from(sorted(ACTIONS)))
def test_key_order_trailing_zeros_and_letter_case_of_a_post_do_not_matter(data: st.DataObject, name: str) -> None:
    canonical = {**BODY, "action": ACTIONS[name]}
    posted = _rewritten(canonical, data)
    expected, request = parse_request(canonical), parse_request(posted)
    assert request == expected
    assert digest_of(request, "testnet") == digest_of(expected, "testnet")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2000.0", "2000"),
        ("100", "100"),
        ("0.10", "0.1"),
        ("0.0", "0"),
        ("000", "0"),
        ("007.50", "7.5"),
        ("10.00000", "10"),
    ],
)
def test_a_number_is_hashed_without_needless_zeros(written: str, canonical: str) -> None:
    form: Any = parse_action({"type": "order", "orders": [{**ORDER, "p": written}], "grouping": "na"}).wire()
    assert form["orders"][0]["p"] == canonical


@pytest.mark.parametrize(
    ("posted", "hashed"),
    [
        ({**ACTIONS["cancel"], "f": False}, {"type": "cancel", "cancels": [{"a": 0, "o": 4294967296}]}),
        ({**ACTIONS["modify"], "a": False}, {"type": "modify", "oid": CLOID, "order": ORDER}),
        ({"type": "scheduleCancel", "time": None}, {"type": "scheduleCancel"}),
        (
            {"type": "order", "orders": [], "grouping": "na", "builder": None},
            {"type": "order", "orders": [], "grouping": "na"},
        ),
    ],
)
def test_unset_optionals_and_false_flags_are_left_out_of_the_hash(posted: Json, hashed: Json) -> None:
    assert parse_action(posted).wire() == hashed


def test_network_vault_nonce_and_expiry_all_change_the_digest() -> None:
    bodies = [
        BODY,
        {**BODY, "vaultAddress": None},
        {**BODY, "expiresAfter": None},
        {**BODY, "nonce": BODY["nonce"] + 1},
    ]
    digests = {digest_of(parse_request(body), "testnet") for body in bodies}
    digests.add(digest_of(parse_request(BODY), "mainnet"))
    assert len(digests) == 5


def test_a_vault_address_may_come_without_0x() -> None:
    assert parse_request({**BODY, "vaultAddress": ADDRESS.removeprefix("0x")}) == parse_request(BODY)


def test_the_web_clients_marker_is_tolerated() -> None:
    assert parse_request({**BODY, "isFrontend": True}) == parse_request(BODY)


MALFORMED_BODIES: dict[str, object] = {
    "no object": [],
    "no action": {k: v for k, v in BODY.items() if k != "action"},
    "unknown member": {**BODY, "extra": 1},
    "nonce as text": {**BODY, "nonce": "1780000000000"},
    "nonce as float": {**BODY, "nonce": 1.0},
    "nonce as boolean": {**BODY, "nonce": True},
    "negative nonce": {**BODY, "nonce": -1},
    "nonce over 64 bits": {**BODY, "nonce": 2**64},
    "r without 0x": {**BODY, "signature": {"r": "01", "s": "0x2", "v": 27}},
    "r empty": {**BODY, "signature": {"r": "0x", "s": "0x2", "v": 27}},
    "s over 32 bytes": {**BODY, "signature": {"r": "0x1", "s": "0x" + "0" * 65, "v": 27}},
    "v 0": {**BODY, "signature": {"r": "0x1", "s": "0x2", "v": 0}},
    "signature with more": {**BODY, "signature": {**BODY["signature"], "t": 1}},
    "short vault": {**BODY, "vaultAddress": "0x1234"},
    "expiry as text": {**BODY, "expiresAfter": "1"},
}
MALFORMED_ACTIONS: dict[str, object] = {
    "no type": {},
    "unknown type": {"type": "userOutcome"},
    "noop with more": {"type": "noop", "x": 1},
    "order without grouping": {"type": "order", "orders": [ORDER]},
    "order with unknown grouping": {"type": "order", "orders": [ORDER], "grouping": "all"},
    "price as number": {"type": "order", "orders": [{**ORDER, "p": 2000}], "grouping": "na"},
    "price with exponent": {"type": "order", "orders": [{**ORDER, "p": "2e3"}], "grouping": "na"},
    "negative price": {"type": "order", "orders": [{**ORDER, "p": "-1"}], "grouping": "na"},
    "price in other digits": {"type": "order", "orders": [{**ORDER, "p": "٣"}], "grouping": "na"},
    "both limit and trigger": {
        "type": "order",
        "orders": [{**ORDER, "t": {**LIMIT, **TRIGGER}}],
        "grouping": "na",
    },
    "neither limit nor trigger": {"type": "order", "orders": [{**ORDER, "t": {}}], "grouping": "na"},
    "unknown tif": {
        "type": "order",
        "orders": [{**ORDER, "t": {"limit": {"tif": "Fok"}}}],
        "grouping": "na",
    },
    "short cloid": {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": "0x12"}]},
    "asset over 32 bits": {"type": "cancel", "cancels": [{"a": 2**32, "o": 1}]},
    "cancels as object": {"type": "cancel", "cancels": {}},
}


@pytest.mark.parametrize("body", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES.keys())
def test_a_body_of_another_shape_is_malformed(body: object) -> None:
    with pytest.raises(MalformedBody):
        parse_request(body)


@pytest.mark.parametrize("action", MALFORMED_ACTIONS.values(), ids=MALFORMED_ACTIONS.keys())
def test_an_action_of_another_shape_is_malformed(action: object) -> None:
    with pytest.raises(MalformedBody):
        parse_action(action)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a":1,"a":2}',
        b"NaN",
        b"[Infinity]",
        b"[1e999]",
        b'["\\ud800"]',
        b"1 2",
        b"[" * 200_000,
        b"9" * 5_000,
    ],
    ids=[
        "empty",
        "cut off",
        "no UTF-8",
        "duplicate key",
        "NaN",
        "Infinity",
        "too large",
        "half a surrogate pair",
        "two values",
        "very deep",
        "very long number",
    ],
)
def test_text_that_is_not_strict_json_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_json(text)


def _rewritten(value: Any, data: st.DataObject, key: str = "") -> Any:
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        return {name: _rewritten(value[name], data, name) for name in keys}
    if isinstance(value, list):
        return [_rewritten(item, data) for item in value]
    if key in ("p", "s", "triggerPx") and isinstance(value, str) and not value.startswith("0x"):
        zeros = "0" * data.draw(st.integers(0, 6))
        return value + zeros if "." in value else value + ("." + zeros if zeros else "")
    if isinstance(value, str) and value.startswith("0x"):
        return "0x" + "".join(data.draw(st.sampled_from((c, c.upper()))) for c in value[2:])
    return copy.copy(value)
