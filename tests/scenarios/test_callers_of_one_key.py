"""Many callers with one Idempotency-Key, on two services over one data directory: one signature."""

import http.client
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.keyed import NOOP, REPLAYED, signatures
from support.service import START_S, Answer, Service
from support.signing_clients import ROOM

CALLERS = int(os.environ.get("HYPERKMS_TEST_CALLERS", "64"))
ROUNDS = int(os.environ.get("HYPERKMS_TEST_ROUNDS", "16"))
"""256 outside CI."""
KEYS = 40
LIMITS = {**ROOM, "HYPERKMS_LIMIT_SIGN": "100000/s"}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Sequence[Service]]:
    """Two processes on one data directory."""
    with ExitStack() as stack:
        yield [stack.enter_context(Service.start(tmp_path / "data", **LIMITS)) for _ in range(2)]


def ask(connection: http.client.HTTPConnection, api_key: str, path: str, key: str, body: bytes) -> Answer:
    """The answer, asked for until the request is no longer under way elsewhere."""
    while True:
        connection.request("POST", path, body, {"X-API-Key": api_key, "Idempotency-Key": key})
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        if answer.status != 409 or answer.json["code"] != "request-in-progress":
            return answer
        assert answer.headers["retry-after"] == "1"


def connect(service: Service) -> "closing[http.client.HTTPConnection]":
    parts = urlsplit(service.url)
    return closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=START_S))


def all_at_once(
    services: Sequence[Service], rounds: int, request: Callable[[int], tuple[str, str, bytes]]
) -> list[list[Answer]]:
    """Every caller sends the request of each round at the same time, half of them to each service; by round."""
    start = threading.Barrier(CALLERS)

    def call(number: int) -> list[Answer]:
        service = services[number % len(services)]
        answers = []
        with connect(service) as connection:
            for turn in range(rounds):
                start.wait(START_S)
                answers.append(ask(connection, service.key, *request(turn)))
        return answers

    with ThreadPoolExecutor(CALLERS) as threads:
        by_caller = list(threads.map(call, range(CALLERS)))
    return [list(of_round) for of_round in zip(*by_caller, strict=True)]


@pytest.mark.timeout(120 + 5 * ROUNDS)
@pytest.mark.parametrize("chosen", [False, True], ids=["allocated nonce", "nonce of the caller"])
def test_callers_with_one_key_get_one_signature(services: Sequence[Service], chosen: bool) -> None:  # noqa: FBT001 (pytest passes it)
    services[0].generate("w", keyType="secp256k1")
    last = services[0].post("/hyperliquid/sign", {"walletId": "w", "action": NOOP}).json["nonce"]

    def request(turn: int) -> tuple[str, str, bytes]:
        body: dict[str, object] = {"walletId": "w", "action": NOOP}
        if chosen:
            body["nonce"] = last + 600_000 + turn
        return "/hyperliquid/sign", f"round-{turn}", json.dumps(body).encode()

    rounds = all_at_once(services, ROUNDS, request)
    for answers in rounds:
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert [REPLAYED in answer.headers for answer in answers].count(False) == 1
    lines = signatures(services[0].data, "w")
    signed = Counter(line["signed"]["nonce"] for line in lines if line["signed"]["nonce"] != last)
    assert signed == Counter({answers[0].json["nonce"]: 1 for answers in rounds})
    assert len(signed) == ROUNDS


@pytest.mark.timeout(120 + 5 * ROUNDS)
def test_callers_with_one_key_make_one_wallet(services: Sequence[Service]) -> None:
    def request(turn: int) -> tuple[str, str, bytes]:
        return "/wallets/generate", f"wallet-{turn}", json.dumps({"walletId": f"w-{turn}"}).encode()

    for answers in all_at_once(services, 4, request):
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
    assert services[0].get("/wallets").json["count"] == 4


@pytest.mark.timeout(240)
def test_what_a_killed_service_was_asked_is_finished_by_the_next_with_one_signature_each(tmp_path: Path) -> None:
    data, kept = tmp_path / "data", {}
    body = json.dumps({"walletId": "w", "action": NOOP}).encode()
    answered = threading.Semaphore(0)
    with Service.start(data, **LIMITS) as first:
        first.generate("w", keyType="secp256k1")

        def call(number: int) -> None:
            with connect(first) as connection:
                for turn in range(KEYS // 8):
                    key = f"k{number}-{turn}"
                    try:
                        kept[key] = ask(connection, first.key, "/hyperliquid/sign", key, body)
                    except (OSError, http.client.HTTPException):
                        return
                    answered.release()

        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(call, number) for number in range(8)]
            for _ in range(KEYS // 3):
                answered.acquire(timeout=START_S)
            first.kill()
            for done in calls:
                done.result()
    keys = [f"k{number}-{turn}" for number in range(8) for turn in range(KEYS // 8)]
    with Service.start(data, **LIMITS) as second, connect(second) as connection:
        finished = {key: ask(connection, second.key, "/hyperliquid/sign", key, body) for key in keys}
    assert {key: finished[key].body for key in kept} == {key: answer.body for key, answer in kept.items()}
    nonces = {answer.json["nonce"] for answer in finished.values()}
    assert len(nonces) == len(keys)
    by_nonce: dict[int, set[str]] = {}
    for line in signatures(data, "w"):
        by_nonce.setdefault(line["signed"]["nonce"], set()).add(line["signature"])
    assert set(by_nonce) == nonces
    assert {len(made) for made in by_nonce.values()} == {1}
