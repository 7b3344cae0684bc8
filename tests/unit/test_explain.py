"""Every action is explained in one plain sentence."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.actions import ACTIONS, Action, parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.wire import Numbers
from support.good_actions import GOOD
from support.random_actions import MAKERS
from support.random_user_actions import TYPES, random_user_action

A = "0x" + "ab" * 20
COINS = {0: "BTC", 1: "ETH", 10_000: "PURR/USDC"}


def _said(action: object, numbers: Numbers = Numbers.CANONICAL) -> str:
    return explain(parse_action(action, numbers), COINS.get)


def _order(**members: Any) -> dict[str, Any]:
    return {"a": 0, "b": True, "p": "65000", "s": "0.5", "r": False, "t": {"limit": {"tif": "Gtc"}}, **members}


def _orders(*orders: Any, **members: Any) -> dict[str, Any]:
    return {"type": "order", "orders": list(orders), "grouping": "na", **members}


TRIGGER = {"trigger": {"isMarket": True, "triggerPx": "60000", "tpsl": "sl"}}
B = "0x" + "cd" * 20
CLOID = "0x" + "ef" * 16
SENTENCES: list[tuple[dict[str, Any], str]] = [
    (_orders(_order(r=True)), "buy 0.5 BTC at 65000 or better, good till cancelled, reduce-only"),
    (
        _orders(_order(a=12, b=False, t={"limit": {"tif": "Ioc"}})),
        "sell 0.5 asset 12 at 65000 or better, at once or not at all",
    ),
    (
        _orders(_order(a=10_000, t={"limit": {"tif": "Alo"}})),
        "buy 0.5 PURR/USDC at 65000 or better, adding liquidity only",
    ),
    (
        _orders(_order(b=False, r=True, t=TRIGGER), grouping="positionTpsl"),
        (
            "sell 0.5 BTC at market, no worse than 65000 once the price reaches 60000 (stop-loss), reduce-only, "
            "tied to the position"
        ),
    ),
    (
        _orders(_order(b=False, s="0", r=True, t={"trigger": {**TRIGGER["trigger"], "isMarket": False, "tpsl": "tp"}})),
        "sell the whole position of BTC at a limit of 65000 once the price reaches 60000 (take-profit), reduce-only",
    ),
    (
        _orders(_order(), builder={"b": A, "f": 25}),
        f"paying builder {A} 2.5 bp: buy 0.5 BTC at 65000 or better, good till cancelled",
    ),
    (
        _orders(_order(), _order(a=1, b=False), _order(r=True), _order(), _order(t=TRIGGER), grouping={"p": 3}),
        (
            "5 orders: buy 0.5 BTC at 65000; sell 0.5 ETH at 65000; buy 0.5 BTC at 65000, reduce-only and 2 more, "
            "priority 3"
        ),
    ),
    ({"type": "cancel", "cancels": [{"a": 1, "o": 123}]}, "cancel order 123 of ETH"),
    (
        {"type": "cancel", "cancels": [{"a": 1, "o": n} for n in range(5)], "f": True},
        "cancel 5 orders: 0 of ETH, 1 of ETH, 2 of ETH and 2 more, fast",
    ),
    ({"type": "cancelByCloid", "cancels": [{"asset": 7, "cloid": CLOID}]}, f"cancel order {CLOID} of asset 7"),
    (
        {"type": "modify", "oid": 7, "order": _order()},
        "replace order 7: buy 0.5 BTC at 65000 or better, good till cancelled",
    ),
    (
        {"type": "batchModify", "modifies": [{"oid": CLOID, "order": _order()}, {"oid": 8, "order": _order(b=False)}]},
        f"replace 2 orders: {CLOID}: buy 0.5 BTC at 65000; 8: sell 0.5 BTC at 65000",
    ),
    ({"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 10}, "set leverage of ETH to 10x cross"),
    (
        {"type": "scheduleCancel", "time": 1780000000000},
        "cancel all orders at 2026-05-28T20:26:40.000Z unless told otherwise before",
    ),
    (
        {"type": "scheduleCancel", "time": 2**64 - 1},
        "cancel all orders at 18446744073709551615 ms unless told otherwise before",
    ),
    ({"type": "scheduleCancel"}, "call off the scheduled cancellation of all orders"),
    ({"type": "noop"}, "use up a nonce and do nothing else"),
    (
        {
            "type": "twapOrder",
            "twap": {"a": 1, "b": True, "s": "0.5", "r": True, "m": 30, "t": True},
            "details": {"t": {"p": "3000", "a": False}, "s": "2500"},
        },
        (
            "buy 0.5 ETH in parts over 30 minutes, at random times, beginning when the price is below 3000, "
            "ending at the price 2500, reduce-only"
        ),
    ),
    ({"type": "twapCancel", "a": 1, "t": 77}, "end the order in parts 77 of ETH"),
    (
        {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": 1500000},
        "add 1.5 USDC to the isolated margin of ETH (long)",
    ),
    (
        {"type": "updateIsolatedMargin", "asset": 1, "isBuy": False, "ntli": -1},
        "take 0.000001 USDC from the isolated margin of ETH (short)",
    ),
    (
        {"type": "topUpIsolatedOnlyMargin", "asset": 1, "leverage": "2.5"},
        "add margin to ETH until its leverage is 2.5x",
    ),
    ({"type": "createSubAccount", "name": 'a" or "b'}, 'open a sub-account named "a\\" or \\"b"'),
    ({"type": "subAccountModify", "subAccountUser": A, "name": "x\n"}, f'name sub-account {A} "x\\n"'),
    (
        {"type": "subAccountTransfer", "subAccountUser": A, "isDeposit": True, "usd": 10000000},
        f"move 10 USDC into sub-account {A}",
    ),
    (
        {
            "type": "subAccountSpotTransfer",
            "subAccountUser": A,
            "isDeposit": False,
            "token": "PURR:0xc1fb",
            "amount": "1.0",
        },
        f"move 1.0 PURR:0xc1fb out of sub-account {A}",
    ),
    (
        {"type": "createVault", "name": "\u202evault", "description": "x" * 250, "initialUsd": 100000001},
        'open a vault named "\\u202evault" and move 100.000001 USDC into it',
    ),
    ({"type": "vaultTransfer", "vaultAddress": A, "isDeposit": True, "usd": 5000000}, f"move 5 USDC into vault {A}"),
    (
        {"type": "vaultModify", "vaultAddress": A, "allowDeposits": False, "alwaysCloseOnWithdraw": None},
        f"change vault {A}: allow deposits: no",
    ),
    (
        {"type": "vaultModify", "vaultAddress": A, "allowDeposits": None, "alwaysCloseOnWithdraw": None},
        f"change vault {A}: nothing",
    ),
    ({"type": "vaultDistribute", "vaultAddress": A, "usd": 5000000}, f"pay 5 USDC of vault {A} out to its depositors"),
    (
        {
            "type": "agentSendAsset",
            "destination": A,
            "sourceDex": "",
            "destinationDex": "spot",
            "token": "USDC",
            "amount": "1",
            "fromSubAccount": "",
        },
        f"send 1 USDC from the first DEX to {A} on spot",
    ),
    (
        {"type": "borrowLend", "operation": "withdraw", "token": 0, "amount": None},
        "withdraw all of token 0 in borrow/lend",
    ),
    (
        {"type": "hip3LiquidatorTransfer", "dex": "test", "ntl": 1, "isDeposit": True},
        'move 0.000001 USDC into the liquidator of DEX "test"',
    ),
    ({"type": "claimRewards"}, "claim the account's rewards"),
    ({"type": "evmUserModify", "usingBigBlocks": True}, "use big EVM blocks"),
    ({"type": "setReferrer", "code": "C, and more"}, 'set the account\'s referrer to code "C, and more"'),
    ({"type": "registerReferrer", "code": "C"}, 'register the referral code "C"'),
    ({"type": "setDisplayName", "displayName": ""}, 'show the account under the name ""'),
    ({"type": "agentEnableDexAbstraction"}, "turn on DEX abstraction of the account"),
    ({"type": "agentSetAbstraction", "abstraction": "u"}, "set the account's abstraction to unified account"),
    ({"type": "reserveRequestWeight", "weight": 100}, "buy 100 more requests"),
    ({"type": "spotUser", "toggleSpotDusting": {"optOut": True}}, "opt out of the sale of small spot balances"),
    (
        {"type": "gossipPriorityBid", "slotId": 0, "ip": "203.0.113.7", "maxGas": 1000},
        "bid up to 1000 gas for priority in slot 0 for 203.0.113.7",
    ),
    ({"type": "validatorL1Stream", "riskFreeRate": "0.04"}, "vote for a risk-free rate of 0.04"),
    ({"type": "CSignerAction", "unjailSelf": None}, "release the own validator from jail"),
    ({"type": "spotDeploy", "registerSpot": {"tokens": [1, 0]}}, "register the spot pair of token 1 and token 0"),
    (
        {
            "type": "perpDeploy",
            "setOracle": {"dex": "test", "oraclePxs": [["test:A", "1.0"]], "markPxs": [], "externalPerpPxs": []},
        },
        'set the oracle prices of DEX "test": A 1.0',
    ),
    ({"type": "usdSend", "destination": A, "amount": "12.5"}, f"send 12.5 USDC to {A}"),
    ({"type": "withdraw3", "destination": A, "amount": "500"}, f"withdraw 500 USDC to {A} on Arbitrum"),
    ({"type": "spotSend", "destination": A, "token": "X,to-me", "amount": "1"}, f'send 1 "X,to-me" to {A}'),
    (
        {"type": "usdClassTransfer", "amount": f"50 subaccount:{A}", "toPerp": True},
        f"move 50 USDC of sub-account {A} from spot to perps",
    ),
    ({"type": "usdClassTransfer", "amount": "50", "toPerp": False}, "move 50 USDC from perps to spot"),
    (
        {
            "type": "sendAsset",
            "destination": A,
            "sourceDex": "spot",
            "destinationDex": "test",
            "token": "USDC",
            "amount": "1.5",
            "fromSubAccount": B,
        },
        f'send 1.5 USDC from spot of sub-account {B} to {A} on DEX "test"',
    ),
    (
        {**{k: v for k, v in GOOD["sendToEvmWithData"].items() if k != "nonce"}, "destinationRecipient": A},
        f"send 1.5 USDC from the first DEX to {A} on chain 42161 with 1 bytes of data, gas limit 200000",
    ),
    (
        {"type": "tokenDelegate", "validator": A, "wei": 150000000, "isUndelegate": False},
        f"delegate 1.5 HYPE to validator {A}",
    ),
    (
        {"type": "tokenDelegate", "validator": A, "wei": 1, "isUndelegate": True},
        f"take 0.00000001 HYPE back from validator {A}",
    ),
    ({"type": "cDeposit", "wei": 100000000}, "move 1 HYPE from spot to staking"),
    ({"type": "cWithdraw", "wei": 100000000}, "move 1 HYPE from staking to spot"),
    (
        {"type": "approveAgent", "agentAddress": A, "agentName": "bot valid_until 1790000000000"},
        f'let {A} sign for this account as the agent named "bot" until 2026-09-21T14:13:20.000Z',
    ),
    ({"type": "approveAgent", "agentAddress": A}, f"let {A} sign for this account as the agent without a name"),
    ({"type": "approveAgent", "agentAddress": "0x" + "0" * 40, "agentName": "bot"}, 'end the agent named "bot"'),
    (
        {"type": "approveBuilderFee", "builder": A, "maxFeeRate": "0.1%"},
        f"let builder {A} take up to 0.1% of each order",
    ),
    (
        {"type": "convertToMultiSigUser", "signers": json.dumps({"authorizedUsers": [A, B], "threshold": 2})},
        f"make this account one that 2 of 2 must sign for: {A}, {B}",
    ),
    ({"type": "convertToMultiSigUser", "signers": "null"}, "make this multi-sig account an ordinary one again"),
    ({"type": "userDexAbstraction", "user": A, "enabled": True}, f"turn on DEX abstraction of {A}"),
    ({"type": "userPortfolioMargin", "user": A, "enabled": False}, f"turn off portfolio margin of {A}"),
    ({"type": "userSetAbstraction", "user": A, "abstraction": "disabled"}, f"set the abstraction of {A} to disabled"),
    (
        {"type": "linkStakingUser", "user": A, "isFinalize": True},
        f"confirm the link of the stakes of this account and {A}",
    ),
    (
        {"type": "stakingLinkDisableTradingUser", "tradingUser": A},
        f"disable the trading user {A} linked to this staking account",
    ),
]


@pytest.mark.parametrize(("action", "sentence"), SENTENCES, ids=[case[0]["type"] for case in SENTENCES])
def test_an_action_is_explained_in_one_sentence(action: dict[str, Any], sentence: str) -> None:
    assert _said(action) == sentence


def test_every_type_has_a_sentence_above() -> None:
    assert {action["type"] for action, _ in SENTENCES} == set(ACTIONS)


def _is_plain(sentence: str) -> bool:
    return 0 < len(sentence) <= 300 and sentence.isprintable() and sentence.isascii()


def test_random_actions_of_every_type_are_explained_in_one_short_line() -> None:
    dice = random.Random(7)  # noqa: S311 (test data that can be made again)
    for name in ACTIONS:
        for _ in range(30):
            action = random_user_action(dice, name) if name in TYPES else MAKERS[name][0](dice)
            said = _said(action)
            assert _is_plain(said), (action, said)


@given(st.sampled_from(sorted(GOOD)), st.text(max_size=250), st.integers(0, 2**64 - 1))
def test_whatever_is_read_is_explained(name: str, text: str, number: int) -> None:
    """Every text of a good action replaced by another one, every number by another one, where that is still read."""
    for place, value in GOOD[name].items():
        if place == "type" or isinstance(value, bool):
            continue
        changed = {**GOOD[name], place: number if isinstance(value, int) else text}
        try:
            action = parse_action(changed, Numbers.AS_WRITTEN)
        except Malformed:
            continue
        assert _is_plain(explain(action, COINS.get))


@given(st.text(min_size=1, max_size=250))
def test_a_caller_s_own_words_cannot_pass_for_the_rest_of_the_sentence(text: str) -> None:
    said = explain(Action("setDisplayName", {"type": "setDisplayName", "displayName": text}), COINS.get)
    shown = said.removeprefix("show the account under the name ")
    name, end = json.JSONDecoder().raw_decode(shown)
    assert text.startswith(name)
    assert (shown[end:] == "") == (name == text)
    assert shown[end:] in {"", f" and {len(text) - len(name)} characters more"}


def test_a_long_batch_says_how_many_there_are() -> None:
    said = _said(_orders(*[_order()] * 1000, builder={"b": A, "f": 1}))
    assert said.startswith(f"paying builder {A} 0.1 bp: 1000 orders: buy 0.5 BTC at 65000; ")
    assert said.endswith("and 997 more")
