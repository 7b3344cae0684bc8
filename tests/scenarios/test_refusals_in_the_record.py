"""What is refused by permission or rule is in the record before the refusal is told, by whatever way it was asked."""

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.keyed import NOOP, post
from support.record import records_in
from support.service import Answer, Service

REFUSED = 16
LARGE = 20_000
MESSAGE = {"walletId": "nobodys", "message": "hello"}
ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTION = {"walletId": "theirs", "action": {"type": "order", "orders": [ORDER], "grouping": "na"}}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service.start(tmp_path / "data") as running:
        running.generate("bot", keyType="secp256k1", network="testnet")
        running.generate("theirs", keyType="secp256k1")
        running.generate("retired")
        running.post("/wallets/retired/retire", {"destroy": True})
        yield running


def made_client(service: Service, name: str, **members: object) -> str:
    """Its API key."""
    answer = service.post("/clients", {"name": name, **members})
    assert answer.status == 200, answer.body
    return str(answer.json["apiKey"])


def refusals(service: Service) -> list[Any]:
    return [line["record"] for line in records_in(service.data / "records") if line["v"] == REFUSED]


def assert_written_down(service: Service, answer: Answer) -> Any:
    """The one that is new, which says what the problem says."""
    (record,) = (one for one in refusals(service) if one["requestId"] == answer.headers["x-request-id"])
    problem = answer.json
    assert (record["code"], record["reason"]) == (problem["code"], problem["detail"])
    assert (record["rule"], record["policy"]) == (None, None)
    assert list(record) == [
        "time",
        "requestId",
        "client",
        "wallet",
        "operation",
        "code",
        "reason",
        "rule",
        "detail",
        "policy",
        "signed",
        "explained",
    ]
    return record


Asking = Callable[[Service, str, Mapping[str, Any], str], Answer]
WAYS: Mapping[str, Asking] = {
    "in a small body": lambda service, path, body, key: service.post(path, body, headers={"X-API-Key": key}),
    "in a large body": lambda service, path, body, key: service.post(
        path, None, raw=json.dumps(body).encode() + b" " * LARGE, headers={"X-API-Key": key}
    ),
    "under a key": lambda service, path, body, key: post(service, path, body, secrets.token_hex(4), api_key=key),
}
"""By the server's own class, by the handler behind it, by the table of requests."""


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)
def test_a_wallet_that_is_not_the_clients_and_one_that_is_not_there_are_written_down_alike(
    service: Service, ask: Asking
) -> None:
    key = made_client(service, "mine", wallets=["bot"], allow=["trade"])
    for wallet in ("theirs", "nobodys"):
        answer = ask(service, "/hyperliquid/sign", {**ACTION, "walletId": wallet}, key)
        assert (answer.status, answer.json["code"]) == (404, "wallet-not-found")
        record = assert_written_down(service, answer)
        assert (record["client"], record["wallet"], record["operation"]) == ("mine", wallet, "sign-action")
        assert record["signed"]["action"] == ACTION["action"]


def test_what_a_rule_refuses_is_written_down_with_what_was_asked(service: Service) -> None:
    retired = service.post("/wallets/sign", {"walletId": "retired", "message": "hello"})
    assert retired.status == 403
    record = assert_written_down(service, retired)
    assert (record["wallet"], record["operation"], record["code"]) == ("retired", "sign-message", "wallet-retired")
    assert record["signed"] == {"messageBytes": 5}
    elsewhere = service.post("/hyperliquid/sign", {"walletId": "bot", "action": NOOP, "network": "mainnet"})
    record = assert_written_down(service, elsewhere)
    assert (record["code"], record["signed"]["network"]) == ("wrong-network", "mainnet")
    payload = {"action": "order", "coin": "BTC"}
    missing = service.post("/wallets/sign-order", {"walletId": "nobodys", "orderPayload": payload})
    record = assert_written_down(service, missing)
    assert (record["operation"], record["signed"]["action"]) == ("sign-order", {"type": "order"})


@pytest.mark.parametrize("path", ["/wallets/sign", "/wallets/sign-batch", "/hyperliquid/sign-batch"])
def test_a_client_that_may_ask_for_nothing_of_the_kind_is_written_down(service: Service, path: str) -> None:
    key = made_client(service, "reader", allow=["read"])
    body = {"requests": [MESSAGE]} if path.endswith("batch") else MESSAGE
    answer = service.post(path, body, headers={"X-API-Key": key})
    assert (answer.status, answer.json["code"]) == (403, "scope-missing")
    record = assert_written_down(service, answer)
    assert (record["client"], record["wallet"], record["signed"]) == ("reader", None, None)


@pytest.mark.parametrize("key", [None, "batch"], ids=["without a key", "under a key"])
def test_each_refusal_in_a_batch_is_written_down(service: Service, key: str | None) -> None:
    body = {"requests": [{"walletId": wallet, "message": "m"} for wallet in ("bot", "nobodys", "bot", "retired")]}
    answer = post(service, "/wallets/sign-batch", body, key) if key else service.post("/wallets/sign-batch", body)
    assert [result["success"] for result in answer.json["results"]] == [True, False, True, False]
    assert sorted(one["wallet"] for one in refusals(service)) == ["nobodys", "retired"]
    assert {one["requestId"] for one in refusals(service)} == {answer.headers["x-request-id"]}


def test_what_is_no_decision_has_no_line(service: Service) -> None:
    answers = [
        service.post("/wallets/sign", {"walletId": "bot"}),
        service.post("/wallets/sign", {"walletId": "no/wallet", "message": "m"}),
        service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "unheard-of"}}),
        service.post("/wallets/sign", MESSAGE, headers={"X-API-Key": "hk_00000000_nobody"}),
    ]
    assert [answer.status for answer in answers] == [400, 400, 400, 401]
    assert refusals(service) == []


def test_who_is_over_the_limit_fills_no_disk(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="3/h") as service:
        key = made_client(service, "reader", allow=["read"])
        answers = [service.post("/wallets/sign", MESSAGE, headers={"X-API-Key": key}).status for _ in range(9)]
        assert answers == [403] * 3 + [429] * 6
        assert len(refusals(service)) == 3


def put_in_the_way(folder: Path) -> None:
    """A file in the folder's place; the service, which writes while it serves, may make the folder again meanwhile."""
    for number in itertools.count():
        folder.rename(folder.with_name(f"away-{number}"))
        try:
            folder.write_text("in the way")
        except IsADirectoryError:
            continue
        return


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)
def test_a_refusal_that_cannot_be_written_down_is_not_told(service: Service, ask: Asking) -> None:
    put_in_the_way(service.data / "records")
    answer = ask(service, "/wallets/sign", MESSAGE, service.key)
    assert (answer.status, answer.json["code"]) == (503, "record-unwritable")
    batch = service.post("/wallets/sign-batch", {"requests": [MESSAGE]})
    assert batch.json["results"][0]["problem"]["code"] == "record-unwritable"
