"""Every key sealed anew: the same keys sign, the sealed keys before are gone, and a kill anywhere loses none."""

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hyperkms import _core
from hyperkms.cli.assemble import assemble
from hyperkms.cli.operator import operator
from hyperkms.config import load
from hyperkms.operations.sign import sign_message
from hyperkms.wallet import WalletId
from support import custody, databases
from support.commands import refusal, run
from support.forked import Forked
from support.killed_resealing import EACH, ONCE
from support.service import Service, environment

pytestmark = [
    custody.needs(custody.FILE, because="it is about root keys in files and the pages of SQLite"),
    databases.needs(databases.SQLITE, because="it is about root keys in files and the pages of SQLite"),
]

WALLETS = ("ed", "one", "two")
KILLED = Forked("killed_resealing")
NEW = "file:{}/new.key"


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three wallets, of which each test has a copy."""
    data = tmp_path_factory.mktemp("made") / "data"
    with Service.start(data) as service:
        for wallet in WALLETS:
            service.generate(wallet, keyType="ed25519" if wallet == "ed" else "secp256k1")
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it, which never signed."""
    return shutil.copytree(made, tmp_path / "data")


def _answer(*words: str, cwd: Path, **settings: str) -> Any:
    done = run(*words, "--json", cwd=cwd, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _signatures(data: Path, **settings: str) -> list[str]:
    """One of each wallet, over the same message: the same key makes the same one."""
    parts = assemble(load(environment(**settings), {"data": data}), create=False)
    try:
        return [sign_message(parts, operator(), WalletId(one), b"m").wait().signature for one in WALLETS]
    finally:
        parts.close()


def _sealed(data: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        found = {wallet: bytes(sealed) for wallet, sealed in database.execute("SELECT wallet, sealed FROM sealed_keys")}
        return found | {"": bytes(*database.execute("SELECT sealed FROM log_keys").fetchone())}


def _root_keys(sealed: Mapping[str, bytes]) -> set[str]:
    return {_core.inspect_sealed_key(one).root_key_id for one in sealed.values()}


def _reseal(data: Path, *words: str, **settings: str) -> Any:
    return _answer("wallet", "reseal", *words, "--data", str(data), cwd=data.parent, **settings)


def test_new_data_keys_while_a_service_signs(data: Path) -> None:
    before, content = _sealed(data), (data / "hyperkms.db").read_bytes()
    with Service.start(data) as service:
        signed = [service.post("/wallets/sign", {"walletId": one, "message": "m"}).json["signature"] for one in WALLETS]
        done = _reseal(data)
        assert done["keys"] == len(WALLETS)
        assert done["rootKeyBefore"] == done["rootKeyId"]
        again = [service.post("/wallets/sign", {"walletId": one, "message": "m"}).json["signature"] for one in WALLETS]
        assert again == signed
        service.generate("later")
    after, rewritten = _sealed(data), (data / "hyperkms.db").read_bytes()
    assert _signatures(data) == signed
    for wallet, sealed in before.items():
        ciphertext = sealed[-48:]
        assert ciphertext in content
        assert ciphertext not in rewritten, "nothing of the sealed key before is left in the file"
        assert after[wallet] != sealed
    told = run("audit", "show", "--data", str(data), cwd=data.parent).stdout.decode()
    assert "every key was sealed anew" in told
    assert run("audit", "verify", "--data", str(data), cwd=data.parent).returncode == 0


def test_another_root_key_while_the_service_is_stopped(data: Path) -> None:
    signed, new = _signatures(data), NEW.format(data.parent)
    done = _reseal(data, "--root-key", new)
    assert done["keys"] == len(WALLETS)
    assert (data.parent / "new.key").stat().st_mode & 0o777 == 0o600
    assert _root_keys(_sealed(data)) == {done["rootKeyId"]} != {done["rootKeyBefore"]}
    assert _reseal(data, "--root-key", new)["keys"] == 0, "it is done"
    told = refusal("wallet", "sign", "ed", "--message", "m", "--data", str(data), cwd=data.parent)
    assert "[wrong-root-key]" in told
    (data / "root.key").unlink()
    assert _signatures(data, HYPERKMS_ROOT_KEY=new) == signed


def test_another_root_key_while_a_service_that_knows_both_signs(data: Path) -> None:
    signed, new = _signatures(data), NEW.format(data.parent)
    assert "[service-running]" in _refused_beside_a_service(data, new)
    both = {"HYPERKMS_ROOT_KEY": new, "HYPERKMS_ROOT_KEY_BEFORE": "file:"}
    with Service.start(data, **both) as service:
        service.generate("under-new")
        assert service.post("/wallets/sign", {"walletId": "ed", "message": "m"}).json["signature"] == signed[0]
        assert _reseal(data, **both)["keys"] == len(WALLETS), "the new wallet is under the new root key already"
        again = [service.post("/wallets/sign", {"walletId": one, "message": "m"}).json["signature"] for one in WALLETS]
        assert again == signed
    (data / "root.key").unlink()
    assert len(_root_keys(_sealed(data))) == 1
    assert _signatures(data, HYPERKMS_ROOT_KEY=new) == signed


def _refused_beside_a_service(data: Path, new: str) -> str:
    with Service.start(data):
        told = refusal("wallet", "reseal", "--root-key", new, "--data", str(data), cwd=data.parent)
    (data.parent / "new.key").write_bytes(bytes(range(32)))
    (data.parent / "new.key").chmod(0o600)
    return told


def test_a_service_that_has_not_heard_of_the_new_root_key_makes_no_key_under_the_old_one(data: Path) -> None:
    new = NEW.format(data.parent)
    (data.parent / "new.key").write_bytes(bytes(range(32)))
    (data.parent / "new.key").chmod(0o600)
    with Service.start(data) as service:
        _reseal(data, HYPERKMS_ROOT_KEY=new, HYPERKMS_ROOT_KEY_BEFORE="file:")
        answer = service.post("/wallets/generate", {"walletId": "late", "keyType": "secp256k1"})
        assert (answer.status, answer.json["code"]) == (403, "root-key-left"), answer.body
    assert len(_root_keys(_sealed(data))) == 1


@pytest.mark.parametrize(("point", "number"), [(one, 1) for one in ONCE] + [(one, n) for one in EACH for n in (1, 3)])
def test_killed_anywhere_each_key_opens_and_the_same_command_goes_on(data: Path, point: str, number: int) -> None:
    signed, new = _signatures(data), NEW.format(data.parent)
    (data.parent / "new.key").write_bytes(bytes(range(32)))
    (data.parent / "new.key").chmod(0o600)
    both = {"HYPERKMS_ROOT_KEY": new, "HYPERKMS_ROOT_KEY_BEFORE": "file:"}
    died = KILLED.run(str(data), point, str(number), **both)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert _signatures(data, **both) == signed, "each opens under the one or the other"
    if point != "after-the-root-key-is-put-in-force":
        told = refusal("wallet", "sign", "ed", "--message", "m", "--data", str(data), cwd=data.parent)
        assert "[reseal-unfinished]" in told
    _reseal(data, "--root-key", new)
    (data / "root.key").unlink()
    assert _signatures(data, HYPERKMS_ROOT_KEY=new) == signed
    assert len(_root_keys(_sealed(data))) == 1
    assert run("audit", "verify", "--data", str(data), cwd=data.parent, HYPERKMS_ROOT_KEY=new).returncode == 0


@pytest.mark.parametrize(("point", "number"), [(one, 2) for one in EACH])
def test_killed_on_the_way_to_new_data_keys_it_goes_on_where_it_was(data: Path, point: str, number: int) -> None:
    signed, before = _signatures(data), _sealed(data)
    died = KILLED.run(str(data), point, str(number))
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert _signatures(data) == signed
    left = _reseal(data)["keys"]
    assert 1 <= left <= len(WALLETS) - 1, "those that were noted are not done again"
    assert _signatures(data) == signed
    assert all(sealed != before[wallet] for wallet, sealed in _sealed(data).items())
