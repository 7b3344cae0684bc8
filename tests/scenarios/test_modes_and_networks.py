"""What production refuses, what a data directory stays, and which network a wallet signs for."""

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import custody, databases
from support.commands import refusal, run
from support.keep_alive import line_to
from support.service import Service

API_KEY = "0fba6b1a-65d9-4cf3-9d47-legacy-client"
NOOP = {"type": "noop"}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in production mode with API_KEY, and the wallets `bytes` and `bot`."""
    data = tmp_path_factory.mktemp("production") / "data"
    with Service.start(data, HYPERKMS_ENV="production", API_KEY=API_KEY) as running:
        running.generate("bytes")
        running.generate("bot", keyType="secp256k1")
        yield running


@pytest.fixture(scope="module")
def bound_to_nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in development without HYPERKMS_NETWORK."""
    with Service.start(tmp_path_factory.mktemp("unbound") / "data", HYPERKMS_NETWORK="") as running:
        yield running


def _serve(folder: Path, *flags: str, **settings: str) -> str:
    """The line of a service that refuses to start."""
    return refusal("serve", "--data", str(folder / "data"), "--port", "0", *flags, cwd=folder, **settings)


# ---- production ---------------------------------------------------------------------------------------


def test_the_api_key_of_production_has_the_inherited_routes(production: Service) -> None:
    with line_to(production) as line:
        line.key = API_KEY
        assert line.get("/wallets").status == 200
        assert line.get("/wallets/bytes/public-key").status == 200
        assert line.post("/wallets/generate", {"walletId": "of-the-legacy-client"}).status == 200
        assert line.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).status == 200
        assert line.post("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {}}).status == 200
        assert line.post("/mpc/wallets/sign", {}).status == 400
    assert production.get("/wallets", headers={"Authorization": f"Bearer {API_KEY}"}).status == 200


def test_the_api_key_of_production_signs_no_actions(production: Service) -> None:
    body = {"walletId": "bot", "action": NOOP}
    refused = production.post("/hyperliquid/sign", body, headers={"X-API-Key": API_KEY})
    assert (refused.status, refused.json["code"]) == (403, "scope-missing")
    assert "legacy" in refused.json["error"]
    malformed = production.post("/hyperliquid/sign", {}, headers={"X-API-Key": API_KEY})
    assert malformed.status == 403, "who may not is told nothing about the body"
    assert production.post("/hyperliquid/sign", body).status == 200, "the administrator may"


@pytest.mark.parametrize(
    ("mode", "placeholder"), [("production", "your-secure-api-key-here"), ("development", " CHANGEME ")]
)
def test_the_placeholder_of_an_example_file_is_no_key(tmp_path: Path, mode: str, placeholder: str) -> None:
    told = _serve(tmp_path, HYPERKMS_ENV=mode, API_KEY=placeholder)
    assert "[api-key-placeholder]" in told


def test_production_refuses_a_short_api_key_and_is_the_mode_unless_another_is_named(tmp_path: Path) -> None:
    told = _serve(tmp_path, HYPERKMS_ENV="", API_KEY="fifteen-letters")
    assert "[api-key-short]" in told
    assert "fifteen" not in told


def test_production_refuses_to_carry_keys_in_the_clear(tmp_path: Path) -> None:
    told = _serve(tmp_path, "--host", "0.0.0.0", HYPERKMS_ENV="production")  # noqa: S104 (it must be refused)
    assert "[bind-without-tls]" in told
    assert not (tmp_path / "data").exists()


def test_production_refuses_a_default_of_any_network(tmp_path: Path) -> None:
    told = _serve(tmp_path, HYPERKMS_ENV="production", HYPERKMS_NETWORK="any")
    assert "[any-network-in-production]" in told


def test_production_makes_no_wallet_of_any_network(production: Service) -> None:
    body = {"walletId": "any", "keyType": "secp256k1", "network": "any"}
    answer = production.post("/wallets/generate", body)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "network-required", "network")


def test_production_runs_no_cosigners_of_its_own(tmp_path: Path) -> None:
    assert "[embedded-in-production]" in _serve(tmp_path, HYPERKMS_ENV="production", MPC_ENABLED="true")


# ---- the data directory -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a data directory in development mode, with the wallet `w`."""
    folder = tmp_path_factory.mktemp("made")
    with Service.start(folder / "data") as running:
        running.generate("w")
    return folder


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of it; where the database is another place, one like it."""
    if databases.kind() == databases.SQLITE:
        shutil.copytree(request.getfixturevalue("made") / "data", tmp_path / "data")
    else:
        with Service.start(tmp_path / "data") as running:
            running.generate("w")
    return tmp_path


def _assert_it_signs(folder: Path) -> None:
    with Service.start(folder / "data") as running:
        assert running.post("/wallets/sign", {"walletId": "w", "message": "m"}).status == 200


def test_a_data_directory_stays_what_it_was_made_for(folder: Path) -> None:
    told = _serve(folder, HYPERKMS_ENV="production")
    assert "[wrong-mode]" in told
    _assert_it_signs(folder)


@custody.needs(custody.FILE, because="it is about the root key file")
def test_a_data_directory_without_its_root_key_is_refused(folder: Path) -> None:
    key = folder / "data" / "root.key"
    kept = key.read_bytes()
    key.unlink()
    assert "[root-key-missing]" in _serve(folder)
    assert not key.exists(), "a new one would open nothing"
    key.write_bytes(kept[::-1])
    key.chmod(0o600)
    assert "[wrong-root-key]" in _serve(folder)
    key.write_bytes(kept)
    _assert_it_signs(folder)


def test_a_data_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    done = run("serve", "--data", "data/", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert b"[data-directory-permissions]" in done.stderr
    assert not list((tmp_path / "data").iterdir())


def test_the_administrators_key_is_made_once_and_kept(folder: Path) -> None:
    path = folder / "data" / "admin.key"
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first.strip()) >= 32
    with Service.start(folder / "data") as running:
        assert path.read_text() == first
        assert running.get("/wallets", headers={"X-API-Key": first.strip()}).status == 200


def test_nothing_in_a_data_directory_is_open_to_others(production: Service) -> None:
    for path in (production.data, *production.data.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


# ---- networks -----------------------------------------------------------------------------------------


def test_a_trading_wallet_needs_a_network(bound_to_nothing: Service) -> None:
    answer = bound_to_nothing.post("/wallets/generate", {"walletId": "w", "keyType": "secp256k1"})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "network-required", "network")
    assert bound_to_nothing.get("/wallets").json["wallets"] == []


def test_a_wallet_of_any_network_needs_one_in_each_request(bound_to_nothing: Service) -> None:
    bound_to_nothing.generate("any", keyType="secp256k1", network="any")
    body = {"walletId": "any", "action": NOOP}
    answer = bound_to_nothing.post("/hyperliquid/sign", body)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "network-required", "network")
    digests = set()
    for network in ("mainnet", "testnet"):
        signed = bound_to_nothing.post("/hyperliquid/sign", {**body, "network": network})
        assert signed.status == 200
        digests.add(signed.json["receipt"]["digest"])
    assert len(digests) == 2


@pytest.mark.parametrize(("bound", "asked"), [("testnet", "mainnet"), ("mainnet", "testnet")])
def test_a_wallet_signs_for_no_other_network(bound_to_nothing: Service, bound: str, asked: str) -> None:
    wallet = f"bound-to-{bound}"
    bound_to_nothing.generate(wallet, keyType="secp256k1", network=bound)
    body = {"walletId": wallet, "action": NOOP}
    refused = bound_to_nothing.post("/hyperliquid/sign", {**body, "network": asked})
    assert (refused.status, refused.json["code"]) == (403, "wrong-network")
    for members in ({}, {"network": bound}):
        assert bound_to_nothing.post("/hyperliquid/sign", {**body, **members}).status == 200


def test_an_ed25519_wallet_has_no_network_and_signs_no_actions(bound_to_nothing: Service) -> None:
    body = {"walletId": "opaque", "network": "testnet"}
    refused = bound_to_nothing.post("/wallets/generate", body)
    assert (refused.status, refused.json["code"]) == (400, "network-not-used")
    bound_to_nothing.generate("opaque")
    answer = bound_to_nothing.post("/hyperliquid/sign", {**body, "action": NOOP})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "wrong-key-type", "walletId")


# ---- warnings -----------------------------------------------------------------------------------------


def _warned(service: Service) -> set[str]:
    service.stop()
    return {event["event"] for event in map(json.loads, service.lines) if event["level"] == "warning"}


@custody.needs(custody.FILE, because="it is about the root key file")
def test_production_warns_of_a_local_root_key(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_ENV="production") as service:
        assert "local-root-key" in _warned(service)


def test_development_warns_while_checks_are_lifted_for_vectors(tmp_path: Path) -> None:
    with Service.start(tmp_path / "lifted", HYPERKMS_REPLAY_VECTORS="1") as lifted:
        assert _warned(lifted) == {"replay"}
    with Service.start(tmp_path / "plain") as plain:
        assert _warned(plain) == set()


# ---- what was lost ------------------------------------------------------------------------------------


@databases.needs(databases.SQLITE, "the database is a file of the directory")
@pytest.mark.parametrize("emptied", [False, True], ids=["gone", "empty"])
def test_a_directory_whose_database_was_lost_is_not_begun_anew(tmp_path: Path, emptied: bool) -> None:  # noqa: FBT001
    with Service.start(tmp_path / "data") as service:
        service.generate("w")
    (tmp_path / "data" / "hyperkms.db").unlink()
    if emptied:
        (tmp_path / "data" / "hyperkms.db").touch()
    key = (tmp_path / "data" / "admin.key").read_text()
    assert "database-missing" in _serve(tmp_path)
    assert (tmp_path / "data" / "admin.key").read_text() == key


def test_a_service_whose_nonce_file_is_gone_is_not_ready(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        service.generate("w", keyType="secp256k1")
        (tmp_path / "data" / "nonces").unlink()
        assert service.get("/ready").status == 503
        assert service.post("/hyperliquid/sign", {"walletId": "w", "action": NOOP}).status == 503
