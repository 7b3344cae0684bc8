"""Whatever is killed under an Idempotency-Key: who repeats the request gets one answer, and one signature leaves."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.databases import rows
from support.forked import Forked
from support.keyed import NOOP, REPLAYED, post, signatures
from support.killed_under_a_key import (
    AFTER_CHANGE,
    AFTER_RECORD,
    AFTER_RECORDED,
    AFTER_RESERVE,
    BEFORE_RECORD,
    CHANGING,
    IN_RECORDED,
    RESERVING,
    SIGNING,
)
from support.service import Service
from support.signing_clients import ROOM

TIMES = int(os.environ.get("HYPERKMS_TEST_KILLS", "2"))
"""Kills at each point; more of them outside CI."""
KILLED = Forked("killed_under_a_key")
LINE_WRITTEN = (AFTER_RECORD, IN_RECORDED)
"""The line is durable and the answer is not: the line is written again, for the same signature."""
CHOSEN = 60_000
"""So many milliseconds above the last nonce, a caller's own cannot have been allocated."""


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that lives on while others on its data directory are killed."""
    with Service.start(tmp_path_factory.mktemp("killed") / "data", **ROOM) as running:
        yield running


def kill(data: Path, point: str, path: str, key: str, body: dict[str, object]) -> bytes:
    """The request to a process that dies at the point, as by `kill -9`; the body as it was sent."""
    text = json.dumps(body)
    died = KILLED.run(str(data), point, path, key, text, **ROOM)
    assert died.returncode == -signal.SIGKILL, died.stderr
    return text.encode()


def plan(service: Service, key: str) -> dict[str, Any] | None:
    """What was reserved under the key."""
    found = rows(service.data, "SELECT plan FROM requests WHERE key = ?", key)
    return json.loads(found[0][0]) if found else None


REQUESTS: dict[str, tuple[str, str, dict[str, object]]] = {
    "action": ("secp256k1", "/hyperliquid/sign", {"action": NOOP}),
    "text": ("secp256k1", "/wallets/sign", {"message": "hello"}),
    "payload": ("ed25519", "/wallets/sign-order", {"orderPayload": {"b": 1, "a": 2.5}}),
}


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", SIGNING)
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_signature_whose_line_was_durable_is_the_answer_of_who_asks_again(
    service: Service, kind: str, point: str, attempt: int
) -> None:
    key_type, path, members = REQUESTS[kind]
    wallet = key = f"{kind}-{point}-{attempt}"[:64]
    service.generate(wallet, keyType=key_type)
    sent = kill(service.data, point, path, key, {"walletId": wallet, **members})
    written = signatures(service.data, wallet)
    assert len(written) == (0 if point == BEFORE_RECORD else 1)

    first = post(service, path, sent, key)
    again = post(service, path, sent, key)
    assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true"), first.body
    assert (REPLAYED in first.headers) == (point != BEFORE_RECORD)
    (line,) = signatures(service.data, wallet)
    assert [line] == (written or [line])
    receipt = first.json["receipt"]
    assert (receipt["digest"], receipt["requestId"]) == (line["digest"], line["requestId"])
    if kind == "action":
        assert first.json["nonce"] == line["signed"]["nonce"]


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", RESERVING)
def test_a_signature_with_a_nonce_of_the_callers_is_the_same_when_it_is_asked_for_again(
    service: Service, point: str, attempt: int
) -> None:
    wallet = key = f"own-{point}-{attempt}"[:64]
    service.generate(wallet, keyType="secp256k1")
    body: dict[str, object] = {"walletId": wallet, "action": NOOP}
    body["nonce"] = service.post("/hyperliquid/sign", body).json["nonce"] + CHOSEN
    sent = kill(service.data, point, "/hyperliquid/sign", key, body)

    first = post(service, "/hyperliquid/sign", sent, key)
    again = post(service, "/hyperliquid/sign", sent, key)
    assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true"), first.body
    assert (REPLAYED in first.headers) == (point == AFTER_RECORDED)
    lines = signatures(service.data, wallet)[1:]
    assert len(lines) == (2 if point in LINE_WRITTEN else 1)
    assert len({(line["signature"], line["digest"]) for line in lines}) == 1
    assert first.json["receipt"]["digest"] == lines[0]["digest"]
    assert {line["requestId"] for line in lines} == {first.json["receipt"]["requestId"]}
    assert {line["signed"]["nonce"] for line in lines} == {first.json["nonce"]} == {body["nonce"]}
    assert post(service, "/hyperliquid/sign", sent, f"{key}-other").json["code"] == "nonce-reused"


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", CHANGING)
@pytest.mark.parametrize("operation", ["generate", "rotate", "activate", "retire"])
def test_a_change_that_was_killed_and_its_answer_are_both_there_or_neither(
    service: Service, operation: str, point: str, attempt: int
) -> None:
    wallet = key = f"{operation}-{point}-{attempt}"
    changes: dict[str, tuple[str, dict[str, object]]] = {
        "generate": ("/wallets/generate", {"walletId": wallet, "keyType": "secp256k1"}),
        "rotate": ("/wallets/rotate", {"walletId": wallet, "activate": True}),
        "activate": (f"/wallets/{wallet}/activate", {"version": 2}),
        "retire": (f"/wallets/{wallet}/retire", {"reason": "killed"}),
    }
    path, body = changes[operation]
    if operation != "generate":
        service.generate(wallet, keyType="secp256k1")
    if operation == "activate":
        service.post("/wallets/rotate", {"walletId": wallet})
    sent = kill(service.data, point, path, key, body)

    first = post(service, path, sent, key)
    again = post(service, path, sent, key)
    assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true"), first.body
    # A retirement is recorded after it was made, and made again it answers the same.
    assert (REPLAYED in first.headers) == (point == AFTER_CHANGE and operation != "retire")
    versions = service.get(f"/wallets/{wallet}/versions").json["versions"]
    assert len(versions) == (2 if operation in ("rotate", "activate") else 1)
    if operation != "retire":
        assert service.post("/wallets/sign", {"walletId": wallet, "message": "hello"}).status == 200


# ---- what changed between the crash and the retry -----------------------------------------------------------


def cut_off(service: Service, wallet: str, **members: object) -> bytes:
    """A request for an action with a nonce of its own that died once it was reserved; its key is the wallet's id."""
    service.generate(wallet, keyType="secp256k1")
    body = {"walletId": wallet, "action": NOOP, "nonce": time.time_ns() // 1_000_000, **members}
    sent = kill(service.data, AFTER_RESERVE, "/hyperliquid/sign", wallet, body)
    assert plan(service, wallet) is not None
    return sent


def test_a_version_that_was_retired_meanwhile_does_not_finish_a_request(service: Service) -> None:
    sent = cut_off(service, "retired-meanwhile")
    service.post("/wallets/rotate", {"walletId": "retired-meanwhile", "activate": True})
    service.post("/wallets/retired-meanwhile/retire", {"version": 1})
    for _ in range(2):
        assert post(service, "/hyperliquid/sign", sent, "retired-meanwhile").json["code"] == "version-retired"
    assert signatures(service.data, "retired-meanwhile") == []


def test_a_version_in_grace_finishes_its_request(service: Service) -> None:
    sent = cut_off(service, "in-grace")
    service.post("/wallets/rotate", {"walletId": "in-grace", "activate": True})
    assert post(service, "/hyperliquid/sign", sent, "in-grace").json["receipt"]["keyVersion"] == 1


def test_an_action_that_expired_meanwhile_is_not_signed(service: Service) -> None:
    soon = time.time_ns() // 1_000_000 + 600_000
    sent = cut_off(service, "expired", expiresAfter=soon)
    rows(service.data, "UPDATE requests SET plan = replace(plan, ?, '1000') WHERE key = 'expired'", str(soon))
    assert post(service, "/hyperliquid/sign", sent, "expired").json["code"] == "already-expired"
    assert signatures(service.data, "expired") == []


def test_a_plan_of_another_release_is_not_guessed_at(service: Service) -> None:
    sent = cut_off(service, "other-release")
    rows(service.data, "UPDATE requests SET plan = replace(plan, '\"v\":1', '\"v\":2') WHERE key = 'other-release'")
    assert post(service, "/hyperliquid/sign", sent, "other-release").json["code"] == "request-not-resumable"
    assert signatures(service.data, "other-release") == []


def test_a_request_that_was_cut_off_more_than_a_day_ago_is_not_resumed(service: Service) -> None:
    sent = cut_off(service, "yesterday")
    rows(service.data, "UPDATE requests SET created_at = created_at - 86400001 WHERE key = 'yesterday'")
    assert post(service, "/hyperliquid/sign", sent, "yesterday").json["code"] == "idempotency-key-expired"
    assert signatures(service.data, "yesterday") == []
