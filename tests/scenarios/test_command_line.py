"""The `wallet`, `config` and `doctor` commands, beside a running service and without one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from support import custody, databases
from support.commands import refusal, run
from support.sandbox import sandbox
from support.service import Service


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service; the commands work on its data directory."""
    with Service.start(tmp_path_factory.mktemp("served") / "data") as running:
        yield running


def _json(service: Service, *words: str, stdin: str = "") -> Any:
    done = run(*words, "--data", str(service.data), "--json", cwd=service.data.parent, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return json.loads(done.stdout)


def _text(service: Service, *words: str) -> str:
    done = run(*words, "--data", str(service.data), cwd=service.data.parent)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode()


def _refused(service: Service, *words: str | bytes) -> str:
    return refusal(*words, "--data", str(service.data), cwd=service.data.parent)


# ---- wallets beside a running service --------------------------------------------------------------------


def test_a_running_service_signs_with_a_wallet_that_a_command_made(served: Service) -> None:
    made = _json(served, "wallet", "generate", "from-the-command")
    assert (made["keyType"], made["network"], made["origin"]) == ("secp256k1", "testnet", "generated")
    shown = served.get("/wallets/from-the-command/public-key").json
    assert (shown["publicKey"], shown["address"]) == (made["publicKey"], made["address"])
    signed = served.post("/hyperliquid/sign", {"walletId": "from-the-command", "action": {"type": "noop"}})
    assert (signed.status, signed.json["address"]) == (200, made["address"])


def test_a_command_signs_with_a_wallet_that_the_service_made(served: Service) -> None:
    wallet = served.generate("from-the-service", keyType="secp256k1")
    signed = _json(served, "wallet", "sign", "from-the-service", "--message", "héllo")
    signer = Account.recover_message(encode_defunct(text="héllo"), signature=signed["signature"])
    assert signer.lower() == wallet["address"]
    receipt = signed["receipt"]
    [log] = (served.data / "records").glob(f"*-{receipt['log']}-0001.jsonl")
    record = json.loads(log.read_text().splitlines()[receipt["index"]])["record"]
    assert record["client"].startswith("cli:")
    assert record["signature"] == signed["signature"]


def test_a_command_signs_what_a_pipe_holds(served: Service) -> None:
    wallet = served.generate("piped")
    signed = _json(served, "wallet", "sign", "piped", "--message", "-", stdin="from a\npipe\n")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(wallet["publicKey"][2:]))
    key.verify(bytes.fromhex(signed["signature"][2:]), b"from a\npipe\n")


def test_lists_show_the_same_with_and_without_json(served: Service) -> None:
    served.generate("listed", keyType="secp256k1")
    answered = {wallet["walletId"]: wallet for wallet in served.get("/wallets").json["wallets"]}
    listed = _json(served, "wallet", "list")
    assert {wallet["walletId"]: wallet for wallet in listed["wallets"]} == answered
    assert listed["count"] == len(answered)
    lines = _text(served, "wallet", "list").splitlines()
    assert [line.split()[0] for line in lines] == list(answered)
    assert any(answered["listed"]["address"] in line for line in lines)


def test_one_wallet_is_shown_with_and_without_json(served: Service) -> None:
    wallet = served.generate("shown", metadata={"desk": "a"})
    assert _json(served, "wallet", "show", "shown") == wallet
    shown = dict(line.split(maxsplit=1) for line in _text(served, "wallet", "show", "shown").splitlines())
    assert shown["publicKey"] == wallet["publicKey"]
    assert json.loads(shown["metadata"]) == {"desk": "a"}


def test_the_text_of_generate_and_sign_has_every_member_on_a_line(served: Service) -> None:
    made = dict(line.split(maxsplit=1) for line in _text(served, "wallet", "generate", "texts").splitlines())
    assert made.keys() >= {"walletId", "publicKey", "address", "keyType", "network", "createdAt"}
    signed = dict(
        line.split(maxsplit=1) for line in _text(served, "wallet", "sign", "texts", "--message", "m").splitlines()
    )
    assert signed["address"] == made["address"]
    assert len(signed["signature"]) == 2 + 130


def test_reading_commands_write_nothing_down(served: Service) -> None:
    before = sorted(path.name for path in served.data.rglob("*"))
    for words in (("list",), ("show", "nobody")):
        run("wallet", *words, "--data", str(served.data), cwd=served.data.parent)
    assert sorted(path.name for path in served.data.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("generate", "taken"), "wallet-exists"),
        (("generate", "../x"), "malformed-wallet-id"),
        (("show", "nobody"), "wallet-not-found"),
        (("sign", "nobody", "--message", "m"), "wallet-not-found"),
        (("sign", "taken", "--message", b"\xff"), "malformed"),
    ],
    ids=str,
)
def test_a_refusal_is_one_line_and_exit_status_1(served: Service, words: tuple[str | bytes, ...], code: str) -> None:
    served.post("/wallets/generate", {"walletId": "taken", "keyType": "secp256k1"})
    told = _refused(served, "wallet", *words)
    assert f"[{code}" in told


# ---- no data directory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("list",), ("sign", "w", "--message", "m")], ids=str)
def test_reading_commands_do_not_make_a_data_directory(tmp_path: Path, words: tuple[str, ...]) -> None:
    told = refusal("wallet", *words, "--data", str(tmp_path / "none"), cwd=tmp_path)
    assert "[no-data-directory]" in told
    assert not list(tmp_path.iterdir())


def test_looking_at_a_missing_data_directory_does_not_make_it(tmp_path: Path) -> None:
    for name in ("doctor", "config"):
        done = run(name, "--data", str(tmp_path / "none"), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_generate_makes_a_data_directory_and_says_so(tmp_path: Path) -> None:
    done = run("wallet", "generate", "first", "--data", "new/data", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert b"making a new data directory" in done.stderr
    assert json.loads(done.stdout)["walletId"] == "first"
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


# ---- config and doctor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=str)
def test_config_prints_the_api_key_only_as_set(tmp_path: Path, flags: tuple[str, ...]) -> None:
    key = "canary-4f1d9c-of-the-environment"
    done = run("config", *flags, cwd=tmp_path, API_KEY=key, PORT="4000", LOG_LEVEL="WARN")
    assert done.returncode == 0
    assert key.encode() not in done.stdout + done.stderr
    printed = done.stdout.decode()
    if flags:
        shown = {name: (str(one["value"]), one["source"]) for name, one in json.loads(printed).items()}
    else:
        shown = {name: (value, source) for name, value, source in map(str.split, printed.splitlines())}
    assert shown["API_KEY"] == ("(set)", "environment")
    assert shown["PORT"] == ("4000", "environment")
    assert shown["LOG_LEVEL"] == ("warning", "environment")
    assert shown["HYPERKMS_GRACE_DAYS"] == ("30.0", "default")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("HYPERKMS_ENV", "staging"),
        ("HYPERKMS_TESTNET_URL", "http://["),
    ],
)
def test_a_malformed_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    told = refusal("config", cwd=tmp_path, **{name: value})
    assert name in told
    assert "[malformed-setting]" in told


def test_a_file_of_settings_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings").write_bytes(b"\xff\xfe")
    assert "[malformed-setting]" in refusal("config", "--env-file", "settings", cwd=tmp_path)
    assert "[malformed-setting]" in refusal("config", "--env-file", "absent", cwd=tmp_path)


def test_the_environment_wins_over_the_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=4001\nLOG_LEVEL=debug\nAPI_KEY=${PORT}-canary\n")
    shown = json.loads(run("config", "--json", cwd=tmp_path, PORT="4002").stdout)
    assert shown["PORT"] == {"value": 4002, "source": "environment"}
    assert shown["LOG_LEVEL"] == {"value": "debug", "source": ".env"}
    assert shown["API_KEY"] == {"value": "(set)", "source": ".env"}


def test_config_says_where_data_and_mode_come_from(tmp_path: Path) -> None:
    done = run("config", "--data", "d", "--json", cwd=tmp_path, HYPERKMS_ENV="", NODE_ENV="test")
    shown = json.loads(done.stdout)
    assert shown["HYPERKMS_DATA"] == {"value": "d", "source": "flag"}
    assert shown["HYPERKMS_ENV"] == {"value": "development", "source": "NODE_ENV"}


def test_doctor_finds_nothing_bad_in_a_data_directory_as_it_is_made(served: Service) -> None:
    findings = _json(served, "doctor")
    assert {finding["what"] for finding in findings} >= {"memory", "core files", "permissions", "disk", "mode"}
    assert all(finding["verdict"] in ("good", "note") for finding in findings), findings
    text = _text(served, "doctor")
    assert all(f"{finding['verdict']:5} {finding['what']}: " in text for finding in findings)


@custody.needs(custody.FILE, because="it is about the root key file")
def test_doctor_ends_with_1_when_others_can_read_a_key(tmp_path: Path) -> None:
    run("wallet", "generate", "w", "--data", "data", cwd=tmp_path)
    (tmp_path / "data" / "root.key").chmod(0o644)
    done = run("doctor", "--data", "data", "--json", cwd=tmp_path)
    bad = [finding for finding in json.loads(done.stdout) if finding["verdict"] == "bad"]
    assert done.returncode == 1
    assert any("root.key" in finding["words"] for finding in bad)


def _break_nothing_but_the_mode(_data: Path) -> dict[str, str]:
    return {"HYPERKMS_ENV": "production"}


def _remove_the_root_key(data: Path) -> dict[str, str]:
    (data / "root.key").unlink()
    return {}


def _shorten_the_nonces(data: Path) -> dict[str, str]:
    (data / "nonces").write_bytes(bytes(5))
    return {}


def _scribble_over_the_database(data: Path) -> dict[str, str]:
    if databases.kind() == databases.POSTGRESQL:
        databases.rows(data, "DROP TABLE facts")
    else:
        (data / "hyperkms.db").write_bytes(b"x" * 10_000)
    return {}


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_break_nothing_but_the_mode, "wrong-mode"),
        pytest.param(
            _remove_the_root_key,
            "root-key-missing",
            marks=custody.needs(custody.FILE, because="it is about the root key file"),
        ),
        (_shorten_the_nonces, "counter-file-unavailable"),
        (_scribble_over_the_database, "database-damaged"),
    ],
)
def test_doctor_finds_a_data_directory_that_no_service_would_start_on(
    tmp_path: Path, damage: Callable[[Path], dict[str, str]], code: str
) -> None:
    run("wallet", "generate", "w", "--data", "data", cwd=tmp_path)
    done = run("doctor", "--data", "data", cwd=tmp_path, **damage(tmp_path / "data"))
    assert done.returncode == 1
    assert f"[{code}]" in done.stdout.decode()


def test_a_sandbox_on_a_port_that_is_taken_says_so_in_one_line(tmp_path: Path) -> None:
    with sandbox() as exchange:
        port = exchange.url.rpartition(":")[2]
        assert "[address-unavailable]" in refusal("sandbox", "--port", port, cwd=tmp_path)


def test_a_sandbox_is_told_of_an_account_that_is_no_address(tmp_path: Path) -> None:
    assert "--fund" in refusal("sandbox", "--port", "0", "--fund", "bob", cwd=tmp_path)


def test_a_wallet_that_cannot_be_made_makes_no_data_directory(tmp_path: Path) -> None:
    told = refusal("wallet", "generate", "w", "--data", "data", cwd=tmp_path, HYPERKMS_NETWORK="")
    assert "[network-required]" in told
    assert not (tmp_path / "data").exists()
