"""docs/migrate-a-bot.md: every block of code in it is run, against the real service and the sandbox."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

from hyperliquid.utils.signing import recover_user_from_user_signed_action

from support.sandbox import Sandbox, sandbox
from support.scripted_server import ScriptedServer, reply
from support.service import Service
from support.signing_clients import ROOM

PROJECT = Path(__file__).resolve().parents[2]
BLOCKS = dict(
    re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", (PROJECT / "docs" / "migrate-a-bot.md").read_text(), re.DOTALL)
)
MASTER = Account.from_key("0x" + "03" * 32)
OLD_AGENT = Account.from_key("0x" + "04" * 32)
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH")
CCXT_ORDER = """
exchange.urls["api"] = {"public": os.environ["EXCHANGE_URL"], "private": os.environ["EXCHANGE_URL"]}
exchange.options.update({"fetchMarkets": {"types": ["swap"]}, "builderFee": False, "refSet": True})
exchange.create_order("ETH/USDC:USDC", "limit", "buy", 0.1, 2900.5)
"""
"""What the page leaves to the bot: here it trades at the sandbox."""


@dataclass(frozen=True)
class Desk:
    """A service and an exchange at which MASTER has an account, with the new agent and an old one."""

    service: Service
    exchange: Sandbox
    folder: Path
    agent: str = ""
    key: str = ""

    def run(self, *words: str, folder: Path | None = None, **settings: str) -> str:
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "HYPERKMS_URL": self.service.url,
            "HYPERKMS_API_KEY": self.key or self.service.key,
            "EXCHANGE_URL": self.exchange.url,
            "ACCOUNT": MASTER.address,
            **settings,
        }
        ended = subprocess.run(
            words, cwd=folder or self.folder, env=environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def python(self, block: str, *, then: str = "", **settings: str) -> str:
        script = self.folder / block
        script.write_text(BLOCKS[block] + then)
        return self.run(sys.executable, str(script), folder=None, **settings)

    def signer_of_the_last_post(self) -> str:
        last = self.exchange.log()[-1]
        assert last["answer"]["body"]["status"] == "ok", last
        return str(last["signer"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("migrate")
    with (
        sandbox("--fund", MASTER.address) as exchange,
        Service.start(folder / "data", HYPERKMS_TESTNET_URL=exchange.url, **ROOM) as service,
    ):
        made = Desk(service, exchange, folder)
        wallet = json.loads(made.run("sh", "-c", BLOCKS["generate.sh"]))["wallet"]
        for agent in (wallet["address"], OLD_AGENT.address):
            exchange.control("fund", address=agent, agentOf=MASTER.address)
        lines = made.run("sh", "-c", BLOCKS["client.sh"]).splitlines()
        [key] = [line.removeprefix("HYPERKMS_API_KEY=") for line in lines if line.startswith("HYPERKMS_API_KEY=")]
        yield Desk(service, exchange, folder, wallet["address"], key)


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


def test_the_account_approves_the_agent(desk: Desk) -> None:
    accepted = b'{"status":"ok","response":{"type":"default"}}'
    with ScriptedServer([reply(200, accepted)]) as exchange:
        # The page asks for the key at a terminal; here there is none.
        block = "import getpass, os\ngetpass.getpass = lambda _: os.environ['MASTER']\n" + BLOCKS["approve.py"]
        script = desk.folder / "approve.py"
        script.write_text(block)
        key = "0x" + MASTER.key.hex().removeprefix("0x")
        shown = desk.run(sys.executable, str(script), EXCHANGE_URL=exchange.url, AGENT=desk.agent, MASTER=key)
    assert "'status': 'ok'" in shown
    post = json.loads(exchange.requests[0].partition(b"\r\n\r\n")[2])
    assert (post["action"]["agentAddress"], post["action"]["hyperliquidChain"]) == (desk.agent, "Testnet")
    fields = [("hyperliquidChain", "string"), ("agentAddress", "address"), ("agentName", "string"), ("nonce", "uint64")]
    types = [{"name": name, "type": kind} for name, kind in fields]
    signer = recover_user_from_user_signed_action(
        post["action"], post["signature"], types, "HyperliquidTransaction:ApproveAgent", is_mainnet=False
    )
    assert signer == MASTER.address


def test_the_python_bot_trades_before_and_after(desk: Desk) -> None:
    assert "resting" in desk.python("before.py", PRIVATE_KEY="0x" + "04" * 32)
    assert desk.signer_of_the_last_post() == OLD_AGENT.address.lower()
    assert "resting" in desk.python("after.py")
    assert desk.signer_of_the_last_post() == desk.agent


def test_the_ccxt_bot_trades_before_and_after(desk: Desk) -> None:
    pytest.importorskip("ccxt", reason="ccxt is in the dependency group «test»")
    desk.python("before_ccxt.py", then=CCXT_ORDER, PRIVATE_KEY="0x" + "04" * 32)
    assert desk.signer_of_the_last_post() == OLD_AGENT.address.lower()
    desk.python("after_ccxt.py", then=CCXT_ORDER)
    assert desk.signer_of_the_last_post() == desk.agent


@pytest.mark.parametrize("block", ["before.mts", "after.mts"])
def test_the_typescript_bot_trades_before_and_after(desk: Desk, node: Path, block: str) -> None:
    (node / block).write_text(BLOCKS[block])
    compiler = ["--target", "es2022", "--module", "nodenext", "--strict", "--skipLibCheck", "--types", "node"]
    desk.run(str(node / "node_modules" / ".bin" / "tsc"), *compiler, block, folder=node)
    shown = desk.run("node", block.replace(".mts", ".mjs"), folder=node, PRIVATE_KEY="0x" + "04" * 32)
    assert "resting" in shown
    assert desk.signer_of_the_last_post() == (OLD_AGENT.address.lower() if block == "before.mts" else desk.agent)


def test_the_lockfile_names_hashes_and_no_registry() -> None:
    text = (PROJECT / "tests" / "migration" / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert "registry" not in text
