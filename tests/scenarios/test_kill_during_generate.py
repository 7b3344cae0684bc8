"""Whatever is killed while a wallet is made, its id names a wallet that signs, or nothing."""

import http.client
import json
import os
import random
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from support.custody import settings_for
from support.databases import POSTGRESQL, kind, rows
from support.forked import Forked
from support.killed_halfway import AFTER_KEY, AFTER_WALLET, BEFORE_KEY, BEFORE_WALLET
from support.record import lines_in
from support.sealed_key_reader import Secret, public_key_of
from support.service import Answer, Service, command, environment
from support.stored_keys import stored_versions

ROUNDS = int(os.environ.get("HYPERKMS_TEST_KILLS", "25"))
"""Kills at random moments; more of them outside CI."""
BOTS = 4
MESSAGE = "hello"
KEY_TYPES = ("ed25519", "secp256k1")
OTHER_TYPE = {"ed25519": "secp256k1", "secp256k1": "ed25519"}
KILLED = Forked("killed_halfway")


def assert_signs(service: Service, wallet: Any) -> Any:
    """The wallet's signature is that of its listed public key, says another implementation; its receipt."""
    answer = service.post("/wallets/sign", {"walletId": wallet["walletId"], "message": MESSAGE})
    assert answer.status == 200, answer.body
    signature = bytes.fromhex(answer.json["signature"][2:])
    if wallet["keyType"] == "ed25519":
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(wallet["publicKey"][2:])).verify(signature, MESSAGE.encode())
    else:
        signer = Account.recover_message(encode_defunct(text=MESSAGE), signature=signature)
        assert signer.lower() == wallet["address"]
    return answer.json


def listed(service: Service) -> dict[str, Any]:
    """Every wallet by id, page by page."""
    found: dict[str, Any] = {}
    after = ""
    while True:
        page = service.get(f"/wallets?limit=100&after={after}").json
        found |= {wallet["walletId"]: wallet for wallet in page["wallets"]}
        if "next" not in page:
            return found
        after = page["next"]


def recorded(data: Path) -> dict[tuple[str, int], Any]:
    """Every whole line of the record by its place."""
    return {(line["log"], line["index"]): line["record"] for line in lines_in(data / "records")}


# ---- kills at random -----------------------------------------------------------------------------------


@dataclass
class Told:
    """What clients asked for, and what they were told before the service died."""

    asked: dict[str, str] = field(default_factory=dict)
    """Key types by wallet id."""
    made: dict[str, Any] = field(default_factory=dict)
    signed: list[Any] = field(default_factory=list)


def work_until_killed(service: Service, bot: str, told: Told, begun: threading.Event) -> None:
    """Make wallets and sign with each, until the connection breaks."""
    try:
        for number in range(10_000):
            wallet_id, key_type = f"{bot}-{number}", KEY_TYPES[number % 2]
            told.asked[wallet_id] = key_type
            answer = service.post("/wallets/generate", {"walletId": wallet_id, "keyType": key_type})
            assert answer.status == 200, answer.body
            told.made[wallet_id] = answer.json["wallet"]
            begun.set()
            told.signed.append(assert_signs(service, told.made[wallet_id]))
    except (OSError, http.client.HTTPException):
        begun.set()


def kill_at_work(service: Service, name: str, told: Told, delay_s: float) -> None:
    begun = threading.Event()
    with ThreadPoolExecutor(BOTS) as pool:
        bots = [pool.submit(work_until_killed, service, f"{name}-{bot}", told, begun) for bot in range(BOTS)]
        begun.wait()
        threading.Timer(delay_s, service.process.kill).start()
        for bot in bots:
            bot.result()
    service.kill()


def assert_nothing_is_lost(service: Service, told: Told) -> None:
    standing = listed(service)
    for wallet_id, made in told.made.items():
        assert standing[wallet_id] == made
    assert set(standing) >= set(told.made)
    for wallet_id, key_type in told.asked.items():
        if wallet_id not in standing:
            standing[wallet_id] = service.generate(wallet_id, keyType=key_type)
        assert_signs(service, standing[wallet_id])


def assert_every_receipt_is_recorded(data: Path, signed: list[Any]) -> None:
    records = recorded(data)
    for answer in signed:
        record = records[answer["receipt"]["log"], answer["receipt"]["index"]]
        assert record["signature"] == answer["signature"]
        assert record["requestId"] == answer["receipt"]["requestId"]
        assert record["digest"] == answer["receipt"]["digest"]


@pytest.mark.timeout(60 + 10 * ROUNDS)
def test_wallets_made_while_the_service_is_killed_again_and_again_sign_or_do_not_exist(tmp_path: Path) -> None:
    data, chance, rounds = tmp_path / "data", random.Random(), [Told()]  # noqa: S311 (moments, not keys)
    for number in range(ROUNDS + 1):
        with Service.start(data) as service:
            assert_nothing_is_lost(service, rounds[-1])
            if number == ROUNDS:
                standing = listed(service)
                for told in rounds:
                    assert {wallet_id: standing[wallet_id] for wallet_id in told.made} == told.made
                break
            rounds.append(Told())
            kill_at_work(service, f"r{number}", rounds[-1], delay_s=chance.uniform(0, 0.3))
        assert_every_receipt_is_recorded(data, rounds[-1].signed)
    assert sum(len(told.made) for told in rounds) > ROUNDS
    assert integrity(data) == "ok"


def integrity(data: Path) -> str:
    """What SQLite says of its file; a server keeps its own."""
    return "ok" if kind() == POSTGRESQL else str(rows(data, "PRAGMA integrity_check")[0][0])


# ---- kills at each step --------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


def kill_halfway(data: Path, point: str, *operation: str) -> None:
    """The operation in a process that dies at the point, as by `kill -9`."""
    died = KILLED.run(str(data), point, *operation)
    assert died.returncode == -signal.SIGKILL, died.stderr


def sealed_keys(data: Path, wallet: str) -> int:
    return len(stored_versions(data, wallet))


def ask(service: Service, wallet: str, key_type: str) -> Answer:
    return service.post("/wallets/generate", {"walletId": wallet, "keyType": key_type})


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service beside which other processes work on the same data directory and are killed."""
    with Service.start(tmp_path_factory.mktemp("halves") / "data") as running:
        yield running


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize(("point", "stored"), [(BEFORE_KEY, 0), (AFTER_KEY, 1), (BEFORE_WALLET, 1)])
def test_a_wallet_whose_making_was_killed_is_made_by_the_next_call(
    halves: Service, key_type: str, point: str, stored: int
) -> None:
    wallet = f"{key_type}-{point}"
    kill_halfway(halves.data, point, "generate", wallet, key_type)
    assert sealed_keys(halves.data, wallet) == stored
    assert wallet not in listed(halves)
    assert halves.get(f"/wallets/{wallet}/public-key").status == 404
    made = ask(halves, wallet, key_type)
    assert made.status == 200, made.body
    assert ask(halves, wallet, key_type).status == 409
    assert listed(halves)[wallet] == made.json["wallet"]
    assert_signs(halves, made.json["wallet"])
    assert sealed_keys(halves.data, wallet) == 1


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_wallet_that_was_listed_before_the_kill_stands(halves: Service, key_type: str) -> None:
    wallet = f"{key_type}-{AFTER_WALLET}"
    kill_halfway(halves.data, AFTER_WALLET, "generate", wallet, key_type)
    assert_signs(halves, listed(halves)[wallet])
    assert ask(halves, wallet, key_type).status == 409


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("point", [AFTER_KEY, BEFORE_WALLET])
def test_another_key_type_for_a_half_made_wallet_is_refused_and_what_was_begun_is_named(
    halves: Service, key_type: str, point: str
) -> None:
    wallet = f"other-than-{key_type}-{point}"
    kill_halfway(halves.data, point, "generate", wallet, key_type)
    refused = ask(halves, wallet, OTHER_TYPE[key_type])
    assert (refused.status, refused.json["code"]) == (409, "wallet-unfinished")
    assert f"generated {key_type} key" in refused.json["error"]
    assert wallet not in listed(halves)
    assert ask(halves, wallet, key_type).status == 200
    assert_signs(halves, listed(halves)[wallet])


def test_a_half_made_wallet_is_found_after_the_service_was_killed_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    kill_halfway(data, AFTER_KEY, "generate", "w", "secp256k1")
    with Service.start(data) as service:
        assert listed(service) == {}
        service.kill()
    with Service.start(data) as service:
        assert_signs(service, service.generate("w", keyType="secp256k1"))


# ---- imports -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Imported:
    """A private key in a file, and its public key."""

    file: Path
    public_key: str

    @classmethod
    def make(cls, file: Path, key_type: str) -> "Imported":
        key = Secret(b"\x5a" + secrets.token_bytes(31))
        file.touch(mode=0o600)
        file.write_text(key.reveal().hex())
        return cls(file, "0x" + public_key_of(key_type, key).hex())


def import_key(service: Service, wallet: str, key_type: str, imported: Imported) -> "subprocess.CompletedProcess[str]":
    words = ["wallet", "import", wallet, "--key-type", key_type, "--key-file", str(imported.file)]
    return subprocess.run(
        command(*words, "--data", str(service.data), "--json"),
        env=environment(**settings_for(service.data)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("point", [BEFORE_KEY, AFTER_KEY, BEFORE_WALLET])
def test_an_import_that_was_killed_is_finished_by_the_same_import(
    halves: Service, key_type: str, point: str, tmp_path: Path
) -> None:
    wallet, imported = f"imported-{key_type}-{point}", Imported.make(tmp_path / "key", key_type)
    kill_halfway(halves.data, point, "import", wallet, key_type, str(imported.file))
    assert wallet not in listed(halves)
    done = import_key(halves, wallet, key_type, imported)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["publicKey"] == imported.public_key
    assert listed(halves)[wallet]["origin"] == "imported"
    assert_signs(halves, listed(halves)[wallet])


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_another_key_for_a_half_imported_wallet_is_refused_and_the_first_can_be_finished(
    halves: Service, key_type: str, tmp_path: Path
) -> None:
    wallet = f"imported-twice-{key_type}"
    first, second = (Imported.make(tmp_path / name, key_type) for name in ("first", "second"))
    kill_halfway(halves.data, AFTER_KEY, "import", wallet, key_type, str(first.file))
    refused = import_key(halves, wallet, key_type, second)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"imported {key_type} key" in refused.stderr
    assert wallet not in listed(halves)
    assert import_key(halves, wallet, key_type, first).returncode == 0
    assert listed(halves)[wallet]["publicKey"] == first.public_key
    assert_signs(halves, listed(halves)[wallet])


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_generating_a_half_imported_wallet_is_refused_and_the_import_is_named(
    halves: Service, key_type: str, tmp_path: Path
) -> None:
    """A caller who asked for a fresh key must not be given one that may exist elsewhere."""
    wallet, imported = f"generated-over-{key_type}", Imported.make(tmp_path / "key", key_type)
    kill_halfway(halves.data, AFTER_KEY, "import", wallet, key_type, str(imported.file))
    refused = ask(halves, wallet, key_type)
    assert (refused.status, refused.json["code"]) == (409, "wallet-unfinished")
    assert f"imported {key_type} key" in refused.json["error"]
    assert wallet not in listed(halves)


def test_importing_over_a_half_generated_wallet_is_refused_and_the_generated_one_can_be_finished(
    halves: Service, tmp_path: Path
) -> None:
    imported = Imported.make(tmp_path / "key", "ed25519")
    kill_halfway(halves.data, AFTER_KEY, "generate", "import-over", "ed25519")
    refused = import_key(halves, "import-over", "ed25519", imported)
    assert refused.returncode == 1
    assert "generated ed25519 key" in refused.stderr
    assert "import-over" not in listed(halves)
    assert ask(halves, "import-over", "ed25519").status == 200
    assert listed(halves)["import-over"]["publicKey"] != imported.public_key


# ---- many at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("attempt", range(5))
def test_of_sixteen_that_make_the_same_wallet_at_once_one_succeeds(
    halves: Service, key_type: str, attempt: int
) -> None:
    wallet, start = f"raced-{key_type}-{attempt}", threading.Barrier(16)

    def race(_number: int) -> Answer:
        start.wait()
        return ask(halves, wallet, key_type)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(race, range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 15
    (made,) = (answer.json["wallet"] for answer in answers if answer.status == 200)
    assert listed(halves)[wallet] == made
    assert sealed_keys(halves.data, wallet) == 1
    assert_signs(halves, made)
