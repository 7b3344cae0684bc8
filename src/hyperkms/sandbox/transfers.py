"""Carrying out what an account does beside trading: transfers, sub-accounts, approvals.

What the stand-in has no use for (delegations, abstractions, multi-sig, referrers, EVM blocks, bids) is accepted and
changes nothing. A withdrawal leaves without a fee. The words of the refusals are the stand-in's own.
"""

import re
from decimal import Decimal

from hyperkms.sandbox.account_actions import AccountAction
from hyperkms.sandbox.accounts import Accounts
from hyperkms.sandbox.agents import Approval
from hyperkms.sandbox.funds import PERPS, SPOT, Funds
from hyperkms.sandbox.market import market_of
from hyperkms.sandbox.refusals import Refused
from hyperkms.sandbox.user_actions import UserAction

Reply = dict[str, object]

_DEFAULT: Reply = {"type": "default"}
_MILLION = Decimal(1_000_000)
_AMOUNT = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?%")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_OF_SUB_ACCOUNT = " subaccount:"


def apply_account_action(action: AccountAction, user: str, accounts: Accounts) -> Reply:
    """Carry out an L1 action of a user, or raise `Refused`."""
    said = action.members
    match action.type:
        case "createSubAccount":
            return {"type": "createSubAccount", "data": accounts.open_sub_account(user, str(said["name"]))}
        case "subAccountTransfer" | "vaultTransfer":
            other = str(said.get("subAccountUser") or said.get("vaultAddress"))
            theirs = _theirs(action.type, user, other, accounts)
            _exchange(accounts.funds(user), theirs, _usd(said["usd"]), deposit=said["isDeposit"] is True)
        case "subAccountSpotTransfer":
            theirs = _theirs(action.type, user, str(said["subAccountUser"]), accounts)
            pair = (accounts.funds(user), theirs) if said["isDeposit"] else (theirs, accounts.funds(user))
            pair[0].move(_amount(str(said["amount"])), pair[1], token=str(said["token"]), source=SPOT, target=SPOT)
        case "updateIsolatedMargin":
            if market_of(int(str(said["asset"]))).is_spot:
                raise Refused(f"Spot has no margin. asset={said['asset']}")
    return _DEFAULT


def apply_user_action(action: UserAction, user: str, accounts: Accounts, *, now_ms: int) -> Reply:
    """Carry out a user-signed action for the one who signed it, or raise `Refused`."""
    own = accounts.funds(user)
    match action.type:
        case "usdSend":
            other = accounts.paid_into(_address(action.text("destination")))
            own.move(_amount(action.text("amount")), other, token="USDC", source=PERPS, target=PERPS)  # noqa: S106 (a coin)
        case "withdraw3":
            _address(action.text("destination"))
            own.take(_amount(action.text("amount")), token="USDC", place=PERPS)  # noqa: S106 (a coin)
        case "spotSend":
            other = accounts.paid_into(_address(action.text("destination")))
            own.move(_amount(action.text("amount")), other, token=action.text("token"), source=SPOT, target=SPOT)
        case "usdClassTransfer":
            _change_class(action, user, accounts)
        case "sendAsset":
            _send_asset(action, user, accounts)
        case "approveAgent":
            approval = Approval(action.text("agentAddress"), action.text("agentName"))
            accounts.approve_agent(approval, master=user, now_ms=now_ms)
        case "approveBuilderFee":
            rate = action.text("maxFeeRate")
            if not _PERCENT.fullmatch(rate):
                raise Refused(f"{rate!r} is no percentage")
            accounts.approve_builder(user, action.text("builder"), rate)
    return _DEFAULT


def _change_class(action: UserAction, user: str, accounts: Accounts) -> None:
    amount, _, sub_account = action.text("amount").partition(_OF_SUB_ACCOUNT)
    funds = accounts.funds(user)
    if sub_account:
        funds = _theirs(action.type, user, _address(sub_account), accounts)
    source, target = (SPOT, PERPS) if action.members["toPerp"] else (PERPS, SPOT)
    funds.move(_amount(amount), funds, token="USDC", source=source, target=target)  # noqa: S106 (a coin)


def _send_asset(action: UserAction, user: str, accounts: Accounts) -> None:
    sub_account = action.text("fromSubAccount")
    funds = _theirs(action.type, user, _address(sub_account), accounts) if sub_account else accounts.funds(user)
    funds.move(
        _amount(action.text("amount")),
        accounts.paid_into(_address(action.text("destination"))),
        token=action.text("token"),
        source=action.text("sourceDex"),
        target=action.text("destinationDex"),
    )


def _theirs(kind: str, user: str, other: str, accounts: Accounts) -> Funds:
    """The funds of a vault, or of a sub-account if it is the user's."""
    if kind != "vaultTransfer" and accounts.master_of(other) != user:
        raise Refused(f"{other} is no sub-account of {user}")
    if kind == "vaultTransfer" and not accounts.is_known(other):
        raise Refused(f"Vault not registered: {other}")
    return accounts.funds(other)


def _exchange(own: Funds, theirs: Funds, amount: Decimal, *, deposit: bool) -> None:
    source, target = (own, theirs) if deposit else (theirs, own)
    source.move(amount, target, token="USDC", source=PERPS, target=PERPS)  # noqa: S106 (a coin)


def _usd(millionths: object) -> Decimal:
    return Decimal(str(millionths)) / _MILLION


def _amount(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text):
        raise Refused(f"{text!r} is no amount")
    return Decimal(text)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise Refused("The destination is no address")
    return text.lower()
