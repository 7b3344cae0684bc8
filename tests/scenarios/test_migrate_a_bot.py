"""docs/migrate-a-bot.md: every block of code in it is run, against the real service and the sandbox."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

from hyperliquid.exchange import Exchange

from support.sandbox import Sandbox, sandbox
from support.service import START_S, Service
from support.signing_clients import ROOM

PROJECT = Path(__file__).resolve().parents[2]
BLOCKS = dict(
    re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", (PROJECT / "docs" / "migrate-a-bot.md").read_text(), re.DOTALL)
)
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH")
CCXT_ORDER = """
exchange.urls["api"] = {"public": os.environ["EXCHANGE_URL"], "private": os.environ["EXCHANGE_URL"]}
exchange.options.update({"fetchMarkets": {"types": ["swap"]}, "builderFee": False, "refSet": True})
exchange.create_order("ETH/USDC:USDC", "limit", "buy", 0.1, 2900.5)
"""
"""What the page leaves to the bot: here it trades at the sandbox."""


@dataclass(frozen=True)
class Desk:
    """A service and an exchange at which `account` has funds and an old agent; the new one is not approved yet."""

    service: Service
    exchange: Sandbox
    folder: Path
    account: LocalAccount
    old: LocalAccount
    agent: str = ""
    key: str = ""

    def run(self, *words: str, folder: Path | None = None, typed: str = "", **settings: str) -> str:
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "HYPERKMS_URL": self.service.url,
            "HYPERKMS_API_KEY": self.key or self.service.key,
            "EXCHANGE_URL": self.exchange.url,
            "ACCOUNT": self.account.address,
            "PRIVATE_KEY": _hex_key(self.old),
            "AGENT": self.agent,
            **settings,
        }
        # In a session of its own a question finds no terminal and reads standard input.
        ended = subprocess.run(
            words,
            cwd=folder or self.folder,
            env=environment,
            input=typed,
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def python(self, block: str, *, then: str = "", typed: str = "") -> str:
        script = self.folder / block
        script.write_text(BLOCKS[block] + then)
        return self.run(sys.executable, str(script), typed=typed)

    def signer_of_the_last_post(self) -> str:
        last = self.exchange.log()[-1]
        assert last["answer"]["body"]["status"] == "ok", last
        return str(last["signer"])


def _hex_key(account: LocalAccount) -> str:
    return "0x" + bytes(account.key).hex()


def _new_account() -> LocalAccount:
    made = subprocess.run(
        ["sh", "-c", BLOCKS["account.sh"]],
        env={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    address, key = made.stdout.split()
    account: LocalAccount = Account.from_key(key)
    assert account.address == address
    return account


def _flags_of_the_sandbox(account: LocalAccount) -> list[str]:
    """What the page says, at a free port."""
    words = shlex.split(BLOCKS["sandbox.sh"].replace("$ACCOUNT", account.address).replace("3100", "0"))
    assert words[:2] == ["hyperkms", "sandbox"]
    return words[2:]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder, account = tmp_path_factory.mktemp("migrate"), _new_account()
    with (
        sandbox(*_flags_of_the_sandbox(account)) as exchange,
        Service.start(folder / "data", HYPERKMS_TESTNET_URL=exchange.url, **ROOM) as service,
    ):
        answer, old_key = Exchange(account, base_url=exchange.url, timeout=START_S).approve_agent("old")
        assert answer["status"] == "ok"
        made = Desk(service, exchange, folder, account, Account.from_key(old_key))
        wallet = json.loads(made.run("sh", "-c", BLOCKS["generate.sh"]))["wallet"]
        lines = made.run("sh", "-c", BLOCKS["client.sh"]).splitlines()
        [key] = [line.removeprefix("HYPERKMS_API_KEY=") for line in lines if line.startswith("HYPERKMS_API_KEY=")]
        yield replace(made, agent=wallet["address"], key=key)


@pytest.fixture(scope="module")
def approved(desk: Desk) -> Desk:
    shown = desk.python("approve.py", typed=_hex_key(desk.account) + "\n")
    assert "{'status': 'ok', 'response': {'type': 'default'}}" in shown
    return desk


@pytest.fixture(scope="module")
def node(desk: Desk) -> Path:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = desk.folder / "node"
    shutil.copytree(PROJECT / "tests" / "migration", folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        ["npm", "ci", "--no-progress", "--prefer-offline"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode and OFFLINE.search(installed.stderr):
        pytest.skip("npm ci reaches no registry from here")
    assert installed.returncode == 0, installed.stderr
    return folder


def test_the_sandbox_did_not_take_the_approval_and_the_step_could_not_be_tried(approved: Desk) -> None:
    [entry] = [post for post in approved.exchange.log() if post["posted"]["action"].get("agentName") == "bot-07"]
    assert entry["posted"]["action"]["agentAddress"] == approved.agent
    assert entry["signer"] == approved.account.address.lower()
    assert entry["answer"]["body"]["status"] == "ok"


def test_the_python_bot_trades_before_and_after(approved: Desk) -> None:
    assert "resting" in approved.python("before.py")
    assert approved.signer_of_the_last_post() == approved.old.address.lower()
    assert "resting" in approved.python("after.py")
    assert approved.signer_of_the_last_post() == approved.agent


def test_the_ccxt_bot_trades_before_and_after(approved: Desk) -> None:
    pytest.importorskip("ccxt", reason="ccxt is in the dependency group «test»")
    approved.python("before_ccxt.py", then=CCXT_ORDER)
    assert approved.signer_of_the_last_post() == approved.old.address.lower()
    approved.python("after_ccxt.py", then=CCXT_ORDER)
    assert approved.signer_of_the_last_post() == approved.agent


@pytest.mark.parametrize("block", ["before.mts", "after.mts"])
def test_the_typescript_bot_trades_before_and_after(approved: Desk, node: Path, block: str) -> None:
    (node / block).write_text(BLOCKS[block])
    compiler = ["--target", "es2022", "--module", "nodenext", "--strict", "--skipLibCheck", "--types", "node"]
    approved.run(str(node / "node_modules" / ".bin" / "tsc"), *compiler, block, folder=node)
    shown = approved.run("node", block.replace(".mts", ".mjs"), folder=node)
    assert "resting" in shown
    assert approved.signer_of_the_last_post() == (
        approved.old.address.lower() if block == "before.mts" else approved.agent
    )


def test_the_lockfile_names_hashes_and_no_registry() -> None:
    text = (PROJECT / "tests" / "migration" / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "registry" not in text
