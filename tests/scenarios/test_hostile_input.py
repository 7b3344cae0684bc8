"""Malformed bodies: 400 that names the place, never 5xx, and the service goes on."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hyperkms.http import schemas
from support.keep_alive import Line, assert_malformed, line_to
from support.service import Service
from support.vectors import load

ROUTES = ("/wallets/generate", "/wallets/sign", "/wallets/sign-order", "/hyperliquid/sign")
DUPLICATE_KEYS = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
KIB = 1024


@pytest.fixture(scope="module")
def prepared(shared_service: Service) -> Service:
    """A service with the wallets `bytes` and `bot`."""
    shared_service.generate("bytes")
    shared_service.generate("bot", keyType="secp256k1")
    return shared_service


@pytest.fixture
def line(prepared: Service) -> Iterator[Line]:
    with line_to(prepared) as opened:
        yield opened
        assert opened.get("/health").status == 200, "the connection and the service go on"


# ---- JSON ---------------------------------------------------------------------------------------------


def test_no_published_json_text_alone_is_a_request(line: Line) -> None:
    cases = load("json_parsing.json")["cases"]
    for case in cases:
        for route in ROUTES:
            assert_malformed(line.post_raw(route, bytes.fromhex(case["hex"])))
    assert len(cases) == 142


@pytest.mark.parametrize(("wallet", "accepted"), [("bytes", 200), ("bot", 400)])
def test_published_json_texts_inside_an_order_are_judged_as_published(line: Line, wallet: str, accepted: int) -> None:
    for case in load("json_parsing.json")["cases"]:
        text = bytes.fromhex(case["hex"])
        body = b'{"walletId":"%b","orderPayload":{"x":%b}}' % (wallet.encode(), text)
        answer = line.post_raw("/wallets/sign-order", body)
        if case["expect"] == "accept" and case["name"] not in DUPLICATE_KEYS:
            assert answer.status == accepted, (case["name"], answer.body)
        elif case["expect"] == "either":
            assert answer.status in (200, 400), (case["name"], answer.body)
        else:
            assert_malformed(answer)


MALFORMED = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e999": b"1e999",
    "-1e999": b"-1e999",
    "an exponent no one needs": b"1e99999999999999999999",
    "5,000 digits": b"1" * 5000,
    "5,000 decimals": b"0." + b"1" * 5000,
    "an exponent of 5,000 digits": b"1e" + b"1" * 5000,
    "duplicate keys": b'{"a":1,"a":1}',
    "duplicate keys by escape": b'{"a":1,"\\u0061":1}',
    "duplicate keys deep inside": b'[[{"b":{"a":1,"a":2}}]]',
    "a lone high surrogate": b'"\\ud800"',
    "a lone low surrogate": b'"\\udc00x"',
    "surrogates in reverse": b'"\\udc00\\ud800"',
    "a lone surrogate as a key": b'{"\\ud800":1}',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "an overlong slash": b'"\xc0\xaf"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "a cut character": b'"\xe2\x82"',
    "a raw control character": b'"\x01"',
    "a raw newline": b'"\n"',
    "33 levels": b"[" * 31 + b"]" * 31,
    "a comment": b"1/*x*/",
    "single quotes": b"'x'",
    "a trailing comma": b"[1,]",
    "hexadecimal": b"0x10",
    "a leading plus": b"+1",
    "a leading zero": b"01",
    "True": b"True",
    "undefined": b"undefined",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_value_that_readers_disagree_on_is_refused_wherever_it_stands(line: Line, kind: str) -> None:
    value = MALFORMED[kind]
    for route, body in (
        ("/wallets/sign-order", b'{"walletId":"bytes","orderPayload":{"x":%b}}'),
        ("/wallets/sign-order", b'{"walletId":"bot","orderPayload":{"sz":%b}}'),
        ("/wallets/generate", b'{"walletId":"new","metadata":{"x":%b}}'),
        ("/hyperliquid/sign", b'{"walletId":"bot","action":{"type":%b}}'),
        ("/wallets/sign", b'{"walletId":"bytes","message":"m","z":%b}'),
    ):
        assert_malformed(line.post_raw(route, body % value))


@pytest.mark.parametrize(
    "value", [b"1e-400", b"1e-99999999999999999999", b"0e99999999999999999999", b"-0.0e-9999999999"]
)
def test_a_number_next_to_nothing_is_no_failure(line: Line, value: bytes) -> None:
    for body in (b'{"walletId":"bytes","orderPayload":{"x":%b}}', b'{"walletId":"bot","orderPayload":{"sz":%b}}'):
        answer = line.post_raw("/wallets/sign-order", body % value)
        assert answer.status in (200, 400), answer.body


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_only_utf_8_without_a_mark_is_read(line: Line, encoding: str) -> None:
    assert_malformed(line.post_raw("/wallets/sign", '{"walletId":"bytes","message":"+é"}'.encode(encoding)))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":['])
@pytest.mark.parametrize("levels", [33, 1000, 10_000])
def test_deep_nesting_is_refused(line: Line, opening: bytes, levels: int) -> None:
    assert_malformed(line.post_raw("/wallets/sign", (opening * levels)[: 60 * KIB]))
    body = b'{"walletId":"bytes","orderPayload":' + (opening * levels)[: 60 * KIB]
    assert_malformed(line.post_raw("/wallets/sign-order", body))


def test_a_hundred_thousand_levels_are_too_large(line: Line) -> None:
    assert line.post_raw("/wallets/sign", b"[" * 100_000).status == 413


# ---- sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_over_64_kib_is_too_large(line: Line, route: str) -> None:
    for size in (64 * KIB + 1, 1024 * KIB):
        answer = line.post_raw(route, b" " * size)
        assert (answer.status, answer.json["code"]) == (413, "body-too-large")


def test_a_body_of_64_kib_is_read(line: Line) -> None:
    frame = b'{"walletId":"bytes","message":"%b"}'
    body = frame % (b"x" * (64 * KIB - len(frame) + 2))
    assert len(body) == 64 * KIB
    assert line.post_raw("/wallets/sign", body).status == 200


def test_a_body_without_a_length_is_bounded_too(prepared: Service) -> None:
    with line_to(prepared) as line:
        chunks = (b" " * KIB for _ in range(1024))
        line.connection.request("POST", "/wallets/sign", chunks, {"X-API-Key": line.key}, encode_chunked=True)
        assert line.connection.getresponse().status == 413


def test_metadata_is_bounded(line: Line) -> None:
    answer = line.post("/wallets/generate", {"walletId": "heavy", "metadata": {"x": "y" * 5000}})
    assert (answer.status, answer.json["field"]) == (400, "metadata")
    assert line.get("/wallets/heavy/public-key").status == 404


# ---- members of requests -------------------------------------------------------------------------------

ANYTHING: tuple[Any, ...] = (None, True, 5, -1, 1.5, 2**64, 2**70, "", "x", [], ["x"], {}, {"a": 1})
Json = dict[str, Any]
NOOP: Json = {"type": "noop"}
REQUESTS: dict[str, tuple[type[msgspec.Struct], Json, dict[str, tuple[type, ...]]]] = {
    "/wallets/generate": (
        schemas.GenerateRequest,
        {"walletId": "new"},
        {"walletId": (), "metadata": (dict,), "keyType": (), "network": (), "custody": ()},
    ),
    "/wallets/sign": (
        schemas.SignRequest,
        {"walletId": "bytes", "message": "m"},
        {"walletId": (), "message": (str,), "version": (int,)},
    ),
    "/wallets/sign-order": (
        schemas.SignOrderRequest,
        {"walletId": "bytes", "orderPayload": {}},
        {"walletId": (), "orderPayload": (dict,), "version": (int,)},
    ),
    "/hyperliquid/sign": (
        schemas.SignActionRequest,
        {"walletId": "bot", "action": NOOP},
        {
            **dict.fromkeys(("walletId", "action", "nonce", "vaultAddress", "expiresAfter", "network"), ()),
            "version": (int,),
            "approvals": (list,),
        },
    ),
}
"""Each route's struct, a good body, and for every member the types that may be good."""


@pytest.mark.parametrize("route", REQUESTS)
def test_a_wrong_type_in_any_member_is_refused_by_name(line: Line, route: str) -> None:
    struct, good, allowed = REQUESTS[route]
    members = msgspec.structs.fields(struct)
    assert {member.encode_name for member in members} == set(allowed)
    for member in members:
        name = member.encode_name
        for value in ANYTHING:
            if type(value) in allowed[name] and value != "":
                continue
            if value is None and not member.required:
                continue
            if name == "walletId" and value == "x":
                continue
            answer = line.post(route, {**good, name: value})
            assert answer.status == 400, (name, value, answer.body)
            assert answer.json["field"].partition(".")[0] == name, (value, answer.body)


@pytest.mark.parametrize("route", REQUESTS)
@pytest.mark.parametrize("name", ["x", "walletid", "wallet_id", "key_type", "__proto__", "", "privateKey", "é" * 500])
def test_an_unknown_member_is_refused_by_name(line: Line, route: str, name: str) -> None:
    answer = line.post(route, {**REQUESTS[route][1], name: 1})
    assert assert_malformed(answer) == "unknown-field"
    assert answer.json["field"] == (name if re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,31}", name) else "(a member)")
    assert len(answer.body) < KIB


@pytest.mark.parametrize(
    ("approvals", "field"),
    [([1], "approvals[0]"), (["x" * 301], "approvals[0]"), (["x"] * 21, "approvals"), ([["x"]], "approvals[0]")],
)
def test_approvals_of_another_form_are_refused_by_place(line: Line, approvals: list[Any], field: str) -> None:
    answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": NOOP, "approvals": approvals})
    assert_malformed(answer)
    assert answer.json["field"] == field


def test_whatever_comes_as_an_approval_changes_nothing_where_none_is_asked_for(line: Line) -> None:
    for text in ("", "v1 key=", "\x00", "é" * 300, "a:b", "v1 key=00,ts=0,until=0,id=0,sig=0"):
        body = {"walletId": "bot", "action": NOOP, "network": "testnet", "approvals": [text]}
        assert line.post("/hyperliquid/sign", body).status == 200, text
