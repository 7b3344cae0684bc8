"""Unmodified SDK and ccxt calls beside trading, signed by the service and taken by the stand-in for the exchange.

The built-in policy allows none of them. The service runs as it does to replay published vectors, which lifts that.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")
pytest.importorskip("ccxt", reason="ccxt is in the dependency group «test»")

from eth_account import Account

from hyperkms.client import NotSignable, SigningClient
from hyperkms.client.ccxt import RemoteHyperliquid
from hyperkms.client.hyperliquid_sdk import RemoteExchange, RemoteWallet
from support.sandbox import Sandbox, sandbox
from support.service import START_S, Service
from support.signing_clients import ROOM

NOBODY = "0x" + "77" * 20
VAULT = "0x" + "5a" * 20
PURR = "PURR:0xc1fb593aeffbeb02f85e0308e9956a90"
DEFAULT = {"status": "ok", "response": {"type": "default"}}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, stand_in: Sandbox) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("beside") / "data"
    settings = {"HYPERKMS_TESTNET_URL": stand_in.url, "HYPERKMS_REPLAY_VECTORS": "1", **ROOM}
    with Service.start(data, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service, stand_in: Sandbox) -> Iterator[SigningClient]:
    with SigningClient(service.url, service.key) as one:
        stand_in.control("fund", address=one.generate("bot", key_type="secp256k1").address)
        stand_in.control("fund", address=VAULT)
        yield one


@pytest.fixture
def exchange(client: SigningClient, stand_in: Sandbox) -> RemoteExchange:
    return RemoteExchange(RemoteWallet(client, "bot"), stand_in.url, timeout=START_S)


CALLS: dict[str, Callable[[Any], Any]] = {
    "usdSend": lambda one: one.usd_transfer(12.5, NOBODY),
    "withdraw3": lambda one: one.withdraw_from_bridge(100.0, NOBODY),
    "spotSend": lambda one: one.spot_transfer(3.0, NOBODY, PURR),
    "usdClassTransfer": lambda one: one.usd_class_transfer(10, to_perp=False),
    "sendAsset": lambda one: one.send_asset(NOBODY, "spot", "", "USDC", 1.5),
    "approveBuilderFee": lambda one: one.approve_builder_fee(VAULT, "0.001%"),
    "tokenDelegate": lambda one: one.token_delegate(VAULT, 100, is_undelegate=False),
    "convertToMultiSigUser": lambda one: one.convert_to_multi_sig_user([VAULT, NOBODY], 1),
    "userDexAbstraction": lambda one: one.user_dex_abstraction(one.wallet.address, enabled=True),
    "userSetAbstraction": lambda one: one.user_set_abstraction(one.wallet.address, "unifiedAccount"),
    "updateIsolatedMargin": lambda one: one.update_isolated_margin(1.5, "ETH"),
    "setReferrer": lambda one: one.set_referrer("ASDFASDF"),
    "vaultTransfer": lambda one: one.vault_usd_transfer(VAULT, is_deposit=True, usd=5_000_000),
    "evmUserModify": lambda one: one.use_big_blocks(enable=True),
    "agentSetAbstraction": lambda one: one.agent_set_abstraction("u"),
    "gossipPriorityBid": lambda one: one.gossip_priority_bid(0, "203.0.113.7", 1000),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_the_sdk_is_signed_numbered_and_posted(
    name: str, exchange: RemoteExchange, stand_in: Sandbox
) -> None:
    assert CALLS[name](exchange) == DEFAULT
    entry = stand_in.log()[-1]
    posted = entry["posted"]
    assert (entry["signer"], posted["action"]["type"]) == (exchange.wallet.address, name)
    assert exchange.last_signed is not None
    inner = {posted["action"].get("nonce"), posted["action"].get("time")} - {None}
    assert inner <= {posted["nonce"]} == {exchange.last_signed.nonce}


@pytest.mark.parametrize("name", ["bot-07", None])
def test_an_agent_is_approved_by_a_wallet_of_the_service_and_trades(
    exchange: RemoteExchange, stand_in: Sandbox, name: str | None
) -> None:
    from hyperliquid.exchange import Exchange  # noqa: PLC0415 (the SDK's own, for the agent's key)

    answer, key = exchange.approve_agent(name)
    assert answer == DEFAULT
    assert ("agentName" in stand_in.log()[-1]["posted"]["action"]) == (name is not None)
    agent = Exchange(Account.from_key(key), base_url=stand_in.url, timeout=START_S)
    order: Any = {"limit": {"tif": "Gtc"}}
    assert agent.order("ETH", is_buy=True, sz=0.1, limit_px=2900, order_type=order)["status"] == "ok"


def test_a_sub_account_is_made_and_paid_into(exchange: RemoteExchange) -> None:
    sub = exchange.create_sub_account("second")["response"]["data"]
    assert exchange.sub_account_transfer(sub, is_deposit=True, usd=5_000_000) == DEFAULT
    assert exchange.sub_account_spot_transfer(sub, is_deposit=True, token=PURR, amount=2.0) == DEFAULT


def test_a_vault_of_the_exchange_is_posted_with_none_of_what_is_the_account_s_own(
    client: SigningClient, stand_in: Sandbox
) -> None:
    exchange = RemoteExchange(RemoteWallet(client, "bot"), stand_in.url, vault_address=VAULT, timeout=START_S)
    exchange.set_expires_after(2_000_000_000_000)
    assert exchange.usd_transfer(1, NOBODY) == DEFAULT
    posted = stand_in.log()[-1]["posted"]
    assert (posted["vaultAddress"], posted["expiresAfter"]) == (None, None)


def test_a_part_of_a_multi_sig_is_not_signed(exchange: RemoteExchange) -> None:
    with pytest.raises(NotSignable, match="a part of a multi-sig"):
        exchange.multi_sig(NOBODY, {"type": "noop"}, [], 1_780_000_000_000)


def test_calls_of_ccxt_are_signed_numbered_and_posted(client: SigningClient, stand_in: Sandbox) -> None:
    address = client.public_key("bot").address
    bot: Any = RemoteHyperliquid(client, "bot", {"walletAddress": address, "enableRateLimit": False})
    bot.set_sandbox_mode(True)
    bot.urls["api"] = {"public": stand_in.url, "private": stand_in.url}
    bot.options["fetchMarkets"]["types"] = ["swap", "spot"]
    seen = len(stand_in.log())
    bot.withdraw("USDC", 10, NOBODY)
    bot.transfer("USDC", 10, "spot", "swap")
    bot.add_margin("ETH/USDC:USDC", 10)
    entries = stand_in.log()[seen:]
    assert [entry["posted"]["action"]["type"] for entry in entries] == [
        "withdraw3",
        "usdClassTransfer",
        "updateIsolatedMargin",
    ]
    assert {entry["signer"] for entry in entries} == {address}
    assert all(entry["answer"]["body"]["status"] == "ok" for entry in entries)
