"""The sentences of user-signed actions."""

from collections.abc import Mapping
from typing import Any

from hyperkms.hyperliquid.explain_accounts import ACCOUNT_SENTENCES
from hyperkms.hyperliquid.signers import read_signers
from hyperkms.hyperliquid.wording import Explain, Names, dex, hype, listed, moment, quoted, symbol

_Wire = Mapping[str, Any]

_NOBODY = "0x" + "0" * 40
_UNTIL = " valid_until "
_ABSTRACTIONS = {
    "disabled": "disabled",
    "unifiedAccount": "unified account",
    "portfolioMargin": "portfolio margin",
}


def _class_transfer(wire: _Wire, _names: Names) -> str:
    amount, _, sub_account = wire["amount"].partition(" subaccount:")
    whose = f" of sub-account {sub_account}" if sub_account else ""
    way = "from spot to perps" if wire["toPerp"] else "from perps to spot"
    return f"move {amount} USDC{whose} {way}"


def _to_evm(wire: _Wire, _names: Names) -> str:
    data = f" with {(len(wire['data']) - 2) // 2} bytes of data" if wire["data"] != "0x" else ""
    return (
        f"send {wire['amount']} {symbol(wire['token'])} from {dex(wire['sourceDex'])} "
        f"to {wire['destinationRecipient']} on chain {wire['destinationChainId']}{data}, gas limit {wire['gasLimit']}"
    )


def _delegate(wire: _Wire, _names: Names) -> str:
    if wire["isUndelegate"]:
        return f"take {hype(wire['wei'])} back from validator {wire['validator']}"
    return f"delegate {hype(wire['wei'])} to validator {wire['validator']}"


def _approve_agent(wire: _Wire, _names: Names) -> str:
    name, until, time = wire.get("agentName", "").rpartition(_UNTIL)
    name = name if until else time
    named = f" named {quoted(name)}" if name else " without a name"
    if wire["agentAddress"] == _NOBODY:
        return f"end the agent{named}"
    ending = f" until {moment(int(time))}" if until else ""
    return f"let {wire['agentAddress']} sign for this account as the agent{named}{ending}"


def _multi_sig(wire: _Wire, _names: Names) -> str:
    signers = read_signers(wire["signers"])
    if signers is None:
        return "make this multi-sig account an ordinary one again"
    count = len(signers.authorized_users)
    users = listed(signers.authorized_users, count)
    return f"make this account one that {signers.threshold} of {count} must sign for: {users}"


def _switch(name: str) -> Explain:
    return lambda wire, _: f"turn {'on' if wire['enabled'] else 'off'} {name} of {wire['user']}"


def _link(wire: _Wire, _names: Names) -> str:
    what = "confirm the link" if wire["isFinalize"] else "ask for a link"
    return f"{what} of the stakes of this account and {wire['user']}"


USER_SENTENCES: Mapping[str, Explain] = {
    "usdSend": lambda wire, _: f"send {wire['amount']} USDC to {wire['destination']}",
    "withdraw3": lambda wire, _: f"withdraw {wire['amount']} USDC to {wire['destination']} on Arbitrum",
    "spotSend": lambda wire, _: f"send {wire['amount']} {symbol(wire['token'])} to {wire['destination']}",
    "usdClassTransfer": _class_transfer,
    "sendAsset": ACCOUNT_SENTENCES["agentSendAsset"],
    "sendToEvmWithData": _to_evm,
    "tokenDelegate": _delegate,
    "cDeposit": lambda wire, _: f"move {hype(wire['wei'])} from spot to staking",
    "cWithdraw": lambda wire, _: f"move {hype(wire['wei'])} from staking to spot",
    "approveAgent": _approve_agent,
    "approveBuilderFee": lambda wire, _: f"let builder {wire['builder']} take up to {wire['maxFeeRate']} of each order",
    "convertToMultiSigUser": _multi_sig,
    "userDexAbstraction": _switch("DEX abstraction"),
    "userPortfolioMargin": _switch("portfolio margin"),
    "userSetAbstraction": lambda wire, _: (
        f"set the abstraction of {wire['user']} to {_ABSTRACTIONS[wire['abstraction']]}"
    ),
    "linkStakingUser": _link,
    "stakingLinkDisableTradingUser": lambda wire, _: (
        f"disable the trading user {wire['tradingUser']} linked to this staking account"
    ),
}
