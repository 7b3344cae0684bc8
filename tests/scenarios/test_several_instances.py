"""Two and more instances on one database, by the public door: what one does holds at every other."""

import http.client
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperkms.operations.sweep import ORPHAN_KEPT_MS, Swept, remove_orphans
from hyperkms.wallet import WalletId
from support import custody, databases
from support.approving import Approver
from support.aws import Aws
from support.commands import refusal, run
from support.in_process import here
from support.instances import instances, settings_of
from support.kms_signer import Signer, signing
from support.mpc import check_message
from support.native_wallets import KEY_TYPES, NATIVE, held, settings, states
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


@pytest.mark.parametrize("keyed", [False, True])
def test_an_approval_permits_one_signature_of_all_of_them(both: list[Service], *, keyed: bool) -> None:
    wallet, anna = f"approved-{keyed}", Approver()
    _secp256k1(both[0], wallet)
    rule = {"name": "people", "approvals": 1, "approvers": {"anna": anna.text}}
    document = {"format": 1, "allow": ["trade-only"], "rules": [rule]}
    assert both[1].post(f"/wallets/{wallet}/policy", {"policy": document}).status == 200
    body = {"walletId": wallet, "action": ORDER, "approvals": [anna.approve(wallet, ORDER)]}

    def asked(number: int) -> Any:
        service = both[number % 2]
        headers = _with(service, **({"Idempotency-Key": f"{wallet}-{number}"} if keyed else {}))
        return service.post("/hyperliquid/sign", body, headers=headers)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(asked, range(6)))
    assert [answer.status for answer in answers].count(200) == 1, [answer.body for answer in answers]
    assert {answer.json.get("code") for answer in answers} <= {None, "approval-required", "approval-used"}
    for service in both:
        assert service.post("/hyperliquid/sign", body, headers=_with(service)).json["code"] == "approval-required"


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


# ---- wallets whose keys are in AWS KMS ---------------------------------------------------------------------


@dataclass
class AtKms:
    """Two instances whose root key is in AWS KMS, and the door in front of it."""

    both: list[Service]
    signer: Signer
    aws: Aws
    folder: Path

    @classmethod
    @contextmanager
    def start(cls, aws: Aws, folder: Path) -> Iterator["AtKms"]:
        """They run, and have no wallet yet."""
        with signing(aws.url) as signer, instances(folder, 2, **_at_kms(aws, signer, folder)) as running:
            yield cls(running, signer, aws, folder)

    def begun(self) -> list[Any]:
        """Calls of CreateKey of which no version was listed yet, and whose keys were not withdrawn."""
        name = settings_of(self.folder)["HYPERKMS_DATABASE"].rpartition("/")[2]
        return postgres().execute(name, "SELECT wallet, version, kms_key FROM kms_keys_begun")


def _at_kms(aws: Aws, signer: Signer, folder: Path) -> dict[str, str]:
    return settings(aws, signer.url, folder, HYPERKMS_ROOT_KEY=f"aws-kms:{aws.key_id}")


@pytest.fixture(scope="module")
def at_kms(emulated_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtKms]:
    with AtKms.start(emulated_aws, tmp_path_factory.mktemp("at-kms")) as running:
        yield running


def _said(service: Service, wallet: str, **members: object) -> Any:
    return service.post("/wallets/sign", {"walletId": wallet, "message": "m", **members})


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_in_kms_lives_its_life_at_both(at_kms: AtKms, key_type: str) -> None:
    here, there = at_kms.both
    wallet = f"life-{key_type}"
    made = here.generate(wallet, keyType=key_type, **NATIVE)
    for service in at_kms.both:
        signed = _said(service, wallet)
        assert (signed.status, signed.json["publicKey"]) == (200, made["publicKey"]), signed.body
        check_message(signed.json, "m")
    rotated = there.post("/wallets/rotate", {"walletId": wallet, "activate": True})
    assert rotated.status == 200, rotated.body
    until(lambda: _said(here, wallet).json["publicKey"] != made["publicKey"])
    before = _said(here, wallet, version=1)
    assert (before.status, before.json["publicKey"]) == (200, made["publicKey"]), "it is in its grace"
    assert here.post(f"/wallets/{wallet}/retire", {"version": 1}).status == 200
    until(lambda: _said(there, wallet, version=1).status == 403)
    assert _said(there, wallet, version=1).json["code"] == "version-retired"
    assert states(at_kms.aws, there)[wallet, 1] == ["PendingDeletion"]
    check_message(_said(there, wallet).json, "m")
    assert there.post(f"/wallets/{wallet}/retire", {"destroy": True}).status == 200
    until(lambda: _said(here, wallet).status == 403)
    assert states(at_kms.aws, here)[wallet, 2] == ["PendingDeletion"]


def test_a_wallet_that_is_retired_at_one_while_kms_signs_for_the_other_has_signed_nothing(at_kms: AtKms) -> None:
    here, there = at_kms.both
    here.generate("late", **NATIVE)
    with held(at_kms.signer, lambda: _said(here, "late")) as go_on:
        assert there.post("/wallets/late/retire", {}).status == 200
        too_long = {"walletId": "late", "message": "m" * 4097}  # KMS is not asked for it
        until(lambda: here.post("/wallets/sign", too_long).status == 403)
        answer = go_on()
    assert (answer.status, answer.json["code"]) == (403, "wallet-retired")
    assert "signature" not in answer.json


def test_of_two_that_rotate_a_key_in_kms_at_once_one_wins_and_the_key_of_the_other_ends(at_kms: AtKms) -> None:
    here, there = at_kms.both
    here.generate("raced", **NATIVE)
    asked = {"walletId": "raced"}
    for turn in range(3):
        first, second = at_kms.both[:: (-1) ** turn]
        with held(at_kms.signer, lambda: first.post("/wallets/rotate", asked), at="Sign") as go_on:  # noqa: B023
            won = second.post("/wallets/rotate", asked)
            lost = go_on()
        assert (won.status, lost.status, lost.json["code"]) == (200, 409, "wallet-changed"), lost.body
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: at_kms.both[number % 2].post("/wallets/rotate", asked), range(4)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) + statuses.count(409) == 4
    assert 200 in statuses
    versions = there.get("/wallets/raced/versions").json["versions"]
    assert [version["version"] for version in versions] == list(range(1, 5 + statuses.count(200)))
    found = states(at_kms.aws, here)
    assert [found["raced", version["version"]].count("Enabled") for version in versions] == [1] * len(versions)
    ended = [state for version in versions for state in found["raced", version["version"]] if state != "Enabled"]
    assert ended == ["PendingDeletion"] * (3 + statuses.count(409))
    listed = [at_kms.aws.client("kms").describe_key(KeyId=one["kmsKey"])["KeyMetadata"] for one in versions]
    assert {key["KeyState"] for key in listed} == {"Enabled"}
    assert at_kms.begun() == []
    for service in at_kms.both:
        until(lambda: _said(service, "raced").json["publicKey"] == versions[-1]["publicKey"])  # noqa: B023


@custody.needs(custody.FILE, because="it names the places of keys itself, also for this process")
def test_one_that_is_killed_while_kms_works_for_it_leaves_neither_a_key_nor_a_second_signature(
    emulated_aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep is that of a third one, whose clock the test sets."""
    with AtKms.start(emulated_aws, tmp_path) as running:
        (killed, left), signer = running.both, running.signer
        third = {**settings_of(tmp_path), **_at_kms(emulated_aws, signer, tmp_path)}
        for name, value in third.items():
            monkeypatch.setenv(name, value)
        killed.generate("w", keyType="secp256k1", **NATIVE)
        with here(tmp_path / "data-3", **third) as sweeper:

            def swept(after_ms: int) -> list[Swept]:
                sweeper.now += after_ms
                return list(remove_orphans(sweeper.parts))

            with held(signer, lambda: killed.post("/wallets/rotate", {"walletId": "w"}), at="Sign") as go_on:
                assert len(running.begun()) == 1
                assert swept(ORPHAN_KEPT_MS // 2) == [], "its maker is still at it"
                assert go_on().status == 200
            assert running.begun() == []

            asked = {"walletId": "w", "action": ORDER}
            headers = _with(killed, **{"Idempotency-Key": "under-way"})
            with held(signer, lambda: killed.post("/hyperliquid/sign", asked, headers=headers)) as go_on:
                at = len(signer.messages)
                assert killed.get("/health").status == 200, "KMS is not waited for in the event loop"
                generate = {"walletId": "v", **NATIVE}
                signer.after = lambda operation: killed.process.kill() if operation == "CreateKey" else None
                with pytest.raises((OSError, http.client.HTTPException)):
                    killed.post("/wallets/generate", generate)
                signer.after = lambda _: None
                with pytest.raises((OSError, http.client.HTTPException)):
                    go_on()
            assert [(wallet, version) for wallet, version, _ in running.begun()] == [("v", 1)]
            assert left.post("/wallets/generate", generate).status == 200
            assert sorted(states(emulated_aws, left)["v", 1]) == ["Enabled", "Enabled"]
            ended = signer.asked["ScheduleKeyDeletion"]
            with ThreadPoolExecutor(2) as threads:
                sweeper.now += 2 * ORPHAN_KEPT_MS
                both = list(threads.map(lambda _: swept(0), range(2)))
            assert Swept("kms-key-withdrawn", WalletId("v"), 1) in both[0] + both[1]
            assert swept(ORPHAN_KEPT_MS) == []
            assert running.begun() == []
        assert sorted(states(emulated_aws, left)["v", 1]) == ["Enabled", "PendingDeletion"]
        assert signer.asked["ScheduleKeyDeletion"] - ended in (1, 2)
        check_message(_said(left, "v").json, "m")
        until(lambda: left.post("/hyperliquid/sign", asked, headers=headers).status == 200)
        done = left.post("/hyperliquid/sign", asked, headers=headers)
        assert set(signer.messages[at:]) >= {bytes.fromhex(done.json["receipt"]["digest"].removeprefix("0x"))}
        digests = {message for message in signer.messages[at:] if len(message) == 32}
        assert len(digests) == 1, "one action was signed, once or twice"
