"""`hyperkms client`, on a data directory and on a running service."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.commands import refusal, run
from support.service import Service


class Desk:
    """The commands, on the service's directory or asking it."""

    def __init__(self, service: Service, where: str) -> None:
        self._folder = service.data.parent
        at_service = {"HYPERKMS_URL": service.url, "HYPERKMS_API_KEY": service.key}
        self._flags = ["--data", str(service.data)] if where == "data" else []
        self._settings = {} if where == "data" else at_service

    def run(self, *words: str) -> "tuple[str, str]":
        done = run("client", *words, *self._flags, cwd=self._folder, **self._settings)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode(), done.stderr.decode()

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json")[0])

    def refusal(self, *words: str) -> str:
        return refusal("client", *words, *self._flags, cwd=self._folder, **self._settings)


@pytest.fixture(params=["data", "url"])
def desk(request: pytest.FixtureRequest, service: Service) -> Desk:
    return Desk(service, request.param)


def _header(lines: str) -> dict[str, str]:
    env = dict(line.split("=", 1) for line in lines.splitlines())
    assert list(env) == ["HYPERKMS_URL", "HYPERKMS_API_KEY"]
    return {"X-API-Key": env["HYPERKMS_API_KEY"]}


def test_a_bot_is_made_in_one_line_and_its_env_is_printed(service: Service, desk: Desk) -> None:
    service.generate("w7", keyType="secp256k1")
    printed, told = desk.run("create", "bot-07", "--wallet", "w7", "--allow", "trade", "--expires", "90d")
    bot = _header(printed)
    assert bot["X-API-Key"] not in told
    signed = service.post("/hyperliquid/sign", {"walletId": "w7", "action": {"type": "noop"}}, headers=bot)
    assert signed.status == 200
    assert service.post("/wallets/sign", {"walletId": "w7", "message": "x"}, headers=bot).status == 403
    shown = desk.json("show", "bot-07")
    assert (shown["wallets"], shown["may"], shown["state"]) == (["w7"], ["read", "sign-order", "trade"], "active")
    assert "bot-07" in desk.run("list")[0]


def test_a_running_service_learns_of_a_rotation_and_of_a_revocation(service: Service, desk: Desk) -> None:
    first = _header(desk.run("create", "bot", "--allow", "read")[0])
    second = _header(desk.run("rotate", "bot", "--overlap", "24h")[0])
    third = _header(desk.run("rotate", "bot", "--overlap", "0")[0])
    statuses = [service.get("/wallets", headers=key).status for key in (first, second, third)]
    assert statuses == [401, 401, 200]
    assert desk.json("revoke", "bot")["state"] == "revoked"
    assert service.get("/wallets", headers=third).status == 401


def test_a_second_administrator_is_made_by_command(service: Service, desk: Desk) -> None:
    issued = desk.json("create", "alex", "--role", "administrator")
    assert service.get("/clients", headers={"X-API-Key": issued["apiKey"]}).status == 200
    assert {client["name"] for client in desk.json("list")["clients"]} == {"administrator", "alex"}


def test_refusals_read_the_same_in_both_places(desk: Desk) -> None:
    assert desk.refusal("revoke", "administrator").endswith("[last-administrator]\n")
    assert desk.refusal("show", "nobody").endswith("[client-not-found]\n")
    assert desk.refusal("create", "legacy").endswith("[malformed-client-name]\n")
    desk.run("create", "bot")
    assert desk.refusal("create", "bot").endswith("[client-exists]\n")


def test_a_wrong_key_and_a_service_that_is_away_are_told(service: Service, tmp_path: Path) -> None:
    at_service = {"HYPERKMS_URL": service.url, "HYPERKMS_API_KEY": "wrong"}
    assert refusal("client", "list", cwd=tmp_path, **at_service).endswith("[invalid-api-key]\n")
    service.stop()
    away = refusal("client", "list", cwd=tmp_path, **at_service)
    assert away.endswith("[service-unreachable]\n")
    assert "wrong" not in away


def test_it_is_never_guessed_which_of_two_is_meant(tmp_path: Path) -> None:
    both = {"HYPERKMS_URL": "http://127.0.0.1:9", "HYPERKMS_DATA": str(tmp_path), "HYPERKMS_API_KEY": "k"}
    refusal("client", "list", cwd=tmp_path, **both)
    refusal("client", "list", "--url", "http://127.0.0.1:9", "--data", "x", cwd=tmp_path, HYPERKMS_API_KEY="k")


@pytest.mark.parametrize("in_file", ["HYPERKMS_URL", "HYPERKMS_DATA"])
def test_the_conflict_of_two_places_did_not_say_where_each_was_set(tmp_path: Path, in_file: str) -> None:
    both = {"HYPERKMS_URL": "http://127.0.0.1:9", "HYPERKMS_DATA": str(tmp_path)}
    in_environment = next(name for name in both if name != in_file)
    for name, flags in ((".env", []), ("bot.env", ["--env-file", "bot.env"])):
        (tmp_path / name).write_text(f"{in_file}={both[in_file]}\n")
        told = refusal("client", "list", *flags, cwd=tmp_path, **{in_environment: both[in_environment]})
        assert f"{in_file} (from: {name})" in told
        assert f"{in_environment} (from: environment)" in told


ADDRESSES: dict[str, tuple[list[str], dict[str, str], str, str]] = {
    "the setting of its URL": ([], {"HYPERKMS_URL": "https://kms.desk:4321/"}, "https://kms.desk:4321", ""),
    "the setting of its port": ([], {"PORT": "4321"}, "http://127.0.0.1:4321", ""),
    "a Unix socket": ([], {"HYPERKMS_UDS": "/run/kms.sock"}, "unix:/run/kms.sock", ""),
    "what is said": (["--service-url", "unix:/kms.sock"], {"HYPERKMS_URL": "http://127.0.0.1:1"}, "unix:/kms.sock", ""),
    "nothing": ([], {}, "http://127.0.0.1:3000", "3000, the default"),
    "a port of its own choice": ([], {"PORT": "0"}, "http://127.0.0.1:0", "PORT is 0"),
}


@pytest.mark.parametrize("named_by", ADDRESSES)
def test_the_lines_for_a_bot_named_port_3000_whatever_port_the_service_had(service: Service, named_by: str) -> None:
    words, settings, url, doubt = ADDRESSES[named_by]
    folder, data = service.data.parent, ["--data", str(service.data)]
    for asked in (["create", "bot", "--allow", "trade"], ["rotate", "bot"]):
        done = run("client", *asked, *words, *data, cwd=folder, **settings)
        told = done.stderr.decode()
        assert done.stdout.decode().splitlines()[0] == f"HYPERKMS_URL={url}", told
        assert doubt in told
        assert ("default" in told or "PORT" in told) == bool(doubt)


def test_a_bot_may_reach_the_service_where_the_command_does_not(desk: Desk) -> None:
    assert desk.run("create", "bot", "--service-url", "https://kms.desk")[0].startswith(
        "HYPERKMS_URL=https://kms.desk\n"
    )
    assert desk.json("rotate", "bot", "--service-url", "https://kms.desk")["url"] == "https://kms.desk"
    assert "--service-url: " in desk.refusal("create", "other", "--service-url", "kms.desk:3000")
    assert {client["name"] for client in desk.json("list")["clients"]} == {"administrator", "bot"}


def test_a_client_for_a_wallet_that_is_not_there_was_made_without_a_word(service: Service, desk: Desk) -> None:
    service.generate("w7")
    service.generate("old")
    assert service.post("/wallets/old/retire", {}).status == 200
    words = [word for wallet in ("w7", "w8", "old") for word in ("--wallet", wallet)]
    printed, told = desk.run("create", "bot", "--allow", "read", *words, "--json")
    assert json.loads(printed)["client"]["wallets"] == ["old", "w7", "w8"]
    warnings = [line for line in told.splitlines() if line.startswith("hyperkms: warning: ")]
    assert [line.split(" wallet ")[1].split()[0] for line in warnings] == ["w8", "old"]


def test_a_client_that_may_do_nothing_was_made_without_a_word(desk: Desk) -> None:
    printed, told = desk.run("create", "bot", "--json")
    assert json.loads(printed)["client"]["may"] == []
    assert "hyperkms: warning: without --allow " in told
    for role in ("administrator", "legacy"):
        assert "--allow" not in desk.run("create", f"the-{role}", "--role", role)[1]


def test_spans_are_written_as_one_says_them(tmp_path: Path) -> None:
    for words in (["--expires", "90"], ["--expires", "12h"], ["--expires", "-1d"]):
        done = run("client", "create", "x", *words, "--data", str(tmp_path), cwd=tmp_path)
        assert done.returncode == 2


def test_a_grant_to_trade_with_a_wallet_that_signs_messages_alone_is_warned_of(tmp_path: Path) -> None:
    made = run("wallet", "generate", "e", "--key-type", "ed25519", "--data", "d", cwd=tmp_path)
    assert made.returncode == 0
    for words in (("create", "b"), ("grant", "b")):
        told = run("client", *words, "--wallet", "e", "--allow", "trade", "--data", "d", cwd=tmp_path)
        assert "warning: wallet e has an ed25519 key and signs messages alone" in told.stderr.decode()
