"""`sign-order` of a trading wallet: a real order, which the exchange accepts as it was answered."""

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from support.keep_alive import Line, line_to
from support.sandbox import sandbox
from support.service import START_S, Answer, Service

Json = dict[str, Any]


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with sandbox("--allow-any") as running:
        yield running.url


@pytest.fixture(scope="module")
def trading(exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose testnet is the sandbox, with the wallet `bot`."""
    with Service.start(tmp_path_factory.mktemp("trading") / "data", HYPERKMS_TESTNET_URL=exchange) as running:
        running.generate("bot", keyType="secp256k1")
        yield running


@pytest.fixture
def line(trading: Service) -> Iterator[Line]:
    with line_to(trading) as opened:
        yield opened


def _now() -> int:
    return time.time_ns() // 1_000_000


def _payload(**members: object) -> Json:
    order = {"action": "order", "coin": "ETH", "isBuy": True, "sz": "0.1", "limitPx": "2900.5", "timestamp": _now()}
    return {**order, **members}


def _sign(line: Line, **members: object) -> Answer:
    return line.post("/wallets/sign-order", {"walletId": "bot", "orderPayload": _payload(**members)})


def _signed(line: Line, **members: object) -> Any:
    answer = _sign(line, **members)
    assert answer.status == 200, answer.body
    return answer.json


def _post(url: str, body: object) -> Any:
    request = urllib.request.Request(  # noqa: S310 (the sandbox on loopback)
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=START_S) as answer:  # noqa: S310 (as above)
        return json.load(answer)


def _exchange_answer(exchange: str, signed: Any) -> Any:
    """Post action and nonce as they were answered, the signature in the exchange's form."""
    text = signed["signature"].removeprefix("0x")
    signature = {"r": "0x" + text[:64], "s": "0x" + text[64:128], "v": int(text[128:], 16)}
    body = {"action": signed["action"], "nonce": signed["nonce"], "signature": signature, "vaultAddress": None}
    return _post(f"{exchange}/exchange", body)


def _last_signer(exchange: str) -> str:
    with urllib.request.urlopen(f"{exchange}/sandbox/log", timeout=START_S) as answer:  # noqa: S310 (as above)
        return str(json.load(answer)["entries"][-1]["signer"])


def test_the_exchange_accepts_the_order_of_a_sign_order(line: Line, exchange: str) -> None:
    signed = _signed(line)
    assert signed.keys() >= {"success", "walletId", "publicKey", "address", "signature", "action", "nonce"}
    assert len(signed["signature"]) == 2 + 130
    [status] = _exchange_answer(exchange, signed)["response"]["data"]["statuses"]
    assert status["resting"]["oid"]
    assert _last_signer(exchange) == signed["address"]


def test_optional_members_and_defaults_are_in_the_action(line: Line) -> None:
    [plain] = _signed(line)["action"]["orders"]
    assert plain == {"a": 1, "b": True, "p": "2900.5", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    cloid = "0x" + "AB" * 16
    signed = _signed(line, isBuy=False, tif="Alo", reduceOnly=True, cloid=cloid, limitPx="3100")
    [full] = signed["action"]["orders"]
    assert full["t"] == {"limit": {"tif": "Alo"}}
    assert (full["b"], full["r"], full["c"]) == (False, True, cloid.lower())
    assert signed["action"]["grouping"] == "na"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("0.1", "0.1"), ('"0.1"', "0.1"), ("1e-1", "0.1"), ('"0.1000"', "0.1"), ("0.10", "0.1"), ("3", "3"), ("3.0", "3")],
)
def test_sizes_are_exact_decimals_from_the_text(line: Line, written: str, wanted: str) -> None:
    body = json.dumps({"walletId": "bot", "orderPayload": _payload(sz="SIZE")}).replace('"SIZE"', written)
    answer = line.post_raw("/wallets/sign-order", body.encode())
    assert answer.status == 200, answer.body
    [order] = answer.json["action"]["orders"]
    assert order["s"] == wanted


@pytest.mark.parametrize(
    "value",
    ["1_000", " 1", "1\n", "\uff11", "+1", "0x1", "NaN", "Infinity", "", "1.", ".5", "1,5", "-1", "0", 0, -1, True],
)
@pytest.mark.parametrize("name", ["sz", "limitPx"])
def test_a_size_or_price_that_json_would_not_take_for_a_number_above_0_is_refused(
    line: Line, name: str, value: object
) -> None:
    answer = _sign(line, **{name: value})
    assert answer.status == 400, answer.body
    assert answer.json["field"] == f"orderPayload.{name}"


@pytest.mark.parametrize(
    ("coin", "price", "nearest"),
    [
        ("BTC", "60000.7", "60001"),  # 5 significant figures
        ("BTC", "12345.6", "12346"),
        ("ETH", "2900.123", "2900.1"),
        ("SOL", "0.123456", "0.1235"),  # 6 - 2 decimals
        ("PURR/USDC", "0.1234567", "0.12346"),
        ("DOGE", "0.0000001", "0.000001"),  # never 0
    ],
)
def test_a_price_off_the_grid_is_refused_with_the_nearest(line: Line, coin: str, price: str, nearest: str) -> None:
    answer = _sign(line, coin=coin, limitPx=price, sz="100")
    assert answer.status == 400
    told = (answer.json["code"], answer.json["field"], answer.json["nearest"])
    assert told == ("invalid-price", "orderPayload.limitPx", nearest)
    assert _sign(line, coin=coin, limitPx=nearest, sz="100").status == 200


@pytest.mark.parametrize(
    ("coin", "size", "nearest"),
    [("ETH", "0.00015", "0.0002"), ("BTC", "0.123456", "0.12346"), ("DOGE", "10.7", "11"), ("SOL", "0.001", "0.01")],
)
def test_a_size_off_the_grid_is_refused_with_the_nearest(line: Line, coin: str, size: str, nearest: str) -> None:
    answer = _sign(line, coin=coin, sz=size, limitPx="1")
    assert answer.status == 400
    told = (answer.json["code"], answer.json["field"], answer.json["nearest"])
    assert told == ("invalid-size", "orderPayload.sz", nearest)
    assert _sign(line, coin=coin, sz=nearest, limitPx="1").status == 200


def test_the_markets_grid_holds_for_actions_too(line: Line) -> None:
    _signed(line)  # the list of assets has been read
    order = {"a": 0, "b": True, "p": "60000", "s": "0.000001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    for action, place in (
        ({"type": "order", "orders": [order], "grouping": "na"}, "action.orders[0]"),
        ({"type": "modify", "oid": 1, "order": order}, "action.order"),
        ({"type": "batchModify", "modifies": [{"oid": 1, "order": order}]}, "action.modifies[0].order"),
    ):
        answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": action})
        assert answer.status == 400
        told = (answer.json["code"], answer.json["field"], answer.json["nearest"])
        assert told == ("invalid-size", f"{place}.s", "0.00001")


@pytest.mark.parametrize(("coin", "near"), [("BTCC", "BTC"), ("ETHH", "ETH"), ("PURR", "PURR/USDC"), ("", None)])
def test_an_unknown_coin_is_refused_with_the_three_nearest_names(line: Line, coin: str, near: str | None) -> None:
    answer = _sign(line, coin=coin)
    assert (answer.status, answer.json["code"]) == (400, "unknown-coin")
    assert answer.json["field"] == "orderPayload.coin"
    nearest = answer.json["nearest"]
    assert len(set(nearest)) == 3
    assert near is None or near in nearest
    assert all(name in answer.json["error"] for name in nearest)


@pytest.mark.parametrize("offset", [-61_000, 61_000, -(10**12), 10**12])
def test_a_timestamp_far_from_now_is_refused(line: Line, offset: int) -> None:
    answer = _sign(line, timestamp=_now() + offset)
    told = (answer.status, answer.json["code"], answer.json["field"])
    assert told == (400, "stale-timestamp", "orderPayload.timestamp")


@pytest.mark.parametrize("offset", [-50_000, 50_000])
def test_a_timestamp_within_a_minute_is_only_checked(line: Line, offset: int) -> None:
    before = _now()
    signed = _signed(line, timestamp=before + offset)
    assert before <= signed["nonce"] <= _now() + 10_000, "the nonce is allocated"


@pytest.mark.parametrize("name", ["action", "coin", "isBuy", "sz", "limitPx", "timestamp"])
def test_a_missing_member_is_named(line: Line, name: str) -> None:
    payload = _payload()
    del payload[name]
    answer = line.post("/wallets/sign-order", {"walletId": "bot", "orderPayload": payload})
    assert (answer.status, answer.json["field"]) == (400, f"orderPayload.{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", "cancel"),
        ("action", None),
        ("coin", 5),
        ("coin", None),
        ("isBuy", "true"),
        ("isBuy", 1),
        ("sz", [1]),
        ("limitPx", {}),
        ("timestamp", "now"),
        ("timestamp", 1.5),
        ("timestamp", True),
        ("tif", "GTC"),
        ("tif", None),
        ("reduceOnly", 0),
        ("cloid", "0x12"),
        ("cloid", 5),
        ("leverage", 5),
    ],
)
def test_a_wrong_member_is_named_as_it_was_sent(line: Line, name: str, value: object) -> None:
    answer = _sign(line, **{name: value})
    assert (answer.status, answer.json["field"]) == (400, f"orderPayload.{name}")


def test_concurrent_orders_have_nonces_of_their_own_and_are_all_accepted(trading: Service, exchange: str) -> None:
    def one(number: int) -> Any:
        with line_to(trading) as own:
            return [_signed(own, sz=str(Decimal(number + 1) / 10)) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        signed = [entry for entries in pool.map(one, range(8)) for entry in entries]
    assert len({entry["nonce"] for entry in signed}) == len(signed) == 80
    answers = [_exchange_answer(exchange, entry) for entry in signed]
    assert all("resting" in answer["response"]["data"]["statuses"][0] for answer in answers)


def test_an_answer_of_hyperliquid_sign_can_be_posted_as_it_is(line: Line, exchange: str) -> None:
    actions: list[Json] = [
        {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
        {"type": "scheduleCancel"},
        {"type": "noop"},
    ]
    for action in actions:
        expires = _now() + 60_000
        signed = line.post("/hyperliquid/sign", {"walletId": "bot", "action": action, "expiresAfter": expires}).json
        members = ("action", "nonce", "signature", "vaultAddress", "expiresAfter")
        accepted = _post(f"{exchange}/exchange", {name: signed[name] for name in members})
        assert accepted["status"] == "ok", accepted
        assert signed["expiresAfter"] == expires
        assert _last_signer(exchange) == signed["address"]


# ---- an exchange that is away, or talks nonsense ------------------------------------------------------


def test_without_the_exchange_coin_names_are_unavailable_and_actions_are_signed(shared_service: Service) -> None:
    shared_service.generate("bot", keyType="secp256k1")
    with line_to(shared_service) as line:
        answer = _sign(line)
        assert (answer.status, answer.json["code"]) == (503, "market-unavailable")
        noop = {"walletId": "bot", "action": {"type": "noop"}}
        assert line.post("/hyperliquid/sign", noop).status == 200


NONSENSE = {
    "no HTTP": b"nonsense\r\n\r\n",
    "no JSON": b"HTTP/1.0 200 OK\r\n\r\n<html>",
    "another shape": b'HTTP/1.0 200 OK\r\n\r\n{"universe":[{"name":5}]}',
    "deep nesting": b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 200_000,
}


@contextmanager
def _talking(nonsense: bytes) -> Iterator[str]:
    class Nonsense(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(nonsense)

        def log_message(self, *_words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Nonsense) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kinds", list(zip(*[iter(NONSENSE)] * 2, strict=True)), ids=" and ".join)
def test_an_exchange_that_talks_nonsense_is_unavailable(
    tmp_path_factory: pytest.TempPathFactory, kinds: tuple[str, str]
) -> None:
    data = tmp_path_factory.mktemp("odd") / "data"
    with (
        _talking(NONSENSE[kinds[0]]) as mainnet,
        _talking(NONSENSE[kinds[1]]) as testnet,
        Service.start(data, HYPERKMS_MAINNET_URL=mainnet, HYPERKMS_TESTNET_URL=testnet) as running,
    ):
        for kind, network in zip(kinds, ("mainnet", "testnet"), strict=True):
            running.generate(network, keyType="secp256k1", network=network)
            body = {"walletId": network, "orderPayload": _payload()}
            answer = running.post("/wallets/sign-order", body)
            assert answer.status == 503, kind
            assert answer.json["code"] == "market-unavailable", kind
