"""The sentences of L1 actions beside trading."""

from collections.abc import Mapping
from typing import Any

from hyperkms.hyperliquid.wording import Explain, Names, dex, listed, quoted, symbol, usd

_Wire = Mapping[str, Any]

_ABSTRACTIONS = {"i": "disabled", "u": "unified account", "p": "portfolio margin"}


def _moved(what: str, place: str, wire: _Wire) -> str:
    """Into a place, or out of it."""
    return f"move {what} into {place}" if wire["isDeposit"] else f"move {what} out of {place}"


def _create_vault(wire: _Wire, _names: Names) -> str:
    return f"open a vault named {quoted(wire['name'])} and move {usd(wire['initialUsd'])} into it"


def _vault_modify(wire: _Wire, _names: Names) -> str:
    settings = {"allow deposits": wire["allowDeposits"], "close positions on withdrawal": wire["alwaysCloseOnWithdraw"]}
    changes = [f"{name}: {'yes' if value else 'no'}" for name, value in settings.items() if value is not None]
    return f"change vault {wire['vaultAddress']}: {', '.join(changes) or 'nothing'}"


def _send_asset(wire: _Wire, _names: Names) -> str:
    source = f" of sub-account {wire['fromSubAccount']}" if wire["fromSubAccount"] else ""
    return (
        f"send {wire['amount']} {symbol(wire['token'])} from {dex(wire['sourceDex'])}{source} to "
        f"{wire['destination']} on {dex(wire['destinationDex'])}"
    )


def _borrow_lend(wire: _Wire, _names: Names) -> str:
    amount = "all" if wire["amount"] is None else wire["amount"]
    return f"{wire['operation']} {amount} of token {wire['token']} in borrow/lend"


def _weight(wire: _Wire, _names: Names) -> str:
    to = f" for {wire['destination']}" if "destination" in wire else ""
    return f"buy {wire['weight']} more requests{to}"


def _signer(wire: _Wire, _names: Names) -> str:
    return "jail the own validator" if "jailSelf" in wire else "release the own validator from jail"


def _spot_deploy(wire: _Wire, _names: Names) -> str:
    base, quote = wire["registerSpot"]["tokens"]
    return f"register the spot pair of token {base} and token {quote}"


def _oracle(wire: _Wire, _names: Names) -> str:
    oracle = wire["setOracle"]
    prices = [f"{symbol(asset.rpartition(':')[2])} {price}" for asset, price in oracle["oraclePxs"]]
    return f"set the oracle prices of {dex(oracle['dex'])}: {listed(prices, len(prices)) or 'none'}"


ACCOUNT_SENTENCES: Mapping[str, Explain] = {
    "createSubAccount": lambda wire, _: f"open a sub-account named {quoted(wire['name'])}",
    "subAccountModify": lambda wire, _: f"name sub-account {wire['subAccountUser']} {quoted(wire['name'])}",
    "subAccountTransfer": lambda wire, _: _moved(usd(wire["usd"]), f"sub-account {wire['subAccountUser']}", wire),
    "subAccountSpotTransfer": lambda wire, _: _moved(
        f"{wire['amount']} {symbol(wire['token'])}", f"sub-account {wire['subAccountUser']}", wire
    ),
    "createVault": _create_vault,
    "vaultTransfer": lambda wire, _: _moved(usd(wire["usd"]), f"vault {wire['vaultAddress']}", wire),
    "vaultModify": _vault_modify,
    "vaultDistribute": lambda wire, _: f"pay {usd(wire['usd'])} of vault {wire['vaultAddress']} out to its depositors",
    "agentSendAsset": _send_asset,
    "borrowLend": _borrow_lend,
    "hip3LiquidatorTransfer": lambda wire, _: _moved(usd(wire["ntl"]), f"the liquidator of {dex(wire['dex'])}", wire),
    "claimRewards": lambda _wire, _names: "claim the account's rewards",
    "evmUserModify": lambda wire, _: f"use {'big' if wire['usingBigBlocks'] else 'small'} EVM blocks",
    "setReferrer": lambda wire, _: f"set the account's referrer to code {quoted(wire['code'])}",
    "registerReferrer": lambda wire, _: f"register the referral code {quoted(wire['code'])}",
    "setDisplayName": lambda wire, _: f"show the account under the name {quoted(wire['displayName'])}",
    "agentEnableDexAbstraction": lambda _wire, _names: "turn on DEX abstraction of the account",
    "agentSetAbstraction": lambda wire, _: f"set the account's abstraction to {_ABSTRACTIONS[wire['abstraction']]}",
    "reserveRequestWeight": _weight,
    "spotUser": lambda wire, _: (
        f"opt {'out of' if wire['toggleSpotDusting']['optOut'] else 'in to'} the sale of small spot balances"
    ),
    "gossipPriorityBid": lambda wire, _: (
        f"bid up to {wire['maxGas']} gas for priority in slot {wire['slotId']} for {wire['ip']}"
    ),
    "validatorL1Stream": lambda wire, _: f"vote for a risk-free rate of {wire['riskFreeRate']}",
    "CSignerAction": _signer,
    "spotDeploy": _spot_deploy,
    "perpDeploy": _oracle,
}
