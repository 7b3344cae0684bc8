"""`hyperkms identity`, and clients that sign their requests by command."""

import json
from pathlib import Path

import pytest

from hyperkms.client import Misconfigured, SigningClient, create_request_key
from support.commands import KEY, key_file, refusal, run
from support.service import Service


def _created(folder: Path, name: str = "bot.key") -> str:
    done = run("identity", "create", name, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    public = _created(tmp_path)
    path = tmp_path / "bot.key"
    assert len(bytes.fromhex(public.removeprefix("ed25519:"))) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("hyperkms-request-key-v1 ")
    assert run("identity", "show", "bot.key", cwd=tmp_path).stdout.decode().strip() == public
    shown = json.loads(run("identity", "show", "bot.key", "--json", cwd=tmp_path).stdout)
    assert shown["publicKey"] == public
    told = refusal("identity", "create", "bot.key", cwd=tmp_path)
    assert told == "hyperkms: bot.key exists and is not overwritten [file-exists]\n"
    path.chmod(0o644)
    assert refusal("identity", "show", "bot.key", cwd=tmp_path).endswith("[key-file-permissions]\n")


def test_no_command_prints_the_private_key(tmp_path: Path) -> None:
    done = run("identity", "create", "bot.key", cwd=tmp_path)
    shown = run("identity", "show", "bot.key", cwd=tmp_path)
    secret = (tmp_path / "bot.key").read_text().split()[1]
    assert secret not in (done.stdout + done.stderr + shown.stdout + shown.stderr).decode()
    told = refusal("client", "create", "bot", "--public-key", "bot.key", "--data", "d", cwd=tmp_path)
    assert told.endswith("[malformed-public-key]\n")
    assert "private key" in told
    assert secret not in told
    pasted = refusal("client", "create", "bot", "--public-key", secret, "--data", "d", cwd=tmp_path)
    assert pasted.endswith("[malformed-public-key]\n")
    assert secret not in pasted


def test_the_two_kinds_of_key_files_do_not_stand_for_each_other(service: Service, tmp_path: Path) -> None:
    _created(tmp_path)
    wallet = key_file(tmp_path / "wallet.key", KEY)
    assert refusal("identity", "show", str(wallet), cwd=tmp_path).endswith("[malformed-request-key]\n")
    words = ("wallet", "import", "w", "--key-type", "ed25519", "--key-file", "bot.key", "--data", str(service.data))
    assert refusal(*words, cwd=tmp_path).endswith("[malformed-key-file]\n")


@pytest.mark.parametrize("where", ["data", "url"])
def test_a_bot_that_signs_is_made_in_one_line(service: Service, tmp_path: Path, where: str) -> None:
    public = _created(tmp_path)
    (tmp_path / "bot.pub").write_text(public + "\n")
    at_service = {"HYPERKMS_URL": service.url, "HYPERKMS_API_KEY": service.key}
    flags = ["--data", str(service.data), "--service-url", service.url] if where == "data" else []
    settings = {} if where == "data" else at_service
    words = ("client", "create", "bot", "--allow", "read", "--public-key", "bot.pub")
    done = run(*words, *flags, cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    env = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert list(env) == ["HYPERKMS_URL", "HYPERKMS_REQUEST_KEY", "HYPERKMS_SERVICE"]
    env["HYPERKMS_REQUEST_KEY"] = str(tmp_path / "bot.key")
    with SigningClient(env["HYPERKMS_URL"], request_key=tmp_path / "bot.key", service=env["HYPERKMS_SERVICE"]) as bot:
        assert list(bot.wallets()) == []
    listed = run("wallet", "list", cwd=tmp_path, **env)
    assert (listed.returncode, listed.stderr) == (0, b"")
    taken = refusal("client", "create", "other", "--public-key", public, *flags, cwd=tmp_path, **settings)
    assert taken.endswith("[public-key-taken]\n")


def test_an_administrator_works_by_signature(service: Service, tmp_path: Path) -> None:
    public = _created(tmp_path, "me.key")
    words = ("client", "create", "me", "--role", "administrator", "--public-key", public, "--json")
    made = json.loads(run(*words, "--data", str(service.data), "--service-url", service.url, cwd=tmp_path).stdout)
    env = {
        "HYPERKMS_URL": service.url,
        "HYPERKMS_REQUEST_KEY": str(tmp_path / "me.key"),
        "HYPERKMS_SERVICE": made["service"],
    }
    assert json.loads(run("status", "--json", cwd=tmp_path, **env).stdout)["service"] == made["service"]
    assert run("wallet", "generate", "w", cwd=tmp_path, **env).returncode == 0
    (tmp_path / "action").write_text('{"type": "noop"}')
    assert run("wallet", "sign-action", "w", "--action", "action", cwd=tmp_path, **env).returncode == 0
    second = _created(tmp_path, "second.key")
    added = run("client", "add-key", "me", "--public-key", second, "--json", cwd=tmp_path, **env)
    assert [own["publicKey"] for own in json.loads(added.stdout)["identities"]] == [public, second]
    third = _created(tmp_path, "third.key")
    rotated = run("client", "rotate", "me", "--overlap", "0", "--public-key", third, cwd=tmp_path, **env)
    assert rotated.returncode == 0, rotated.stderr
    assert refusal("client", "list", cwd=tmp_path, **env).endswith("[invalid-signature]\n")
    env["HYPERKMS_REQUEST_KEY"] = str(tmp_path / "third.key")
    assert b"me " in run("client", "list", cwd=tmp_path, **env).stdout


def test_what_a_command_asks_with_is_one_key_and_whole(service: Service, tmp_path: Path) -> None:
    _created(tmp_path)
    env = {"HYPERKMS_URL": service.url, "HYPERKMS_REQUEST_KEY": str(tmp_path / "bot.key")}
    for more in (
        {"HYPERKMS_API_KEY": service.key},
        {},
        {"HYPERKMS_SERVICE": "not an id"},
        {"HYPERKMS_SERVICE": "00" * 16, "HYPERKMS_REQUEST_KEY": str(tmp_path / "missing")},
    ):
        assert refusal("wallet", "list", cwd=tmp_path, **{**env, **more}).endswith("[malformed-setting]\n"), more


def test_the_library_makes_a_key_as_the_command_does(tmp_path: Path) -> None:
    public = create_request_key(tmp_path / "bot.key")
    assert run("identity", "show", "bot.key", cwd=tmp_path).stdout.decode().strip() == public
    with pytest.raises(Misconfigured, match=r"bot\.key"):
        create_request_key(tmp_path / "bot.key")
