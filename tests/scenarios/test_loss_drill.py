"""The drill: back up, lose the machine, restore on an empty one, fence, sign."""

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperkms.hyperliquid.nonces import CLOCK_AHEAD_MS
from support import custody, databases
from support.commands import refusal, run
from support.sandbox import sandbox
from support.service import Service

pytestmark = [
    custody.needs(custody.FILE, because="it is about the backup of a directory that holds everything"),
    databases.needs(databases.SQLITE, because="it is about the backup of a directory that holds everything"),
]

NOOP = {"type": "noop"}
LIMITED = {
    "format": 1,
    "allow": ["trade-only"],
    "rules": [{"name": "a day", "max_notional": {"24h": "100000"}}],
}
ORDER = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}


@dataclass
class Lost:
    """A machine that is gone: what a person has kept of it, and what it had signed."""

    backup: Path
    root_key: Path
    admin_key: str
    nonces: list[int]
    """Those after the backup are the last ones."""
    messages: dict[str, Any]
    service: str


def _done(*words: str, cwd: Path, **settings: str) -> Any:
    done = run(*words, "--json", cwd=cwd, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _nonce(service: Service, wallet: str, action: Any = NOOP) -> int:
    answer = service.post("/hyperliquid/sign", {"walletId": wallet, "action": action})
    assert answer.status == 200, answer.body
    return int(answer.json["nonce"])


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with sandbox() as running:
        yield running.url


@pytest.fixture(scope="module")
def lost(exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """It was backed up while it signed, signed more, and was killed; then its disk was gone."""
    folder = tmp_path_factory.mktemp("lost")
    data, kept = folder / "data", folder / "kept"
    kept.mkdir()
    with Service.start(data, HYPERKMS_TESTNET_URL=exchange) as service:
        for wallet in ("bot", "limited"):
            service.generate(wallet, keyType="secp256k1")
        service.generate("bytes", keyType="ed25519")
        assert service.post("/wallets/limited/policy", {"policy": LIMITED}).status == 200
        _nonce(service, "limited", ORDER)
        nonces = [_nonce(service, "bot") for _ in range(5)]
        said = _done("backup", "--to", str(kept / "one.backup"), "--data", str(data), cwd=folder)
        assert (kept / "one.backup").stat().st_mode & 0o777 == 0o600
        signed = service.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).json
        nonces += [_nonce(service, "bot") for _ in range(5)]
        key = service.key
        service.kill()
    assert _done("audit", "verify", "--data", str(data), cwd=folder)["ok"], "a backup is an entry as any other"
    shutil.copy(data / "root.key", kept)
    shutil.rmtree(data)
    return Lost(kept / "one.backup", kept / "root.key", key, nonces, signed, said["service"])


@pytest.fixture
def restored(lost: Lost, tmp_path: Path) -> Path:
    """An empty directory with the root key file, into which the backup was put."""
    data = tmp_path / "new"
    data.mkdir(mode=0o700)
    shutil.copy(lost.root_key, data)
    said = _done("restore", str(lost.backup), "--data", str(data), cwd=tmp_path)
    assert (said["sealedKeys"], said["signs"], said["service"]) == (3, False, lost.service)
    (data / "admin.key").write_text(lost.admin_key)
    return data


def test_nothing_signs_after_a_restore_until_it_is_fenced_and_then_nonces_are_above_all_earlier_ones(
    lost: Lost, restored: Path, exchange: str
) -> None:
    words = ["recover", "fence", "--yes", "--data", str(restored)]
    with Service.start(restored, HYPERKMS_TESTNET_URL=exchange) as frozen:
        bodies: dict[str, Any] = {
            "/wallets/sign": {"walletId": "bytes", "message": "m"},
            "/wallets/sign-order": {"walletId": "bytes", "orderPayload": {"coin": "BTC"}},
            "/hyperliquid/sign": {"walletId": "bot", "action": NOOP},
            "/wallets/sign-batch": {"requests": [{"walletId": "bytes", "message": "m"}]},
            "/hyperliquid/sign-batch": {"requests": [{"walletId": "bot", "action": NOOP}]},
        }
        for path, body in bodies.items():
            for headers in ({}, {"Idempotency-Key": "again"}):
                answer = frozen.post(path, body, headers={"X-API-Key": lost.admin_key, **headers})
                assert (answer.status, answer.json["code"]) == (503, "frozen-after-restore"), (path, answer.body)
                assert "hyperkms recover fence" in answer.json["detail"]
        ready = frozen.get("/ready")
        assert (ready.status, ready.json["code"]) == (503, "frozen-after-restore")
        assert frozen.get("/wallets/bot").status == 200
        assert "[service-running]" in refusal(*words, cwd=restored.parent)
    told = refusal("wallet", "sign", "bytes", "--message", "m", "--data", str(restored), cwd=restored.parent)
    assert "[frozen-after-restore]" in told
    assert "[not-confirmed]" in refusal("recover", "fence", "--data", str(restored), cwd=restored.parent)

    fenced = _done(*words, cwd=restored.parent)
    assert fenced["nonceFloor"] > lost.nonces[-1] + CLOCK_AHEAD_MS

    with Service.start(restored, HYPERKMS_TESTNET_URL=exchange) as service:
        assert service.get("/ready").status == 200
        first = _nonce(service, "bot")
        assert first > fenced["nonceFloor"] > max(lost.nonces)
        again = service.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).json
        assert again["signature"] == lost.messages["signature"], "it is the same key"
        chosen = {"walletId": "bot", "action": NOOP, "nonce": lost.nonces[-1]}
        assert service.post("/hyperliquid/sign", chosen).json["code"] == "nonce-allocated"
        assert service.get("/mpc/status").status == 200


def test_limits_over_time_are_fully_used_after_a_fence(restored: Path, exchange: str) -> None:
    _done("recover", "fence", "--yes", "--data", str(restored), cwd=restored.parent)
    with Service.start(restored, HYPERKMS_TESTNET_URL=exchange) as service:
        answer = service.post("/hyperliquid/sign", {"walletId": "limited", "action": ORDER})
        assert (answer.status, answer.json["code"]) == (403, "policy-refused"), answer.body
        assert answer.json["left"] == "0"
        day = 24 * 3600 * 1000
        assert day - 600_000 < answer.json["retryAfterMs"] <= day
        unlimited = service.post("/hyperliquid/sign", {"walletId": "bot", "action": ORDER})
        assert unlimited.status == 200, "no limit over time is on this wallet"


def test_the_record_says_the_fence_and_verifies(restored: Path) -> None:
    _done("recover", "fence", "--yes", "--data", str(restored), cwd=restored.parent)
    assert _done("audit", "verify", "--data", str(restored), cwd=restored.parent)["ok"]
    shown = run("audit", "show", "--data", str(restored), cwd=restored.parent).stdout.decode()
    assert "FENCE after a restore of backup" in shown
    kept = (restored / "restored" / "manifest.jsonl").read_bytes().splitlines()
    assert b'"event":"backup"' in kept[-1]


def test_a_fence_is_set_once(restored: Path) -> None:
    words = ["recover", "fence", "--yes", "--data", str(restored)]
    first = _done(*words, cwd=restored.parent)
    assert _done(*words, cwd=restored.parent) == {"directory": str(restored), "fenced": False}
    later = _done(*words, "--rolled-back", cwd=restored.parent)
    assert later["nonceFloor"] > first["nonceFloor"]


def test_a_backup_has_nothing_that_is_true_for_a_moment_alone(lost: Lost, tmp_path: Path) -> None:
    with tarfile.open(lost.backup) as archive:
        assert archive.getnames() == ["manifest.jsonl", "hyperkms.db"]
        archive.extract("hyperkms.db", tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "hyperkms.db")) as copy:
        for table in ("signers", "caller_nonces", "requests", "transfers", "meters"):
            assert copy.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608 (our own names)
        assert copy.execute("SELECT count(*) FROM sealed_keys").fetchone() == (3,)
    content = lost.backup.read_bytes()
    assert lost.root_key.read_bytes() not in content
    assert lost.admin_key.encode() not in content


def test_a_backup_that_was_changed_anywhere_is_not_put_back(lost: Lost, tmp_path: Path) -> None:
    content = lost.backup.read_bytes()
    with tarfile.open(lost.backup) as archive:
        members = {member.name: (member.offset_data, member.size) for member in archive}
    for name, (start, size) in members.items():
        for place in (start, start + size // 2, start + size - 2):
            changed = bytearray(content)
            changed[place] ^= 1
            file, data = tmp_path / "changed.backup", tmp_path / "data"
            file.write_bytes(changed)
            data.mkdir(mode=0o700)
            shutil.copy(lost.root_key, data)
            told = refusal("restore", str(file), "--data", str(data), cwd=tmp_path)
            assert any(code in told for code in ("[backup-tampered]", "[database-damaged]")), (name, place, told)
            assert not (data / "hyperkms.db").exists()
            shutil.rmtree(data)


def test_a_backup_under_another_root_key_or_into_a_directory_in_use_is_refused(lost: Lost, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    words = ("restore", str(lost.backup), "--data", str(data))
    assert "[root-key-missing]" in refusal(*words, cwd=tmp_path)
    (data / "root.key").write_bytes(bytes(32))
    (data / "root.key").chmod(0o600)
    assert "[wrong-root-key]" in refusal(*words, cwd=tmp_path)
    (data / "root.key").unlink()
    shutil.copy(lost.root_key, data)
    (data / "something").touch()
    assert "[directory-not-empty]" in refusal(*words, cwd=tmp_path)
    (data / "something").unlink()
    _done(*words, cwd=tmp_path)
    assert "[directory-not-empty]" in refusal(*words, cwd=tmp_path)


def test_the_lost_record_tells_of_nonces_further_ahead_that_callers_chose(tmp_path: Path, exchange: str) -> None:
    data, ahead = tmp_path / "data", 3_600_000
    with Service.start(data, HYPERKMS_TESTNET_URL=exchange) as service:
        service.generate("bot", keyType="secp256k1")
        _done("backup", "--to", str(tmp_path / "one.backup"), "--data", str(data), cwd=tmp_path)
        chosen = {"walletId": "bot", "action": NOOP, "nonce": _nonce(service, "bot") + ahead}
        assert service.post("/hyperliquid/sign", chosen).status == 200
        key = service.key
        service.kill()
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    shutil.copy(data / "root.key", new)
    _done("restore", str(tmp_path / "one.backup"), "--data", str(new), cwd=tmp_path)
    (new / "admin.key").write_text(key)
    fence = ("recover", "fence", "--yes", "--data", str(new), "--record")
    assert "[no-record]" in refusal(*fence, str(tmp_path / "nowhere"), cwd=tmp_path)
    _done(*fence, str(data / "records"), cwd=tmp_path)
    with Service.start(new, HYPERKMS_TESTNET_URL=exchange) as service:
        assert service.post("/hyperliquid/sign", chosen).json["code"] == "nonce-reused"


def test_a_cosigner_is_not_backed_up(tmp_path: Path) -> None:
    _done("cosigner", "init", "--data", str(tmp_path / "cosigner"), cwd=tmp_path)
    words = ("backup", "--to", str(tmp_path / "one.backup"), "--data", str(tmp_path / "cosigner"))
    assert "[cosigner-not-copied]" in refusal(*words, cwd=tmp_path)
    assert not (tmp_path / "one.backup").exists()


def test_a_restore_goes_over_what_one_that_was_killed_has_left(lost: Lost, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "restored").mkdir(mode=0o700, parents=True)
    data.chmod(0o700)
    shutil.copy(lost.root_key, data)
    (data / "hyperkms.db.draft").write_bytes(b"half of it")
    (data / "restored" / "manifest.jsonl").write_bytes(b"half of it")
    assert _done("restore", str(lost.backup), "--data", str(data), cwd=tmp_path)["sealedKeys"] == 3


def test_a_directory_that_was_rolled_back_by_hand_is_fenced_too_and_what_was_unfinished_is_void(
    tmp_path: Path, exchange: str
) -> None:
    data = tmp_path / "data"
    with Service.start(data, HYPERKMS_TESTNET_URL=exchange) as service:
        service.generate("bot", keyType="secp256k1")
        shutil.copy(data / "hyperkms.db", tmp_path)
        nonces = [_nonce(service, "bot") for _ in range(3)]
    shutil.copy(tmp_path / "hyperkms.db", data)
    with closing(sqlite3.connect(data / "hyperkms.db")) as rolled_back, rolled_back:
        row = ("administrator", "k", bytes(32), "0" * 16, "reserved", "{}", nonces[0])
        names = "client, key, fingerprint, request_id, state, plan, created_at"
        rolled_back.execute(f"INSERT INTO requests ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 (our own)
    words = ("recover", "fence", "--yes", "--data", str(data))
    assert _done(*words, cwd=tmp_path)["fenced"] is False
    fenced = _done(*words, "--rolled-back", cwd=tmp_path)
    assert (fenced["fenced"], fenced["voidedRequests"]) == (True, 1)
    with Service.start(data, HYPERKMS_TESTNET_URL=exchange) as service:
        assert _nonce(service, "bot") > fenced["nonceFloor"] > max(nonces)


def test_the_administrator_gets_a_new_key_before_anything_signs(restored: Path) -> None:
    (restored / "admin.key").unlink()
    made = _done("client", "rotate", "administrator", "--data", str(restored), cwd=restored.parent)
    (restored / "admin.key").write_text(made["apiKey"])
    with Service.start(restored) as frozen:
        assert frozen.get("/wallets").json["total"] == 3
