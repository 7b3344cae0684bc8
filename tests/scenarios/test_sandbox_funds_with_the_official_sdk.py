"""What the official Python SDK does beside trading, unmodified, against a running stand-in over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

# The SDK ships no type information.
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info

from support.sandbox import Sandbox, sandbox
from support.service import START_S

WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
VAULT = "0x" + "5a" * 20
NOBODY = "0x" + "77" * 20
DEFAULT = {"status": "ok", "response": {"type": "default"}}
PURR = "PURR:0xc1fb593aeffbeb02f85e0308e9956a90"
MILLION = 1_000_000


@pytest.fixture
def exchange() -> Iterator[Sandbox]:
    with sandbox("--fund", WALLET.address, "--fund", VAULT) as running:
        yield running


@pytest.fixture
def bot(exchange: Sandbox) -> Exchange:
    return Exchange(WALLET, base_url=exchange.url, timeout=START_S)


@pytest.fixture
def perps(exchange: Sandbox) -> Callable[[str], float]:
    info = Info(exchange.url, skip_ws=True, timeout=START_S)
    return lambda user: float(info.user_state(user)["marginSummary"]["accountValue"])


@pytest.fixture
def spot(exchange: Sandbox) -> Callable[[str, str], float]:
    info = Info(exchange.url, skip_ws=True, timeout=START_S)

    def total(user: str, coin: str) -> float:
        balances = info.spot_user_state(user)["balances"]
        return next(float(one["total"]) for one in balances if one["coin"] == coin)

    return total


def test_dollars_and_tokens_move_where_they_are_sent(bot: Exchange, perps: Any, spot: Any) -> None:
    assert bot.usd_transfer(12.5, NOBODY) == DEFAULT
    assert (perps(WALLET.address), perps(NOBODY)) == (MILLION - 12.5, 12.5)
    assert bot.spot_transfer(3.0, NOBODY, PURR) == DEFAULT
    assert (spot(WALLET.address, "PURR"), spot(NOBODY, "PURR")) == (MILLION - 3, 3)
    assert bot.usd_class_transfer(10, to_perp=False) == DEFAULT
    assert (perps(WALLET.address), spot(WALLET.address, "USDC")) == (MILLION - 22.5, MILLION + 10)
    assert bot.send_asset(NOBODY, "spot", "", "USDC", 1.5) == DEFAULT
    assert (perps(NOBODY), spot(WALLET.address, "USDC")) == (14, MILLION + 8.5)
    assert bot.withdraw_from_bridge(100.0, NOBODY) == DEFAULT
    assert (perps(WALLET.address), perps(NOBODY)) == (MILLION - 122.5, 14)


def test_more_than_there_is_is_refused(bot: Exchange, perps: Any) -> None:
    answers = [bot.usd_transfer(MILLION + 1, NOBODY), bot.withdraw_from_bridge(MILLION + 1, NOBODY)]
    answers += [bot.spot_transfer(1, NOBODY, "NONE:0x00"), bot.send_asset(NOBODY, "", "", "PURR", 1)]
    answers += [bot.usd_transfer(1, "nobody")]
    assert [answer["status"] for answer in answers] == ["err"] * 5
    assert perps(WALLET.address) == MILLION


def test_a_sub_account_is_made_paid_into_and_trades(bot: Exchange, exchange: Sandbox, perps: Any, spot: Any) -> None:
    made = bot.create_sub_account("second")["response"]
    assert made["type"] == "createSubAccount"
    sub = made["data"]
    assert bot.create_sub_account("second")["status"] == "err"
    assert bot.sub_account_transfer(sub, is_deposit=True, usd=5_000_000) == DEFAULT
    assert bot.sub_account_spot_transfer(sub, is_deposit=True, token=PURR, amount=2.0) == DEFAULT
    assert bot.sub_account_spot_transfer(sub, is_deposit=False, token=PURR, amount=0.5) == DEFAULT
    assert (perps(sub), spot(sub, "PURR")) == (5, 1.5)
    trader = Exchange(WALLET, base_url=exchange.url, vault_address=sub, timeout=START_S)
    placed = trader.order("ETH", is_buy=True, sz=0.1, limit_px=2900, order_type={"limit": {"tif": "Gtc"}})
    assert placed["status"] == "ok"
    info = Info(exchange.url, skip_ws=True, timeout=START_S)
    assert len(info.open_orders(sub)) == 1
    [shown] = info.query_sub_accounts(WALLET.address)
    assert (shown["name"], shown["subAccountUser"]) == ("second", sub)
    assert trader.usd_class_transfer(2, to_perp=False) == DEFAULT
    assert (perps(sub), spot(sub, "USDC")) == (3, 2)
    assert bot.sub_account_transfer(NOBODY, is_deposit=False, usd=1)["status"] == "err"


def test_a_vault_is_paid_into_and_out_of(bot: Exchange, perps: Any) -> None:
    assert bot.vault_usd_transfer(VAULT, is_deposit=True, usd=5_000_000) == DEFAULT
    assert (perps(WALLET.address), perps(VAULT)) == (MILLION - 5, MILLION + 5)
    assert bot.vault_usd_transfer(VAULT, is_deposit=False, usd=10_000_000) == DEFAULT
    assert perps(VAULT) == MILLION - 5
    assert bot.vault_usd_transfer(NOBODY, is_deposit=True, usd=1)["status"] == "err"


def test_a_builder_s_fee_is_approved(bot: Exchange, exchange: Sandbox) -> None:
    assert bot.approve_builder_fee(VAULT, "0.001%") == DEFAULT
    asked = {"type": "maxBuilderFee", "user": WALLET.address, "builder": VAULT}
    assert Info(exchange.url, skip_ws=True, timeout=START_S).post("/info", asked) == 1


def test_what_the_stand_in_has_no_use_for_is_taken_from_whoever_may_sign_it(bot: Exchange, exchange: Sandbox) -> None:
    own = WALLET.address
    calls: list[Callable[[Exchange], Any]] = [
        lambda one: one.update_isolated_margin(1.5, "ETH"),
        lambda one: one.set_referrer("ASDFASDF"),
        lambda one: one.use_big_blocks(enable=True),
        lambda one: one.agent_enable_dex_abstraction(),
        lambda one: one.agent_set_abstraction("u"),
        lambda one: one.gossip_priority_bid(0, "203.0.113.7", 1000),
        lambda one: one.token_delegate(VAULT, 100, is_undelegate=False),
        lambda one: one.convert_to_multi_sig_user([VAULT], 1),
        lambda one: one.user_dex_abstraction(own, enabled=True),
        lambda one: one.user_set_abstraction(own, "unifiedAccount"),
    ]
    for call in calls:
        assert call(bot) == DEFAULT
    signers = [entry["signer"] for entry in exchange.log()]
    assert set(signers) == {own.lower()}
    stranger = Exchange(Account.from_key("0x" + "02" * 32), base_url=exchange.url, timeout=START_S)
    assert [call(stranger)["status"] for call in calls] == ["err"] * len(calls)


def test_actions_that_are_signed_for_no_vault_reach_the_account_itself(exchange: Sandbox, perps: Any) -> None:
    """The SDK hashes no vault address with them, and posts it all the same."""
    leader = Exchange(WALLET, base_url=exchange.url, vault_address=VAULT, timeout=START_S)
    assert leader.vault_usd_transfer(VAULT, is_deposit=True, usd=1_000_000) == DEFAULT
    posted = exchange.log()[-1]
    assert (posted["posted"]["vaultAddress"], posted["signer"]) == (VAULT, WALLET.address.lower())
    assert (perps(WALLET.address), perps(VAULT)) == (MILLION - 1, MILLION + 1)


def test_an_agent_moves_no_funds_by_user_signed_actions(bot: Exchange, exchange: Sandbox, perps: Any) -> None:
    _, key = bot.approve_agent("bot")
    agent = Exchange(Account.from_key(key), base_url=exchange.url, account_address=WALLET.address, timeout=START_S)
    for answer in (agent.usd_transfer(1, NOBODY), agent.withdraw_from_bridge(1, NOBODY), agent.approve_agent("x")[0]):
        assert answer["status"] == "err"
    assert perps(WALLET.address) == MILLION
