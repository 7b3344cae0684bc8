"""Kill -9 of a service that runs its cosigners itself: its children end with it, and what was cut off is finished.

At named points around the change of its database, while the cosigners live on; and at random moments of ceremonies and
signatures, HYPERKMS_TEST_KILLS times (`make faults`).
"""

import http.client
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.databases import rows
from support.forked import Forked
from support.keyed import REPLAYED, post
from support.killed_under_a_key import AFTER_CHANGE, CHANGING
from support.mpc import check_message, cosigner_pids, generate, service_in_shares, sign, wait_for_all
from support.service import Service
from support.until import until

KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "2"))
LONGEST_S = 0.5
IN_SHARES = {"MPC_ENABLED": "true"}
KILLED = Forked("killed_under_a_key")
SIGN = "/mpc/wallets/sign"


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that lives on, and its cosigners, while others on its data directory are killed."""
    with service_in_shares(tmp_path_factory.mktemp("killed")) as running:
        yield running


@pytest.mark.parametrize("point", CHANGING)
@pytest.mark.parametrize("operation", ["generate", "rotate", "activate", "retire"])
def test_what_the_cosigners_have_done_and_the_database_has_not_is_finished_by_who_asks_again(
    service: Service, operation: str, point: str
) -> None:
    wallet = key = f"{operation}-{point}"
    changes: dict[str, tuple[str, dict[str, object]]] = {
        "generate": ("/mpc/wallets/generate", {"walletId": wallet}),
        "rotate": ("/mpc/wallets/rotate", {"walletId": wallet, "activate": True}),
        "activate": (f"/wallets/{wallet}/activate", {"version": 2}),
        "retire": (f"/mpc/wallets/{wallet}/retire", {"destroy": True}),
    }
    path, body = changes[operation]
    if operation != "generate":
        generate(service, wallet)
    if operation == "activate":
        assert service.post("/mpc/wallets/rotate", {"walletId": wallet, "activate": False}).status == 200
    died = KILLED.run(str(service.data), point, path, key, _text(body), **IN_SHARES)
    assert died.returncode == -9, died.stderr
    if operation in ("rotate", "activate"):
        assert sign(service, wallet)["receipt"]["keyVersion"] == (2 if point == AFTER_CHANGE else 1)

    first, again = (post(service, path, _text(body).encode(), key) for _ in range(2))
    assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true"), first.body
    assert (REPLAYED in first.headers) == (point == AFTER_CHANGE and operation != "retire")
    signed = service.post(SIGN, {"walletId": wallet, "message": "hello"})
    if operation == "retire":
        assert (signed.status, signed.json["code"]) == (403, "wallet-retired")
        assert _states(service, wallet) == [["retired"]] * 3
        return
    assert signed.json["receipt"]["keyVersion"] == (1 if operation == "generate" else 2)
    check_message(signed.json, "hello")


def _text(body: object) -> str:
    return json.dumps(body)


def _states(service: Service, wallet: str) -> list[list[str]]:
    """Of the shares that each cosigner has in its database."""
    query = "SELECT state FROM shares WHERE wallet = ? ORDER BY version, epoch"
    return [[state for (state,) in rows(service.data / "cosigners" / str(each), query, wallet)] for each in (1, 2, 3)]


# ---- at random moments, with all its children ----------------------------------------------------


def test_a_service_that_is_killed_with_its_cosigners_finishes_what_it_was_asked_for(tmp_path: Path) -> None:
    chance = random.Random("in shares")  # noqa: S311 (the same moments in every run)
    asked: Sequence[tuple[str, dict[str, object]]] = []
    for number in range(KILLS + 1):
        with service_in_shares(tmp_path) as service:
            wait_for_all(service)
            for path, body in asked:
                _is_whole(service, path, body, f"{number - 1}{path}")
            asked = _asks(service, f"w{number}")
            children = list(cosigner_pids(service).values())
            with ThreadPoolExecutor(len(asked)) as pool:
                cut = [pool.submit(_until_killed, service, path, body, f"{number}{path}") for path, body in asked]
                time.sleep(chance.uniform(0, LONGEST_S))
                service.kill()
            for one in cut:
                one.result()
            for pid in children:
                _is_gone(pid)


def _asks(service: Service, wallet: str) -> Sequence[tuple[str, dict[str, object]]]:
    for name in ("refreshed", "rotated", "signing"):
        generate(service, f"{wallet}-{name}")
    return [
        ("/mpc/wallets/generate", {"walletId": f"{wallet}-generated"}),
        (f"/mpc/wallets/{wallet}-refreshed/refresh", {}),
        ("/mpc/wallets/rotate", {"walletId": f"{wallet}-rotated", "activate": True}),
        (SIGN, {"walletId": f"{wallet}-signing", "message": "hello"}),
    ]


def _until_killed(service: Service, path: str, body: dict[str, object], key: str) -> None:
    """Once under the key; then again and again, if it is one that can be, so that something is always under way."""
    try:
        answer = post(service, path, body, key)
        while path != "/mpc/wallets/generate":
            assert answer.status == 200, answer.body
            answer = service.post(path, body)
    except (OSError, http.client.HTTPException):
        pass


def _is_whole(service: Service, path: str, body: dict[str, object], key: str) -> None:
    first, again = post(service, path, body, key), post(service, path, body, key)
    assert (first.status, again.body) == (200, first.body), first.body
    wallet = str(body.get("walletId") or path.split("/")[3])
    if path == "/mpc/wallets/rotate":  # one after it, without the key, may have been cut off as well: the next ends it
        another = service.post(path, body)
        assert another.status == 200, another.body
    public_key = sign(service, wallet)["publicKey"]
    epoch = service.post(f"/mpc/wallets/{wallet}/refresh", {})
    assert (epoch.status, epoch.json["publicKey"]) == (200, public_key), epoch.body
    for states in _states(service, wallet):
        assert set(states) <= {"retired", "in-force"}, states
    assert sign(service, wallet)["publicKey"] == public_key


def _is_gone(pid: int) -> None:
    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(gone)
