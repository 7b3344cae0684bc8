"""The drill where state is in PostgreSQL and keys are in AWS: pg_dump under load, a new database, a fence, signatures.

The commands of PostgreSQL are run as docs/recovery.md has them, word for word.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hyperkms.cli.taking_over import take_over
from hyperkms.config import load
from support import custody, databases
from support.aws import Aws
from support.commands import refusal, run
from support.instances import instances, settings_of
from support.kms_signer import signing
from support.mpc import check_message
from support.native_wallets import NATIVE, settings
from support.postgres import new_server, postgres
from support.service import Service, environment
from support.until import until

pytestmark = custody.needs(custody.FILE, because="it names the places of keys itself")

NOOP = {"type": "noop"}
FENCE = ("recover", "fence", "--yes", "--json")
DOCS = Path(__file__).parents[2] / "docs" / "recovery.md"


@pytest.fixture(scope="module", autouse=True)
def _named_by_the_test() -> Iterator[None]:
    with databases.on(databases.POSTGRESQL):
        yield


def _documented(program: str) -> str:
    """The line of the page that begins with this program."""
    [line] = [line for line in DOCS.read_text().splitlines() if line.startswith(f"{program} ")]
    return line


def _name(address: str) -> str:
    return address.rpartition("/")[2]


def _dump(address: str, folder: Path) -> None:
    postgres().operate(_documented("pg_dump"), folder, HYPERKMS_DATABASE=address)


def _put_back(lost: str, folder: Path) -> str:
    """The address of a new database with what the dump in the folder has."""
    name = f"{_name(lost)}r"
    postgres().operate(_documented("createdb").replace("hyperkms_restored", name), folder)
    restored = str(postgres().address(name))
    postgres().operate(_documented("pg_restore"), folder, HYPERKMS_DATABASE=restored)
    return restored


def _nonce(service: Service, wallet: str = "bot") -> int:
    answer = service.post("/hyperliquid/sign", {"walletId": wallet, "action": NOOP})
    assert answer.status == 200, answer.body
    return int(answer.json["nonce"])


def _said(service: Service, wallet: str, **members: object) -> Any:
    return service.post("/wallets/sign", {"walletId": wallet, "message": "m", **members})


@dataclass
class Load:
    """What was signed meanwhile."""

    nonces: list[int] = field(default_factory=list)


@contextmanager
def under_load(service: Service) -> Iterator[Load]:
    """Within this block the wallet `bot` signs without a pause: before the block begins, and to its end."""
    signed, ended = Load(), threading.Event()

    def sign() -> None:
        while not ended.is_set():
            signed.nonces.append(_nonce(service))

    thread = threading.Thread(target=sign)
    thread.start()
    try:
        until(lambda: len(signed.nonces) > 5)
        yield signed
        so_far = len(signed.nonces)
        until(lambda: len(signed.nonces) > so_far + 5)
    finally:
        ended.set()
        thread.join()


def _let_leases_end(name: str) -> None:
    """A dump has the lease of the instance that was at work."""
    held = "SELECT 1 FROM instances WHERE expires_at > extract(epoch from clock_timestamp()) * 1000"
    until(lambda: not postgres().execute(name, held))


def _assert_frozen(service: Service, *wallets: str) -> None:
    for wallet in wallets:
        answer = _said(service, wallet)
        assert (answer.status, answer.json["code"]) == (503, "frozen-after-restore"), answer.body
        assert "the database was put back, moved or promoted" in answer.json["detail"]


def _fenced(*words: str, cwd: Path, **there: str) -> Any:
    done = run(*FENCE, *words, cwd=cwd, **there)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_lost_machine_is_replaced_by_a_dump_and_an_empty_directory_with_keys_in_aws(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    lost, new = tmp_path / "data", tmp_path / "new"
    with signing(emulated_aws.url) as signer:
        at = settings(emulated_aws, signer.url, tmp_path, HYPERKMS_KEY_STORE="aws-secrets-manager:")
        before = databases.setting_for(lost)
        with Service.start(lost, **before, **at) as service:
            service.generate("bot", keyType="secp256k1")
            service.generate("native", keyType="secp256k1", **NATIVE)
            service.generate("ended", **NATIVE)
            rotated, _ = service.generate("rotated"), service.generate("gone")
            with under_load(service) as signed:
                _dump(before["HYPERKMS_DATABASE"], tmp_path)
            since = service.generate("since")
            assert service.post("/wallets/rotate", {"walletId": "rotated"}).status == 200
            newest = _said(service, "rotated").json["publicKey"]
            for wallet in ("gone", "ended"):
                assert service.post(f"/wallets/{wallet}/retire", {"destroy": True}).status == 200
            key, nonces = service.key, [*signed.nonces, *(_nonce(service) for _ in range(3))]
            service.kill()
        shutil.rmtree(lost)

        restored = _put_back(before["HYPERKMS_DATABASE"], tmp_path)
        there = {"HYPERKMS_DATABASE": restored, **at}
        words = ("--data", str(new))
        told = run("wallet", "generate", "w", *words, cwd=tmp_path, **there)
        assert told.returncode == 1
        assert b"recover fence --new-directory" in told.stderr
        assert b"[wrong-database]" in told.stderr
        assert "[no-data-directory]" in refusal(*FENCE, *words, cwd=tmp_path, **there)
        _let_leases_end(_name(restored))
        fenced = _fenced("--new-directory", *words, cwd=tmp_path, **there)
        assert fenced["nonceFloor"] > max(nonces)
        assert fenced["missingKeys"] == ["gone v1"], "the secret was destroyed after the dump"
        (new / "admin.key").write_text(key)
        with Service.start(new, **there) as service:
            assert len({*nonces, *(_nonce(service) for _ in range(5))}) == len(nonces) + 5
            assert _nonce(service) > fenced["nonceFloor"]
            check_message(_said(service, "native").json, "m")
            assert _said(service, "rotated").json["publicKey"] == rotated["publicKey"] != newest
            for wallet, refused in (("gone", (500, "sealed-key-missing")), ("ended", (503, "kms-key-disabled"))):
                answer = _said(service, wallet)
                assert (answer.status, answer.json["code"]) == refused, wallet
            assert _said(service, "since").status == 404
            assert service.generate("since")["publicKey"] == since["publicKey"], "its secret was there still"
            assert service.post("/wallets/rotate", {"walletId": "rotated"}).status == 200
            assert _said(service, "rotated").json["publicKey"] == newest, "of the version that was made since"
            assert service.post("/wallets/gone/retire", {}).status == 200
        assert run("audit", "verify", *words, cwd=tmp_path, **there).returncode == 0


def test_a_database_that_was_put_back_under_its_directory_signs_nothing_before_the_fence(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    there = databases.setting_for(data)
    lost = there["HYPERKMS_DATABASE"]
    with Service.start(data, **there) as service:
        service.generate("bot", keyType="secp256k1")
        service.generate("changed")
        with under_load(service) as signed:
            _dump(lost, tmp_path)
        assert service.post("/wallets/changed/retire", {}).status == 200
        nonces = [*signed.nonces, _nonce(service)]
    told = refusal("backup", "--to", "b", "--data", str(data), cwd=tmp_path, **there)
    assert f"`pg_dump --format=custom --no-owner --file='b' --dbname='{lost}'`" in told
    assert "[backup-elsewhere]" in told
    there["HYPERKMS_DATABASE"] = _put_back(lost, tmp_path)
    with Service.start(data, **there) as service:
        _assert_frozen(service, "bot", "changed")
        assert service.get("/ready").status == 503
    fenced = _fenced("--data", str(data), cwd=tmp_path, **there)
    assert fenced["nonceFloor"] > max(nonces)
    with Service.start(data, **there) as service:
        assert _nonce(service) > fenced["nonceFloor"]
        assert _said(service, "changed").status == 200, "the operator has accepted the rows as they stand"


def test_several_instances_that_are_all_lost_are_replaced_by_one_that_is_fenced(tmp_path: Path) -> None:
    there, new = settings_of(tmp_path), tmp_path / "data-2"
    lost = there["HYPERKMS_DATABASE"]
    with instances(tmp_path, 1) as (service,):
        service.generate("bot", keyType="secp256k1")
        with under_load(service) as signed:
            _dump(lost, tmp_path)
        key, nonces = service.key, [*signed.nonces, _nonce(service)]
        service.kill()
    there["HYPERKMS_DATABASE"] = _put_back(lost, tmp_path)
    words = ("--new-directory", "--data", str(new))
    assert "[another-instance]" in refusal(*FENCE, *words, cwd=tmp_path, **there)
    _let_leases_end(_name(there["HYPERKMS_DATABASE"]))
    with Service.start(tmp_path / "data-3", **there) as hasty:  # it cannot know what the lost one signed
        hasty.key = key
        _assert_frozen(hasty, "bot")
    alone = {**there, "HYPERKMS_INSTANCES": "one"}
    assert "[wrong-instances]" in refusal(*FENCE, *words, cwd=tmp_path, **alone)
    (new / "something").touch()
    assert "[directory-not-empty]" in refusal(*FENCE, *words, cwd=tmp_path, **there)
    (new / "something").unlink()
    take_over(load(environment(**there), {"data": new}), now=0)  # as a command that was killed after it
    signing = ("wallet", "sign", "bot", "--message", "m", "--data", str(new))
    assert "[frozen-after-restore]" in refusal(*signing, cwd=tmp_path, **there)
    shutil.rmtree(new / "records")
    for made in new.iterdir():
        made.rename(new / "database.new") if made.name == "database" else made.unlink()
    fenced = _fenced(*words, cwd=tmp_path, **there)
    with Service.start(new, **there) as service:
        service.key = key
        assert _nonce(service) > fenced["nonceFloor"] > max(nonces)


def test_a_database_that_was_moved_whole_is_accepted_as_it_stands(tmp_path: Path) -> None:
    data = tmp_path / "data"
    there = databases.setting_for(data)
    with Service.start(data, **there) as service:
        service.generate("bot", keyType="secp256k1")
    _dump(there["HYPERKMS_DATABASE"], tmp_path)
    there["HYPERKMS_DATABASE"] = _put_back(there["HYPERKMS_DATABASE"], tmp_path)
    words = ("--data", str(data))
    assert "[frozen-after-restore]" in refusal("wallet", "sign", "bot", "--message", "m", *words, cwd=tmp_path, **there)
    assert run(*FENCE, "--nothing-lost", "--rolled-back", *words, cwd=tmp_path, **there).returncode == 2
    accepted = _fenced("--nothing-lost", *words, cwd=tmp_path, **there)
    assert accepted == {"directory": str(data), "fenced": False, "accepted": True}
    assert _fenced("--nothing-lost", *words, cwd=tmp_path, **there) == {"directory": str(data), "fenced": False}
    with Service.start(data, **there) as service:
        assert _nonce(service) > 0
    told = run("audit", "tail", *words, cwd=tmp_path, **there)
    assert b"the database holds as it stands, nothing was lost: " in told.stdout


def test_what_a_fence_is_for_is_not_accepted_as_it_stands(tmp_path: Path) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    there = databases.setting_for(data)
    assert run("wallet", "generate", "bot", "--data", str(data), cwd=tmp_path, **there).returncode == 0
    take_over(load(environment(**there), {"data": new}), now=0)
    shutil.copy(data / "root.key", new)
    told = refusal(*FENCE, "--nothing-lost", "--data", str(new), cwd=tmp_path, **there)
    assert "[something-lost]" in told


@pytest.mark.parametrize("promotion", ["fence", "accept"])
def test_after_a_standby_took_over_nothing_is_signed_unless_the_setting_accepts_it(
    tmp_path: Path, promotion: str
) -> None:
    server = new_server()
    try:
        there = {"HYPERKMS_DATABASE": str(server.migrated("moved")), "HYPERKMS_DATABASE_PROMOTION": promotion}
        with Service.start(tmp_path / "data", **there) as service:
            service.generate("bot", keyType="secp256k1")
            assert _nonce(service)
            server.promote()
            if promotion == "accept":
                until(lambda: _said(service, "bot").status == 200)
                until(lambda: service.get("/ready").status == 200)
            else:
                until(lambda: "was put back, moved or promoted while" in str(service.get("/ready").json))
                refused = service.post("/wallets/generate", {"walletId": "other"})
                assert (refused.status, refused.json["code"]) == (503, "frozen-after-restore")
        with Service.start(tmp_path / "data", **there) as service:
            if promotion == "accept":
                assert _nonce(service)
            else:
                _assert_frozen(service, "bot")
    finally:
        server.remove()
