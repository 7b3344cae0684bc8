"""Cosigners that are slow, stopped or killed while the service signs; and services that are."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.mpc import alive, cosigner_pids, generate, service_in_shares, sign, stopped, wait_for_all
from support.service import Service
from support.until import until

KEY_TYPES = ("ed25519", "secp256k1")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service_in_shares(tmp_path_factory.mktemp("lost")) as running:
        for key_type in KEY_TYPES:
            generate(running, key_type, keyType=key_type)
        yield running


@pytest.fixture
def service(_running: Service) -> Service:
    """With every cosigner answering, whatever the test before did."""
    wait_for_all(_running)
    return _running


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("member", [1, 2, 3])
def test_with_one_stopped_everything_is_signed(service: Service, key_type: str, member: int) -> None:
    with stopped(cosigner_pids(service)[member]):
        for number in range(5):
            signed = sign(service, key_type, f"message {number}")
            assert member not in signed["receipt"]["cosigned"]["signers"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_with_one_stopped_many_at_once_are_signed(service: Service, key_type: str) -> None:
    with stopped(cosigner_pids(service)[1]), ThreadPoolExecutor(12) as threads:
        signed = list(threads.map(lambda number: sign(service, key_type, f"message {number}"), range(24)))
    assert len(signed) == 24


@pytest.mark.parametrize("member", [1, 2, 3])
def test_a_killed_cosigner_is_started_again_and_signs(service: Service, member: int) -> None:
    before = cosigner_pids(service)[member]
    os.kill(before, signal.SIGKILL)
    for key_type in KEY_TYPES:
        sign(service, key_type)
    until(lambda: cosigner_pids(service)[member] != before)
    wait_for_all(service)
    others = [pid for index, pid in cosigner_pids(service).items() if index not in {member, member % 3 + 1}]
    with stopped(*others):
        for key_type in KEY_TYPES:
            assert member in sign(service, key_type)["receipt"]["cosigned"]["signers"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_with_two_stopped_it_is_refused_and_says_who_is_missing(service: Service, key_type: str) -> None:
    pids = cosigner_pids(service)
    with stopped(pids[1], pids[3]):
        answer = service.post("/mpc/wallets/sign", {"walletId": key_type, "message": "hello"})
        assert (answer.status, answer.json["code"]) == (503, "insufficient-shares")
        assert answer.json["missing"] == ["cosigner-1", "cosigner-3"]
        assert answer.json["error"].startswith("Insufficient shares")
        assert answer.headers["retry-after"] == "1"
        status = service.get("/mpc/status", headers={}).json
        assert status["quorumLeft"] == -1
    wait_for_all(service)
    sign(service, key_type)


def test_a_key_is_made_by_all_or_not_at_all(service: Service) -> None:
    with stopped(cosigner_pids(service)[2]):
        until(lambda: _is_late(service, 2))
        answer = service.post("/mpc/wallets/generate", {"walletId": "unmade"})
        assert (answer.status, answer.json["code"]) == (503, "insufficient-shares"), answer.body
        assert answer.json["missing"] == ["cosigner-2"]
        assert service.get("/wallets/unmade").status == 404
    wait_for_all(service)
    made = generate(service, "unmade")
    assert sign(service, "unmade")["publicKey"] == made["publicKey"]


def _is_late(service: Service, member: int) -> bool:
    sign(service, "ed25519")
    return member not in alive(service)


def test_a_version_that_is_retired_while_a_cosigner_is_away_is_destroyed_once_it_is_back(tmp_path: Path) -> None:
    with service_in_shares(tmp_path, HYPERKMS_GRACE_DAYS="0") as service:
        generate(service, "ended")
        with stopped(cosigner_pids(service)[3]):
            answer = service.post("/mpc/wallets/ended/retire", {"destroy": True})
            assert answer.status == 200, answer.body
            assert "destroyedAt" not in answer.json["versions"][0]
        until(lambda: "destroyedAt" in service.get("/wallets/ended/versions").json["versions"][0])


def test_cosigners_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    with service_in_shares(tmp_path) as service:
        pids = list(cosigner_pids(service).values())
        service.kill()
        until(lambda: not any(_runs(pid) for pid in pids))
    with service_in_shares(tmp_path) as service:
        generate(service, "after")
        sign(service, "after")


def test_workers_share_the_cosigners_of_their_parent(tmp_path: Path) -> None:
    with service_in_shares(tmp_path, "--workers", "2") as service:
        generate(service, "shared")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: sign(service, "shared", f"message {number}"), range(32)))
        assert len(cosigner_pids(service)) == 3
        pids = list(cosigner_pids(service).values())
    until(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
