"""The bot in TypeScript, as its README runs it, against the real service and the sandbox."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sandbox import Sandbox, sandbox
from support.service import NOWHERE, Service
from support.signing_clients import ROOM

SOURCE = Path(__file__).resolve().parents[2] / "demo" / "typescript"
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH")
NODE = 20


def run(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if name not in {"API_KEY", "KMS_URL"}}
    return subprocess.run(
        words, cwd=folder, env={**inherited, **settings}, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("bot")
    version = run(folder, "node", "--version").stdout
    if int(version.removeprefix("v").partition(".")[0]) < NODE:
        pytest.skip(f"the bot needs Node {NODE}, and this is {version.strip()}")
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules", "build"), dirs_exist_ok=True)
    installed = run(folder, "npm", "ci", "--no-progress", "--prefer-offline")
    if installed.returncode and OFFLINE.search(installed.stderr):
        pytest.skip("npm ci reaches no registry from here")
    assert installed.returncode == 0, installed.stderr
    built = run(folder, "npm", "run", "build")
    assert built.returncode == 0, built.stdout
    return folder


@pytest.fixture(scope="module")
def exchange() -> Iterator[Sandbox]:
    with sandbox("--allow-any") as running:
        yield running


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, exchange: Sandbox) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("ts") / "data", HYPERKMS_TESTNET_URL=exchange.url, **ROOM) as running:
        yield running


def trade(bot: Path, url: str, key: str, wallet: str, exchange_url: str) -> "subprocess.CompletedProcess[str]":
    names = {"KMS_URL": url, "API_KEY": key, "WALLET_ID": wallet, "EXCHANGE_URL": exchange_url}
    return run(bot, "node", "build/main.js", **names)


def test_the_bot_makes_its_wallet_once_and_trades(bot: Path, signing: Service, exchange: Sandbox) -> None:
    first, second = (trade(bot, signing.url, signing.key, "ts-bot", exchange.url) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    address = signing.get("/wallets/ts-bot/public-key").json["address"]
    lines = first.stdout.splitlines()
    assert lines[:2] == ["bot: hyperliquid-kms: ok", f"bot: wallet ts-bot, address {address}"]
    for line, words in zip(lines[2:5], ("resting, oid", "resting, oid", "filled 2 at 15"), strict=True):
        assert words in line
    assert "the nearest the exchange accepts" in lines[5]
    assert lines[6:] == ["bot: done"]
    signers = [entry["signer"] for entry in exchange.log()]
    assert signers == [address] * 6


def test_the_bot_fails_when_the_exchange_refuses(bot: Path, signing: Service, exchange: Sandbox) -> None:
    exchange.control("faults", refuseNext=1)
    ended = trade(bot, signing.url, signing.key, "ts-refused", exchange.url)
    assert ended.returncode == 1
    assert "order buy 0.01 BTC at 58000: not accepted:" in ended.stderr


@pytest.mark.parametrize(
    ("key", "exchange_url", "words"),
    [
        ("hk_wrong", NOWHERE, "bot: the signing service answered 401: Unauthorized: Invalid API key\n"),
        ("", NOWHERE, "bot: API_KEY is not set: it is in admin.key in the data directory of the service\n"),
        (None, NOWHERE, "bot: the exchange cannot be reached: connect ECONNREFUSED 127.0.0.1:9\n"),
    ],
    ids=["wrong key", "no key", "no exchange"],
)
def test_the_bot_says_what_is_wrong_in_one_line(
    bot: Path, signing: Service, key: str | None, exchange_url: str, words: str
) -> None:
    ended = trade(bot, signing.url, signing.key if key is None else key, "ts-wrong", exchange_url)
    assert (ended.returncode, ended.stderr) == (1, words)


def test_the_bot_makes_no_wallet_while_the_service_is_away(bot: Path) -> None:
    ended = trade(bot, NOWHERE, "hk_any", "w", NOWHERE)
    assert (ended.returncode, ended.stderr) == (1, "bot: the signing service cannot be reached: ECONNREFUSED\n")


def test_the_lockfile_names_hashes_and_no_registry() -> None:
    text = (SOURCE / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "registry" not in text
    assert text.count('"integrity": "sha512-') == text.count('"node_modules/')
