"""Two and more instances on one database, by the public door: what one does holds at every other."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support import databases
from support.commands import refusal, run
from support.instances import instances, settings_of
from support.postgres import postgres
from support.service import Service
from support.signed import ask, registered, send
from support.until import until

ORDER = {"type": "cancel", "cancels": [{"a": 0, "o": 1}]}


@pytest.fixture(scope="module", autouse=True)
def _named_by_the_test() -> Iterator[None]:
    with databases.on(databases.POSTGRESQL):
        yield


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    with instances(tmp_path_factory.mktemp("both"), 2) as running:
        yield running


def _secp256k1(service: Service, wallet: str) -> Any:
    made = service.post("/wallets/generate", {"walletId": wallet, "keyType": "secp256k1"})
    assert made.status == 200, made.body
    return made.json["wallet"]


def _with(service: Service, **headers: str) -> dict[str, str]:
    return {"X-API-Key": service.key, **headers}


def _cancel(service: Service, wallet: str, **headers: str) -> Any:
    return service.post("/hyperliquid/sign", {"walletId": wallet, "action": ORDER}, headers=_with(service, **headers))


def test_what_one_makes_the_other_signs_with(both: list[Service]) -> None:
    here, there = both
    made = here.generate("made-here")
    signed = there.post("/wallets/sign", {"walletId": "made-here", "message": "m"})
    assert (signed.status, signed.json["publicKey"]) == (200, made["publicKey"])


def test_a_wallet_is_made_once(both: list[Service]) -> None:
    def make(number: int) -> int:
        return both[number % 2].post("/wallets/generate", {"walletId": f"once-{number // 8}"}).status

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(make, range(64)))
    assert sorted(answers) == [200] * 8 + [409] * 56


def test_no_nonce_comes_twice(both: list[Service]) -> None:
    _secp256k1(both[0], "numbered")
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: _cancel(both[number % 2], "numbered"), range(400)))
    assert {answer.status for answer in answers} == {200}
    nonces = [answer.json["nonce"] for answer in answers]
    assert len(set(nonces)) == 400
    assert max(nonces) < time.time() * 1000 + 5_000


def test_a_nonce_that_a_caller_chose_is_known_elsewhere(both: list[Service]) -> None:
    _secp256k1(both[0], "chosen")
    asked = {"walletId": "chosen", "action": ORDER, "nonce": round(time.time() * 1000) + 20_000}
    assert both[0].post("/hyperliquid/sign", asked).status == 200
    again = both[1].post("/hyperliquid/sign", asked)
    assert (again.status, again.json["code"]) == (409, "nonce-reused")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/hyperliquid/sign", {"walletId": "keyed", "action": ORDER}),
        ("/wallets/sign", {"walletId": "keyed", "message": "m"}),
        ("/hyperliquid/sign-batch", {"requests": [{"walletId": "keyed", "action": ORDER} for _ in range(3)]}),
    ],
)
def test_a_request_with_a_key_is_done_by_one_of_them(both: list[Service], path: str, body: Any) -> None:
    if both[0].get("/wallets/keyed").status == 404:
        _secp256k1(both[0], "keyed")
    for turn in range(8):
        headers = _with(both[0], **{"Idempotency-Key": f"{path[1:]}-{turn}"})
        with ThreadPoolExecutor(8) as threads:
            asking: Callable[[int], Any] = lambda number: both[number % 2].post(path, body, headers=headers)  # noqa: B023, E731
            answers = list(threads.map(asking, range(8)))
        assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
        assert len({answer.body for answer in answers}) == 1
        other = {**body, "network": "testnet"} if "action" in body else {**body, "x": 1}
        assert both[turn % 2].post(path, other, headers=headers).status in {400, 409}


def test_a_refusal_under_a_key_keeps_nothing(both: list[Service]) -> None:
    headers = _with(both[0], **{"Idempotency-Key": "refused-at-first"})
    asked = {"walletId": "not-yet", "message": "m"}
    assert both[0].post("/wallets/sign", asked, headers=headers).status == 404
    both[0].generate("not-yet")
    assert both[1].post("/wallets/sign", asked, headers=headers).status == 200


def test_limits_hold_for_both_together(tmp_path: Path) -> None:
    with instances(tmp_path, 2, HYPERKMS_LIMIT_GENERATE="5/5m", HYPERKMS_LIMIT_SIGN="1/s:40") as running:
        made = [running[number % 2].post("/wallets/generate", {"walletId": f"w{number}"}) for number in range(8)]
        assert sorted(answer.status for answer in made) == [200] * 5 + [429] * 3
        began = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            asked = {"walletId": "w0", "message": "m"}
            signed = list(threads.map(lambda number: running[number % 2].post("/wallets/sign", asked), range(120)))
        granted = sum(answer.status == 200 for answer in signed)
        assert 40 <= granted <= 40 + time.monotonic() - began + 1


def test_no_more_is_spent_than_both_may_spend(both: list[Service]) -> None:
    _secp256k1(both[0], "spending")
    rules = {"format": 1, "allow": ["trade-only"], "rules": [{"name": "seven", "max_orders": {"1h": 7}}]}
    put = both[0].post("/wallets/spending/policy", {"policy": rules})
    assert put.status == 200, put.body
    order = {"a": 0, "b": True, "p": "1", "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    asked = {"walletId": "spending", "action": {"type": "order", "orders": [order], "grouping": "na"}}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: both[number % 2].post("/hyperliquid/sign", asked), range(40)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [403] * 33
    refused = next(answer.json for answer in answers if answer.status == 403)
    assert (refused["rule"], refused["left"]) == ("seven", "0")


def test_a_revoked_client_and_a_retired_wallet_stop_at_the_other(both: list[Service]) -> None:
    here, there = both
    here.generate("ending")
    issued = here.post("/clients", {"name": "bot-07", "allow": ["sign-bytes"]})
    assert issued.status == 200, issued.body
    key = {"X-API-Key": issued.json["apiKey"]}
    asked = {"walletId": "ending", "message": "m"}
    assert there.post("/wallets/sign", asked, headers=key).status == 200
    assert here.post("/clients/bot-07/revoke", {}).status == 200
    until(lambda: there.post("/wallets/sign", asked, headers=key).status == 401)
    assert there.post("/wallets/sign", asked).status == 200
    assert here.post("/wallets/ending/retire", {}).status == 200
    until(lambda: there.post("/wallets/sign", asked).status == 403)


def test_a_second_directory_needs_the_setting(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    alone = {**settings, "HYPERKMS_INSTANCES": "one"}
    with instances(tmp_path, 1):
        told = refusal("wallet", "list", "--data", str(tmp_path / "data-1"), cwd=tmp_path, **alone)
        assert "[wrong-instances]" in told or "[another-instance]" in told
        shutil.copytree(tmp_path / "data-1", tmp_path / "copy")
        told = refusal("wallet", "list", "--data", str(tmp_path / "copy"), cwd=tmp_path, **settings)
        assert "[another-instance]" in told
    assert "[wrong-instances]" in refusal("wallet", "list", "--data", str(tmp_path / "data-1"), cwd=tmp_path, **alone)
    assert run("wallet", "list", "--data", str(tmp_path / "data-1"), cwd=tmp_path, **settings).returncode == 0


def test_a_key_that_was_made_elsewhere_is_known_at_once(both: list[Service]) -> None:
    for number in range(6):
        here, there = both[number % 2], both[1 - number % 2]
        issued = here.post("/clients", {"name": f"new-{number}", "allow": ["read"]})
        assert there.get("/wallets", headers={"X-API-Key": issued.json["apiKey"]}).status == 200
        signer = registered(here, f"signing-{number}", "read")
        assert ask(there, signer, "GET", "/wallets").status == 200


def test_a_signed_request_is_accepted_by_one_of_them(both: list[Service]) -> None:
    signer = registered(both[0], "once-only", "read")
    for _ in range(10):
        request = signer.request("GET", "/wallets")
        header = signer.sign(request)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda number: send(both[number % 2], request, header), range(4)))  # noqa: B023
        assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]


def test_versions_are_gapless_whoever_rotates(both: list[Service]) -> None:
    both[0].generate("rotated")

    def rotate(number: int) -> int:
        return both[number % 2].post("/wallets/rotate", {"walletId": "rotated"}).status

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(rotate, range(48)))
    done = answers.count(200)
    assert done + answers.count(409) == 48
    versions = both[1].get("/wallets/rotated/versions").json["versions"]
    assert [version["version"] for version in versions] == list(range(1, done + 2))
    assert [version["state"] for version in versions].count("active") == 1


def test_one_that_is_killed_leaves_nothing_undone(tmp_path: Path) -> None:
    """The other one answers for it: what was signed under a key is answered the same, or signed once."""
    with instances(tmp_path, 2) as running:
        _secp256k1(running[0], "w")
        asked = {"walletId": "w", "action": ORDER}
        known: dict[str, bytes] = {}

        def sign(number: int) -> None:
            key = f"k-{number}"
            try:
                answer = running[0].post(
                    "/hyperliquid/sign", asked, headers=_with(running[0], **{"Idempotency-Key": key})
                )
            except OSError:
                return
            if answer.status == 200:
                known[key] = answer.body

        with ThreadPoolExecutor(8) as threads:
            asking = [threads.submit(sign, number) for number in range(300)]
            until(lambda: len(known) > 40)
            running[0].kill()
            for each in asking:
                each.result()
        nonces = set()
        for number in range(300):
            headers = _with(running[1], **{"Idempotency-Key": f"k-{number}"})
            until(lambda: running[1].post("/hyperliquid/sign", asked, headers=headers).status == 200)  # noqa: B023
            answer = running[1].post("/hyperliquid/sign", asked, headers=headers)
            assert known.get(f"k-{number}", answer.body) == answer.body
            nonces.add(answer.json["nonce"])
        assert len(nonces) == 300


def test_a_database_of_one_becomes_one_of_several_with_all_that_was_counted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    rules = {"format": 1, "allow": ["trade-only"], "rules": [{"name": "three", "max_orders": {"24h": 3}}]}
    order = {"a": 0, "b": True, "p": "1", "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    asked = {"walletId": "w", "action": {"type": "order", "orders": [order], "grouping": "na"}}
    with Service.start(tmp_path / "data-1", **{**settings, "HYPERKMS_INSTANCES": "one"}) as alone:
        _secp256k1(alone, "w")
        assert alone.post("/wallets/w/policy", {"policy": rules}).status == 200
        headers = _with(alone, **{"Idempotency-Key": "before"})
        signed = alone.post("/hyperliquid/sign", asked, headers=headers)
        assert [signed.status, alone.post("/hyperliquid/sign", asked).status] == [200, 200]
        alone.kill()
    told = refusal("wallet", "list", "--data", str(tmp_path / "data-2"), cwd=tmp_path, **settings)
    assert "[no-data-directory]" in told
    with instances(tmp_path, 2) as running:
        again = running[1].post("/hyperliquid/sign", asked, headers=_with(running[0], **{"Idempotency-Key": "before"}))
        assert again.body == signed.body
        statuses = [running[number % 2].post("/hyperliquid/sign", asked).status for number in range(4)]
        assert statuses == [200, 403, 403, 403]


def test_a_new_directory_signs_no_rows_that_others_had(tmp_path: Path) -> None:
    """Who can write the database could else have anything signed, by the next instance that is started."""
    settings = settings_of(tmp_path)
    name = settings["HYPERKMS_DATABASE"].rpartition("/")[2]
    with instances(tmp_path, 1) as (service,):
        service.generate("w")
    postgres().execute(name, "DELETE FROM store_keys")
    postgres().execute(name, "DELETE FROM row_signatures")
    for directory in ("data-1", "data-2"):
        words = ("wallet", "generate", "v", "--data", str(tmp_path / directory))
        done = run(*words, cwd=tmp_path, **settings)
        assert done.returncode == 1
        assert b"[store-key-missing]" in done.stderr


def test_a_fence_of_one_is_heard_of_by_the_others(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with instances(tmp_path, 2) as running:
        _secp256k1(running[0], "w")
        before = _cancel(running[1], "w", **{"X-API-Key": running[0].key}).json["nonce"]
    fenced = run(
        "recover", "fence", "--data", str(tmp_path / "data-1"), "--yes", "--rolled-back", cwd=tmp_path, **settings
    )
    assert fenced.returncode == 0, fenced.stderr
    with instances(tmp_path, 2) as running:
        key = (tmp_path / "data-1" / "admin.key").read_text().strip()
        for service in reversed(running):
            after = _cancel(service, "w", **{"X-API-Key": key}).json["nonce"]
            assert after > before + 50_000
            before = after - 50_000
