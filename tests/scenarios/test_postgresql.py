"""A service whose state is in PostgreSQL, by the public door: one directory, one database, one instance."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms.state.postgresql_address import PostgresAddress
from support import custody, databases
from support.commands import refusal, run
from support.postgres import postgres
from support.service import Service

PASSWORD = "a-password-that-nobody-shows"  # noqa: S105 (of no one)


@pytest.fixture(autouse=True)
def _named_by_the_test() -> Iterator[None]:
    with databases.on(databases.SQLITE):
        yield


@pytest.fixture
def address(tmp_path: Path) -> PostgresAddress:
    return postgres().migrated(f"s{abs(hash(tmp_path)) % 10**12}")


def test_what_one_start_made_the_next_one_has(address: PostgresAddress, tmp_path: Path) -> None:
    setting = {"HYPERKMS_DATABASE": str(address)}
    with Service.start(tmp_path / "data", **setting) as service:
        made = service.generate("w")
        assert not (service.data / "hyperkms.db").exists()
    with Service.start(tmp_path / "data", "--workers", "2", **setting) as service:
        assert service.get("/wallets/w/public-key").json["publicKey"] == made["publicKey"]
        signed = service.post("/wallets/sign", {"walletId": "w", "message": "m"})
        assert signed.status == 200
        shown = run("status", "--data", str(service.data), "--json", cwd=tmp_path, **setting)
        assert json.loads(shown.stdout)["wallets"] == {"live": 1, "retired": 0}
        told = run("doctor", "--data", str(service.data), "--port", "0", cwd=tmp_path, **setting)
        assert b"good  postgresql: PostgreSQL" in told.stdout


def test_a_copy_of_the_directory_is_refused_while_the_service_runs(address: PostgresAddress, tmp_path: Path) -> None:
    setting = {**custody.settings_for(tmp_path / "data"), "HYPERKMS_DATABASE": str(address)}
    with Service.start(tmp_path / "data", **setting) as service:
        service.generate("w")
        shutil.copytree(service.data, tmp_path / "copy")
        told = refusal("wallet", "list", "--data", str(tmp_path / "copy"), cwd=tmp_path, **setting)
        assert "[another-instance]" in told
        assert run("wallet", "list", "--data", str(service.data), cwd=tmp_path, **setting).returncode == 0
        assert service.post("/wallets/sign", {"walletId": "w", "message": "m"}).status == 200
    assert run("wallet", "list", "--data", str(tmp_path / "copy"), cwd=tmp_path, **setting).returncode == 0


def test_a_service_that_was_killed_goes_on_at_once(address: PostgresAddress, tmp_path: Path) -> None:
    setting = {"HYPERKMS_DATABASE": str(address)}
    with Service.start(tmp_path / "data", **setting) as service:
        service.generate("w")
        service.kill()
    with Service.start(tmp_path / "data", **setting) as service:
        assert service.post("/wallets/sign", {"walletId": "w", "message": "m"}).status == 200


def test_a_directory_and_a_database_belong_together(address: PostgresAddress, tmp_path: Path) -> None:
    setting = {"HYPERKMS_DATABASE": str(address)}
    with Service.start(tmp_path / "data", **setting):
        pass
    with Service.start(tmp_path / "other"):
        pass
    listed = ("wallet", "list", "--data")
    assert "[wrong-database]" in refusal(*listed, str(tmp_path / "data"), cwd=tmp_path)
    assert "[wrong-database]" in refusal(*listed, str(tmp_path / "other"), cwd=tmp_path, **setting)
    new = ("wallet", "generate", "w", "--data", str(tmp_path / "new"))
    told = run(*new, cwd=tmp_path, **setting)
    assert (told.returncode, b"[wrong-database]" in told.stderr) == (1, True)
    another = postgres().migrated(address.name + "b")
    told = run(*listed, str(tmp_path / "data"), cwd=tmp_path, HYPERKMS_DATABASE=str(another))
    assert (told.returncode, b"[wrong-database]" in told.stderr) == (1, True)


def test_an_operator_migrates_an_empty_database(tmp_path: Path) -> None:
    empty = postgres().empty(f"e{abs(hash(tmp_path)) % 10**12}")
    setting = {"HYPERKMS_DATABASE": str(empty)}
    told = run("wallet", "generate", "w", "--data", str(tmp_path / "data"), cwd=tmp_path, **setting)
    assert b"run `hyperkms migrate`" in told.stderr
    done = run("migrate", "--data", str(tmp_path / "data"), "--json", cwd=tmp_path, **setting)
    assert json.loads(done.stdout)["before"] is None
    assert b"already" in run("migrate", "--data", str(tmp_path / "data"), cwd=tmp_path, **setting).stdout
    assert run("wallet", "generate", "w", "--data", str(tmp_path / "data"), cwd=tmp_path, **setting).returncode == 0


def test_a_sqlite_directory_can_be_migrated_by_the_command(tmp_path: Path) -> None:
    assert "[no-data-directory]" in refusal("migrate", "--data", str(tmp_path / "data"), cwd=tmp_path)
    assert run("wallet", "generate", "w", "--data", str(tmp_path / "data"), cwd=tmp_path).returncode == 0
    assert b"already" in run("migrate", "--data", str(tmp_path / "data"), cwd=tmp_path).stdout


def test_a_password_in_the_address_is_shown_nowhere(address: PostgresAddress, tmp_path: Path) -> None:
    with_password = f"postgresql://{address.user}:{PASSWORD}@127.0.0.1:{address.port}/"
    words = ("--data", str(tmp_path / "data"))
    for name in (address.name, "there-is-none", ""):
        setting = {"HYPERKMS_DATABASE": with_password + name}
        for command in (("config",), ("doctor",), ("migrate",), ("wallet", "generate", "w")):
            done = run(*command, *words, cwd=tmp_path, **setting)
            assert PASSWORD.encode() not in done.stdout + done.stderr, command
    shown = run("config", *words, cwd=tmp_path, HYPERKMS_DATABASE=with_password + address.name)
    assert b":***@127.0.0.1" in shown.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        "postgres://u@h/n",
        "postgresql://h/n",
        "postgresql://u@h",
        "postgresql://u@h:x/n",
        "postgresql://u@h/n?password=p",
        "postgresql://u@h/n?sslmode=maybe",
        "mysql:",
    ],
)
def test_an_address_that_is_none_is_refused(wrong: str, tmp_path: Path) -> None:
    assert "[malformed-setting]" in refusal("config", cwd=tmp_path, HYPERKMS_DATABASE=wrong)


def test_production_wants_proof_of_a_server_on_another_machine(tmp_path: Path) -> None:
    setting = {"HYPERKMS_ENV": "production", "HYPERKMS_DATABASE": "postgresql://u@db.internal/n"}
    assert "[database-without-tls]" in refusal("config", cwd=tmp_path, **setting)
    setting["HYPERKMS_DATABASE"] += "?sslmode=verify-full"
    assert run("config", cwd=tmp_path, **setting).returncode == 0


def test_a_key_store_of_the_other_kind_is_refused(address: PostgresAddress, tmp_path: Path) -> None:
    setting = {"HYPERKMS_DATABASE": str(address)}
    assert "[malformed-setting]" in refusal("config", cwd=tmp_path, HYPERKMS_KEY_STORE="sqlite:", **setting)
    assert "[malformed-setting]" in refusal("config", cwd=tmp_path, HYPERKMS_KEY_STORE="postgresql:")
    assert run("config", cwd=tmp_path, HYPERKMS_KEY_STORE="postgresql:", **setting).returncode == 0


def test_a_nul_which_postgresql_takes_in_no_text_is_refused_and_no_failure(
    address: PostgresAddress, tmp_path: Path
) -> None:
    with Service.start(tmp_path / "data", MPC_ENABLED="true", HYPERKMS_DATABASE=str(address)) as service:
        service.generate("w", keyType="secp256k1", metadata={"kept": "a\0b"})
        policy = {"format": 1, "allow": ["trade-only"]}
        for path, body in (
            ("/wallets/rotate", {"walletId": "w", "reason": "a\0b"}),
            ("/wallets/w/policy", {"policy": policy, "reason": "a\0b"}),
            ("/wallets/w/retire", {"reason": "a\0b"}),
            ("/clients", {"name": "a\0b"}),
            ("/clients", {"name": "c", "allow": ["trade"], "wallets": ["a\0b"]}),
            ("/mpc/replace", {"after": "a\0b"}),
        ):
            answer = service.post(path, body)
            assert (answer.status, answer.json["status"]) == (400, 400), (path, answer.body)
        assert service.get("/wallets?after=a%00b").status == 400
        assert service.get("/wallets?after=").json["wallets"][0]["metadata"] == {"kept": "a\0b"}
