"""ccxt's hyperliquid exchange, sync and async, signing through the real service against the sandbox."""

import asyncio
import inspect
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ccxt", reason="ccxt is in the dependency group «test»")

import ccxt

from hyperkms.client import AsyncSigningClient, SigningClient
from hyperkms.client.ccxt import RemoteHyperliquid
from hyperkms.client.ccxt.async_support import RemoteHyperliquid as AsyncRemoteHyperliquid
from support.sandbox import Sandbox, sandbox
from support.service import NOWHERE, Service
from support.signing_clients import ROOM

ETH = "ETH/USDC:USDC"
BTC = "BTC/USDC:USDC"


@pytest.fixture(scope="module")
def exchange_url() -> Iterator[Sandbox]:
    with sandbox("--allow-any") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, exchange_url: Sandbox) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("ccxt") / "data"
    with Service.start(data, HYPERKMS_TESTNET_URL=exchange_url.url, **ROOM) as running:
        yield running


class Bot:
    """Either form of the exchange, called as the synchronous one is."""

    def __init__(self, exchange: Any, runner: asyncio.Runner, stand_in: Sandbox, address: str) -> None:
        self.exchange = exchange
        self.address = address
        self.stand_in = stand_in
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            made = getattr(self.exchange, name)(*arguments, **named)
            return self._runner.run(made) if inspect.iscoroutine(made) else made

        return call

    def posts(self) -> list[Any]:
        return [entry for entry in self.stand_in.log() if entry["signer"] == self.address]


@pytest.fixture(params=["synchronous", "asynchronous"])
def bot(request: pytest.FixtureRequest, service: Service, exchange_url: Sandbox) -> Iterator[Bot]:
    wallet = f"ccxt-{uuid.uuid4()}"
    address = service.generate(wallet, keyType="secp256k1")["address"]
    with asyncio.Runner() as runner, SigningClient(service.url, service.key) as client:
        remote = AsyncSigningClient(service.url, service.key)
        config = {"walletAddress": address, "enableRateLimit": False}
        exchange: Any = (
            RemoteHyperliquid(client, wallet, config)
            if request.param == "synchronous"
            else AsyncRemoteHyperliquid(remote, wallet, config)
        )
        point_at(exchange, exchange_url.url)
        bot = Bot(exchange, runner, exchange_url, address)
        yield bot
        runner.run(remote.close())
        if request.param == "asynchronous":
            bot.close()


def point_at(exchange: Any, url: str) -> None:
    exchange.set_sandbox_mode(True)
    exchange.urls["api"] = {"public": url, "private": url}
    exchange.options["fetchMarkets"]["types"] = ["swap", "spot"]


def test_an_order_is_placed_changed_and_cancelled(bot: Bot) -> None:
    placed = bot.create_order(ETH, "limit", "buy", 0.1, 2900.5)
    assert [order["id"] for order in bot.fetch_open_orders(ETH)] == [placed["id"]]
    changed = bot.edit_order(placed["id"], ETH, "limit", "buy", 0.2, 2901)
    bot.cancel_order(changed["id"], ETH)
    assert bot.fetch_open_orders(ETH) == []
    assert [entry["posted"]["action"]["type"] for entry in bot.posts()] == ["order", "batchModify", "cancel"]


def test_what_is_posted_is_what_the_service_signed_and_numbered(bot: Bot) -> None:
    for _ in range(3):
        bot.create_order(BTC, "limit", "buy", 0.01, 58000)
    nonces = [entry["posted"]["nonce"] for entry in bot.posts()]
    assert len(set(nonces)) == 3
    assert all("builder" not in entry["posted"]["action"] for entry in bot.posts())


def test_market_orders_batches_client_ids_and_spot_are_understood(bot: Bot) -> None:
    assert bot.create_order(BTC, "market", "buy", 0.01, 60000)["filled"] == 0.01
    first, second = "0x" + "ab" * 16, "0x" + "cd" * 16
    entry = {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.02, "price": 57500}
    orders = [{**entry, "params": {"clientOrderId": cloid}} for cloid in (first, second)]
    assert len(bot.create_orders(orders)) == 2
    bot.cancel_order(None, BTC, {"clientOrderId": first})
    bot.create_order("PURR/USDC", "limit", "buy", 100, 0.19)
    bot.create_order(ETH, "limit", "buy", 0.1, 2900, {"stopLoss": {"triggerPrice": 2500}})
    types = [entry["posted"]["action"]["type"] for entry in bot.posts()]
    assert types == ["order", "order", "cancelByCloid", "order", "order"]
    assert all(entry["answer"]["body"]["status"] == "ok" for entry in bot.posts())


def test_leverage_and_scheduled_cancels_are_understood(bot: Bot) -> None:
    bot.set_leverage(5, ETH, {"marginMode": "isolated"})
    bot.cancel_all_orders_after(60_000)
    assert [entry["posted"]["action"]["type"] for entry in bot.posts()] == ["updateLeverage", "scheduleCancel"]


def test_a_vault_is_signed_and_posted_as_the_exchange_takes_it(bot: Bot) -> None:
    bot.create_order(ETH, "limit", "buy", 0.1, 2900, {"vaultAddress": "0x" + "5a" * 20})
    assert bot.posts()[-1]["posted"]["vaultAddress"] == "0x" + "5a" * 20


@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda bot: bot.withdraw("USDC", 10, "0x" + "11" * 20), "withdraw3"),
        (lambda bot: bot.transfer("USDC", 10, "spot", "swap"), "usdClassTransfer"),
        (lambda bot: bot.add_margin(ETH, 10), "updateIsolatedMargin"),
        (lambda bot: bot.create_vault("a vault", "what it is for", 100), "createVault"),
    ],
    ids=["withdraw", "transfer", "margin", "vault"],
)
def test_what_is_no_trading_action_is_refused_by_the_policy(bot: Bot, call: Any, action: str) -> None:
    with pytest.raises(ccxt.PermissionDenied, match=f"trade-only, rule 'allow': {action} is not allowed"):
        call(bot)
    assert bot.posts() == []


def test_nothing_is_asked_for_but_what_the_bot_asks(bot: Bot) -> None:
    bot.load_markets()
    bot.create_order(ETH, "limit", "buy", 0.1, 2900)
    assert [entry["posted"]["action"]["type"] for entry in bot.posts()] == ["order"]


def test_a_refusal_of_the_service_is_an_error_that_bots_for_ccxt_know(bot: Bot, service: Service) -> None:
    service.generate(f"old-{bot.address}", keyType="ed25519")
    bot.exchange._signing_wallet = f"old-{bot.address}"  # noqa: SLF001 (a wallet that cannot trade)
    with pytest.raises(ccxt.InvalidOrder, match="secp256k1") as refused:
        bot.create_order(ETH, "limit", "buy", 0.1, 2900)
    assert refused.value.__cause__.code == "wrong-key-type"


def test_a_service_that_is_away_is_a_network_error(exchange_url: Sandbox) -> None:
    exchange = RemoteHyperliquid(SigningClient(NOWHERE, "hk_x"), "w", {"walletAddress": "0x" + "11" * 20})
    point_at(exchange, exchange_url.url)
    with pytest.raises(ccxt.NetworkError, match="cannot be reached"):
        exchange.create_order(ETH, "limit", "buy", 0.1, 2900)


def test_a_wallet_of_testnet_signs_nothing_for_mainnet(bot: Bot) -> None:
    bot.exchange.options["sandboxMode"] = False
    with pytest.raises(ccxt.PermissionDenied, match="network"):
        bot.create_order(ETH, "limit", "buy", 0.1, 2900)


@pytest.mark.parametrize("kind", [RemoteHyperliquid, AsyncRemoteHyperliquid])
def test_a_private_key_in_the_configuration_is_refused_without_being_repeated(kind: Any) -> None:
    with pytest.raises(ValueError, match="take privateKey out") as refused:
        kind(None, "w", {"privateKey": "0x" + "01" * 32})
    assert "0101" not in str(refused.value)
