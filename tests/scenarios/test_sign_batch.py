"""Batches: each request is signed and answered for itself, in its place."""

from collections.abc import Iterator

import pytest

from support.keep_alive import Line, line_to
from support.service import Service

NOOP = {"type": "noop"}
ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with Service.start(tmp_path_factory.mktemp("batch") / "data") as service, line_to(service) as opened:
        opened.post("/wallets/generate", {"walletId": "bytes"})
        opened.post("/wallets/generate", {"walletId": "bot", "keyType": "secp256k1"})
        yield opened


def test_a_batch_of_messages_is_what_the_single_route_answers(line: Line) -> None:
    bodies = [{"walletId": "bytes", "message": f"m{number}"} for number in range(200)]
    answer = line.post("/wallets/sign-batch", {"requests": bodies})
    assert answer.status == 200, answer.body
    single = [line.post("/wallets/sign", body).json["signature"] for body in bodies[:5]]
    assert [result["signature"] for result in answer.json["results"]][:5] == single
    indexes = [(result["receipt"]["log"], result["receipt"]["index"]) for result in answer.json["results"]]
    assert len(set(indexes)) == 200


def test_a_batch_of_actions_has_its_nonces_in_order(line: Line) -> None:
    action = {"type": "order", "orders": [ORDER], "grouping": "na"}
    answer = line.post("/hyperliquid/sign-batch", {"requests": [{"walletId": "bot", "action": action}] * 60})
    nonces = [result["nonce"] for result in answer.json["results"]]
    assert nonces == sorted(set(nonces))


def test_a_refusal_keeps_no_other_from_being_signed(line: Line) -> None:
    bodies = [
        {"walletId": "bot", "action": NOOP},
        {"walletId": "nobody", "action": NOOP},
        {"walletId": "bot", "action": {"type": "withdraw3", "destination": "0x" + "ab" * 20, "amount": "1"}},
        {"walletId": "bytes", "action": NOOP},
        {"walletId": "../x", "action": NOOP},
        {"walletId": "bot", "action": NOOP},
    ]
    results = line.post("/hyperliquid/sign-batch", {"requests": bodies}).json["results"]
    assert [result["success"] for result in results] == [True, False, False, False, False, True]
    codes = [result["problem"]["code"] for result in results if not result["success"]]
    assert codes == ["wallet-not-found", "action-not-allowed", "wrong-key-type", "malformed-wallet-id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"requests": []},
        {"requests": [{"walletId": "bytes", "message": "m"}] * 201},
        {"requests": [{"walletId": "bytes", "message": "m"}, {"walletId": "bytes", "message": 1}]},
        {"requests": [{"walletId": "bytes", "message": "m", "more": 1}]},
        {"requests": {"walletId": "bytes", "message": "m"}},
    ],
)
def test_a_malformed_batch_is_refused_whole(line: Line, body: dict[str, object]) -> None:
    assert line.post("/wallets/sign-batch", body).status == 400


def test_a_batch_under_a_key_is_signed_once_and_answered_again_byte_for_byte(line: Line) -> None:
    body = {"requests": [{"walletId": "bot", "action": NOOP}] * 20}
    first = line.post("/hyperliquid/sign-batch", body, Idempotency_Key="batch-1")
    second = line.post("/hyperliquid/sign-batch", body, Idempotency_Key="batch-1")
    assert first.status == 200, first.body
    assert (second.body, second.headers["idempotency-replayed"]) == (first.body, "true")
    other = line.post("/hyperliquid/sign-batch", {"requests": body["requests"] * 2}, Idempotency_Key="batch-1")
    assert (other.status, other.json["code"]) == (409, "idempotency-key-reused")
