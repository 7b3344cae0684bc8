"""What the signing clients do when the line or the service fails: what is sent again, and what is not."""

import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperkms.client import (
    NO_RETRIES,
    ActionToSign,
    Conflict,
    Idempotency,
    NoAnswer,
    NotConnected,
    Options,
    RateLimited,
    Retries,
    SigningClient,
    SigningClientError,
    Unavailable,
    UnexpectedAnswer,
)
from support.scripted_server import HANG_UP, LAST, SILENCE, ScriptedServer, reply
from support.service import NOWHERE, START_S
from support.signing_clients import KINDS, signing_client

SIGNED = reply(200, json.dumps({"success": True, "signature": "0xab", "publicKey": "0xcd", "walletId": "w"}).encode())
HEALTHY = reply(200, b'{"status":"ok"}')
AT_ONCE = Retries(attempts=4, deadline_s=30, first_pause_s=0)
KEY = re.compile(rb"\r\nIdempotency-Key: ([!-~]+)\r\n")


def problem(status: int, code: str, *headers: str) -> bytes:
    body = {"status": status, "code": code, "error": "a sentence", "requestId": "r1"}
    return reply(status, json.dumps(body).encode(), headers=headers)


LIMITED = problem(429, "too-many-requests", "retry-after: 0")
AWAY = problem(503, "record-unwritable", "Retry-After: 0")
AWAY_FOR_GOOD = problem(503, "record-closed")
IN_PROGRESS = problem(409, "request-in-progress", "retry-after: 0")
CUT_OFF = (SIGNED[:-1], LAST)


def options(**changes: Any) -> Options:
    return Options(**{"read_s": 10.0, "retries": AT_ONCE, **changes})


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def keyed(client: Any) -> Any:
    return client.sign_message("w", "hello", idempotency_key="mine")


def unkeyed(client: Any) -> Any:
    return client.sign_message("w", "hello")


@pytest.mark.parametrize(
    "script",
    [[HANG_UP, SIGNED], [CUT_OFF, SIGNED], [AWAY, SIGNED], [LIMITED, SIGNED], [IN_PROGRESS, SIGNED]],
    ids=["hung up", "cut off", "503", "429", "under way"],
)
def test_a_request_with_a_key_is_sent_again_with_the_same_key_and_body(
    kind: str, script: Sequence[bytes | tuple[bytes, str]]
) -> None:
    with ScriptedServer(script) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        assert keyed(client).signature == "0xab"
    first, second = server.requests
    assert first == second
    assert KEY.findall(first) == [b"mine"]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([HANG_UP], NoAnswer),
        ([CUT_OFF], NoAnswer),
        ([AWAY], Unavailable),
        ([IN_PROGRESS], Conflict),
    ],
    ids=["hung up", "cut off", "503", "under way"],
)
def test_a_request_without_a_key_that_may_have_been_done_is_not_sent_again(
    kind: str, script: Sequence[bytes | tuple[bytes, str]], error: type[SigningClientError]
) -> None:
    with (
        ScriptedServer(script) as server,
        signing_client(kind, server.url, "hk_x", options(idempotency=Idempotency.ON_REQUEST)) as client,
        pytest.raises(error),
    ):
        unkeyed(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize("lost", [HANG_UP, CUT_OFF, AWAY], ids=["hung up", "cut off", "503"])
def test_a_signature_whose_answer_was_lost_is_asked_for_again_without_a_key(
    kind: str, lost: bytes | tuple[bytes, str]
) -> None:
    with ScriptedServer([lost, SIGNED]) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        assert unkeyed(client).signature == "0xab"
    first, second = server.requests
    assert first == second
    assert not KEY.findall(first)


@pytest.mark.parametrize("ask", [keyed, unkeyed])
def test_a_request_that_was_limited_is_sent_again_with_or_without_a_key(kind: str, ask: Callable[[Any], Any]) -> None:
    with ScriptedServer([LIMITED, SIGNED]) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        assert ask(client).signature == "0xab"
        assert server.connections == 1


def test_reads_are_sent_again(kind: str) -> None:
    script = [HANG_UP, AWAY, HEALTHY]
    with ScriptedServer(script) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        assert client.health().status == "ok"
    assert len(server.requests) == 3


def test_a_limit_that_outlasts_the_deadline_is_reported_with_its_time(kind: str) -> None:
    script = [problem(429, "too-many-requests", "retry-after: 60")]
    with (
        ScriptedServer(script) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
        pytest.raises(RateLimited) as limited,
    ):
        unkeyed(client)
    assert limited.value.retry_after_s == 60
    assert len(server.requests) == 1


def test_the_limit_of_the_first_system_is_understood(kind: str) -> None:
    body = {
        "statusCode": 429,
        "error": "Too Many Requests",
        "message": "50 signatures per 5 minutes.",
        "retryAfter": "5 minutes",
    }
    limited = reply(429, json.dumps(body).encode(), headers=["retry-after: 300"])
    with (
        ScriptedServer([limited]) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
        pytest.raises(RateLimited, match="50 signatures per 5 minutes") as error,
    ):
        unkeyed(client)
    assert error.value.retry_after_s == 300


def test_attempts_come_to_an_end_and_the_error_names_the_key(kind: str) -> None:
    with (
        ScriptedServer([HANG_UP]) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
        pytest.raises(NoAnswer) as lost,
    ):
        keyed(client)
    assert lost.value.idempotency_key == "mine"
    assert len(server.requests) == AT_ONCE.attempts


@pytest.mark.parametrize(
    "script", [[AWAY_FOR_GOOD], [problem(409, "idempotency-key-reused")], [problem(500, "internal-error")]]
)
def test_what_would_fail_again_is_not_sent_again(kind: str, script: Sequence[bytes]) -> None:
    with (
        ScriptedServer(script) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
        pytest.raises(SigningClientError),
    ):
        keyed(client)
    assert len(server.requests) == 1


def test_a_service_that_says_nothing_is_given_up_in_time(kind: str) -> None:
    with (
        ScriptedServer([SILENCE]) as server,
        signing_client(kind, server.url, "hk_x", options(read_s=0.1, retries=NO_RETRIES)) as client,
        pytest.raises(NoAnswer, match=r"did not answer within 0\.1 s"),
    ):
        unkeyed(client)
    assert len(server.requests) == 1


def test_an_answer_that_is_late_is_not_taken_for_that_of_the_next_request(kind: str) -> None:
    late = [SILENCE, HEALTHY]
    once = options(read_s=0.3, retries=NO_RETRIES)
    with ScriptedServer(late) as server, signing_client(kind, server.url, "hk_x", once) as client:
        with pytest.raises(NoAnswer):
            unkeyed(client)
        assert client.health().status == "ok"
        assert server.connections == 2


def test_nothing_is_sent_where_nobody_listens(kind: str) -> None:
    with signing_client(kind, NOWHERE, "hk_x", options()) as client, pytest.raises(NotConnected, match="cannot be"):
        unkeyed(client)


def test_a_connection_is_kept_for_the_next_request(kind: str) -> None:
    with ScriptedServer([SIGNED]) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        for _ in range(5):
            unkeyed(client)
    assert server.connections == 1


def test_a_kept_connection_that_the_service_has_closed_is_replaced_without_a_word(kind: str) -> None:
    script = [(SIGNED, LAST)]
    with ScriptedServer(script) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        for _ in range(3):
            unkeyed(client)
            assert server.hung_up.acquire(timeout=START_S)
    assert (len(server.requests), server.connections) == (3, 3)


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one(kind: str) -> None:
    other = reply(200, json.dumps({"signature": "0xbad", "publicKey": "0xcd", "walletId": "other"}).encode())
    with (
        ScriptedServer([SIGNED + other, SIGNED]) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
    ):
        assert [unkeyed(client).wallet_id for _ in range(2)] == ["w", "w"]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (reply(200, b"<html>"), 200),
        (reply(200, b'{"success":true}'), 200),
        (reply(307, b"", headers=["Location: http://127.0.0.1:9/"]), 307),
        (reply(404, b"<html>"), 404),
        (reply(502, b""), 502),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None),
    ],
    ids=["web page", "another service", "redirect", "404 of something else", "gateway", "another protocol"],
)
def test_what_the_service_did_not_write_is_reported_as_such(kind: str, answer: bytes, status: int | None) -> None:
    with (
        ScriptedServer([answer]) as server,
        signing_client(kind, server.url, "hk_x", options()) as client,
        pytest.raises(UnexpectedAnswer) as unexpected,
    ):
        keyed(client)
    assert (unexpected.value.status, unexpected.value.idempotency_key) == (status, "mine")
    assert len(server.requests) == 1


NONE, CHANGES, ORDERS = (), (Idempotency.AUTOMATIC, Idempotency.EVERY), (Idempotency.EVERY,)
OWN = ActionToSign(wallet_id="w", action={}, nonce=1)
ASKS: dict[str, tuple[Callable[[Any], Any], Sequence[Idempotency]]] = {
    "sign_message": (unkeyed, NONE),
    "sign_order": (lambda client: client.sign_order("w", {}), ORDERS),
    "sign_action": (lambda client: client.sign_action("w", {}), ORDERS),
    "sign_action with a nonce": (lambda client: client.sign_action("w", {}, nonce=1), CHANGES),
    "sign_messages": (lambda client: client.sign_messages([]), NONE),
    "sign_actions": (lambda client: client.sign_actions([]), ORDERS),
    "sign_actions with a nonce": (lambda client: client.sign_actions([OWN]), CHANGES),
    "generate": (lambda client: client.generate("w"), CHANGES),
    "rotate": (lambda client: client.rotate("w"), CHANGES),
    "retire": (lambda client: client.retire("w"), CHANGES),
}


@pytest.mark.parametrize("policy", Idempotency)
@pytest.mark.parametrize(("ask", "keyed_under"), ASKS.values(), ids=ASKS.keys())
def test_what_should_be_done_once_gets_a_key_of_its_own(
    kind: str, ask: Callable[[Any], Any], keyed_under: Sequence[Idempotency], policy: Idempotency
) -> None:
    answer = problem(400, "malformed")
    with (
        ScriptedServer([answer]) as server,
        signing_client(kind, server.url, "hk_x", options(idempotency=policy)) as client,
    ):
        for _ in range(2):
            with pytest.raises(SigningClientError):
                ask(client)
    keys = [KEY.findall(request) for request in server.requests]
    assert [len(found) for found in keys] == [policy in keyed_under] * 2
    assert policy not in keyed_under or keys[0] != keys[1]


def test_the_request_is_what_the_service_documents(kind: str) -> None:
    with ScriptedServer([SIGNED]) as server, signing_client(kind, server.url + "/kms/", "hk_x", options()) as client:
        client.sign_message("w", "hello", version=2)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /kms/wallets/sign HTTP/1.1"
    assert b"X-API-Key: hk_x" in lines
    assert f"Host: {server.url.removeprefix('http://')}".encode() in lines
    assert json.loads(body) == {"walletId": "w", "message": "hello", "version": 2}


def test_each_entry_of_a_batch_is_an_answer_or_an_error(kind: str) -> None:
    refused = {"status": 404, "code": "wallet-not-found", "error": "no such wallet", "requestId": "r1"}
    results = [
        {"success": True, "signature": "0xab", "publicKey": "0xcd", "walletId": "w"},
        {"success": False, "problem": refused},
    ]
    answer = reply(200, json.dumps({"success": True, "results": results}).encode())
    with ScriptedServer([answer]) as server, signing_client(kind, server.url, "hk_x", options()) as client:
        signed, error = client.sign_messages([])
    assert signed.signature == "0xab"
    assert (type(error).__name__, error.code) == ("NotFound", "wallet-not-found")


def test_more_threads_than_kept_connections_are_served_all_the_same(tmp_path: Path) -> None:
    with (
        ScriptedServer([SIGNED], path=tmp_path / "s.sock") as server,
        SigningClient(server.url, "hk_x", options=options(connections=1)) as client,
    ):
        threads = [threading.Thread(target=unkeyed, args=(client,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.requests) == 8
