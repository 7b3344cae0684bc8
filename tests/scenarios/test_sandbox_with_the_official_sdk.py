"""The official Python SDK, unmodified, against a running stand-in over HTTP."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

import requests

# The SDK ships no type information.
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.types import Cloid

from support.service import START_S

WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "02" * 32)
READY = re.compile(r"hyperkms sandbox \(testnet\) listening on (http://127\.0\.0\.1:\d+)\n")
SERVE = (
    "import sys; from hyperkms.sandbox.server import run; "
    "run(port=0, funded=sys.argv[1:], allow_any=False, network='testnet')"
)

GTC: Any = {"limit": {"tif": "Gtc"}}


def _start() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SERVE, WALLET.address], stdout=subprocess.PIPE, text=True)


def _address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    ready = READY.fullmatch(process.stdout.readline())
    assert ready is not None
    return ready[1]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with _start() as process:
        yield _address_of(process)
        process.terminate()


@pytest.fixture
def bot(base_url: str) -> Exchange:
    return Exchange(WALLET, base_url=base_url, timeout=START_S)


@pytest.fixture
def info(base_url: str) -> Info:
    return Info(base_url, skip_ws=True, timeout=START_S)


@pytest.fixture
def cloid() -> Cloid:
    return Cloid.from_str("0x1234567890abcdef1234567890abcdef")


def _status(answer: Any) -> Any:
    assert answer["status"] == "ok"
    [status] = answer["response"]["data"]["statuses"]
    return status


def _oids(info: Info) -> list[int]:
    return [order["oid"] for order in info.open_orders(WALLET.address)]


def test_an_order_is_placed_modified_and_cancelled(bot: Exchange, info: Info) -> None:
    first = _status(bot.order("ETH", is_buy=True, sz=0.1, limit_px=2900.5, order_type=GTC))["resting"]["oid"]
    assert info.query_order_by_oid(WALLET.address, first)["order"]["status"] == "open"
    second = _status(bot.modify_order(first, "ETH", is_buy=True, sz=0.2, limit_px=2901, order_type=GTC))["resting"][
        "oid"
    ]
    assert _oids(info) == [second]
    assert _status(bot.cancel("ETH", second)) == "success"
    assert _oids(info) == []
    assert info.query_order_by_oid(WALLET.address, first)["order"]["status"] == "canceled"


def test_an_order_is_followed_by_its_client_id(bot: Exchange, info: Info, cloid: Cloid) -> None:
    bot.order("SOL", is_buy=False, sz=1, limit_px=151.25, order_type=GTC, cloid=cloid)
    assert info.query_order_by_cloid(WALLET.address, cloid)["order"]["order"]["coin"] == "SOL"
    changed = bot.modify_order(cloid, "SOL", is_buy=False, sz=2, limit_px=152, order_type=GTC, cloid=cloid)
    assert _status(changed)["resting"]["cloid"] == cloid.to_raw()
    assert _status(bot.cancel_by_cloid("SOL", cloid)) == "success"
    assert _oids(info) == []


def test_batches_take_profits_and_spot_orders_are_understood(bot: Exchange, info: Info) -> None:
    stop: Any = {"trigger": {"triggerPx": 55000.0, "isMarket": True, "tpsl": "sl"}}
    entry: Any = {"coin": "BTC", "is_buy": True, "sz": 0.01, "limit_px": 58000, "order_type": GTC}
    legs: Any = [
        {**entry, "reduce_only": False},
        {**entry, "is_buy": False, "order_type": stop, "reduce_only": True},
        {**entry, "coin": "PURR/USDC", "sz": 100, "limit_px": 0.19, "reduce_only": False},
    ]
    assert len(bot.bulk_orders(legs)["response"]["data"]["statuses"]) == 3
    shown = info.frontend_open_orders(WALLET.address)
    assert [(o["coin"], o["isTrigger"]) for o in shown] == [
        ("BTC", False),
        ("BTC", True),
        ("PURR/USDC", False),
    ]
    answer = bot.bulk_cancel([{"coin": o["coin"], "oid": o["oid"]} for o in shown])
    assert answer["response"]["data"]["statuses"] == ["success"] * 3


def test_a_market_order_opens_a_position_and_another_closes_it(bot: Exchange, info: Info) -> None:
    assert _status(bot.market_open("BTC", is_buy=True, sz=0.01))["filled"]["totalSz"] == "0.01"
    [held] = info.user_state(WALLET.address)["assetPositions"]
    assert held["position"]["szi"] == "0.01"
    assert "filled" in _status(bot.market_close("BTC"))
    assert info.user_state(WALLET.address)["assetPositions"] == []


def test_leverage_schedules_and_noops_are_understood(bot: Exchange) -> None:
    default = {"status": "ok", "response": {"type": "default"}}
    assert bot.update_leverage(5, "ETH", is_cross=False) == default
    assert bot.schedule_cancel(None) == default
    now = requests.post(f"{bot.base_url}/sandbox/clock", json={}, timeout=START_S).json()["nowMs"]
    assert bot.noop(now + 1000) == default


@pytest.mark.parametrize("name", ["bot-07", None])
def test_an_agent_that_the_sdk_approves_trades_for_the_account(bot: Exchange, info: Info, name: str | None) -> None:
    answer, key = bot.approve_agent(name)
    assert answer == {"status": "ok", "response": {"type": "default"}}
    agent = Exchange(Account.from_key(key), base_url=bot.base_url, account_address=WALLET.address, timeout=START_S)
    placed = _status(agent.order("ETH", is_buy=True, sz=0.1, limit_px=2900.5, order_type=GTC))["resting"]["oid"]
    assert _oids(info) == [placed]
    _, following = bot.approve_agent(name)
    ended = agent.cancel("ETH", placed)
    assert ended == {"status": "err", "response": f"User or API Wallet {agent.wallet.address.lower()} does not exist."}
    agent = Exchange(Account.from_key(following), base_url=bot.base_url, timeout=START_S)
    assert _status(agent.cancel("ETH", placed)) == "success"


def test_an_expiry_in_the_past_is_refused(bot: Exchange) -> None:
    bot.set_expires_after(1)
    refused = bot.order("ETH", is_buy=True, sz=0.1, limit_px=2900, order_type=GTC)
    assert refused == {"status": "err", "response": "Action already expired"}


def test_an_unknown_wallet_is_told_so(base_url: str) -> None:
    stranger = Exchange(STRANGER, base_url=base_url, timeout=START_S)
    refused = stranger.order("ETH", is_buy=True, sz=0.1, limit_px=2900, order_type=GTC)
    words = f"User or API Wallet {STRANGER.address.lower()} does not exist."
    assert refused == {"status": "err", "response": words}


def test_the_sdk_survives_a_rate_limit(bot: Exchange) -> None:
    requests.post(f"{bot.base_url}/sandbox/faults", json={"rateLimitNext": 1}, timeout=START_S)
    with pytest.raises(ClientError) as caught:
        bot.schedule_cancel(None)
    assert caught.value.status_code == 429


def test_a_lost_reply_breaks_the_connection_after_the_order_was_placed(bot: Exchange, info: Info) -> None:
    requests.post(f"{bot.base_url}/sandbox/faults", json={"loseReplyNext": 1}, timeout=START_S)
    with pytest.raises(requests.RequestException):
        bot.order("ETH", is_buy=True, sz=0.1, limit_px=2900, order_type=GTC)
    [oid] = _oids(info)
    entry = requests.get(f"{bot.base_url}/sandbox/log", timeout=START_S).json()["entries"][-1]
    assert entry["answer"]["lost"]
    assert entry["signer"] == WALLET.address.lower()
    assert _status(bot.cancel("ETH", oid)) == "success"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly_after_one_line_of_output(number: signal.Signals) -> None:
    with _start() as process:
        base_url = _address_of(process)
        with requests.Session() as kept_open:
            assert kept_open.post(f"{base_url}/info", json={"type": "meta"}, timeout=START_S).ok
            process.send_signal(number)
            rest, _ = process.communicate(timeout=START_S)
    assert process.returncode == 0
    assert rest == ""
