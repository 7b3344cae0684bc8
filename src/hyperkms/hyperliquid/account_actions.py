"""The L1 action types beside trading: sub-accounts, vaults, funds, settings of an account.

Source: docs/formats.md "Actions". Amounts in `usd`, `ntl` and `initialUsd` are integers of a millionth of a dollar.
"""

from hyperkms.hyperliquid.action_type import ActionType, l1, l1_for_vaults
from hyperkms.hyperliquid.kinds import amount, dex, nullable, positive, text, token
from hyperkms.hyperliquid.members import (
    UINT32,
    UINT64,
    Member,
    Presence,
    address,
    address_or_none,
    flag,
    integer,
    struct,
    word,
)

_OPTIONAL = Presence.OPTIONAL
_USD = integer(1, 2**64 - 1)
_NONCE = Member("nonce", UINT64, _OPTIONAL)


def _numbered(name: str, *members: Member) -> ActionType:
    """One whose last member repeats the nonce."""
    return ActionType(name, l1(name, *members, _NONCE).read, numbered_by="nonce")


_SUB_ACCOUNTS_AND_VAULTS = (
    l1("createSubAccount", Member("name", text(1, 16))),
    l1("subAccountModify", Member("subAccountUser", address), Member("name", text(1, 16))),
    l1("subAccountTransfer", Member("subAccountUser", address), Member("isDeposit", flag), Member("usd", _USD)),
    l1(
        "subAccountSpotTransfer",
        Member("subAccountUser", address),
        Member("isDeposit", flag),
        Member("token", token),
        Member("amount", amount),
    ),
    _numbered(
        "createVault", Member("name", text(3, 50)), Member("description", text(10, 250)), Member("initialUsd", _USD)
    ),
    l1("vaultTransfer", Member("vaultAddress", address), Member("isDeposit", flag), Member("usd", _USD)),
    l1(
        "vaultModify",
        Member("vaultAddress", address),
        Member("allowDeposits", nullable(flag)),
        Member("alwaysCloseOnWithdraw", nullable(flag)),
    ),
    l1("vaultDistribute", Member("vaultAddress", address), Member("usd", _USD)),
)

_FUNDS = (
    _numbered(
        "agentSendAsset",
        Member("destination", address),
        Member("sourceDex", dex),
        Member("destinationDex", dex),
        Member("token", token),
        Member("amount", positive),
        Member("fromSubAccount", address_or_none),
    ),
    l1_for_vaults(
        "borrowLend",
        Member("operation", word("supply", "withdraw", "repay", "borrow")),
        Member("token", UINT32),
        Member("amount", nullable(positive)),
    ),
    l1("hip3LiquidatorTransfer", Member("dex", dex), Member("ntl", _USD), Member("isDeposit", flag)),
    l1("claimRewards"),
)

_SETTINGS = (
    l1("evmUserModify", Member("usingBigBlocks", flag)),
    l1("setReferrer", Member("code", text(1, 20))),
    l1("registerReferrer", Member("code", text(1, 20))),
    l1("setDisplayName", Member("displayName", text(0, 20))),
    l1_for_vaults("agentEnableDexAbstraction"),
    l1_for_vaults("agentSetAbstraction", Member("abstraction", word("i", "u", "p"))),
    l1(
        "reserveRequestWeight",
        Member("weight", integer(1, 1_844_674_407_370_955)),
        Member("destination", address, _OPTIONAL),
    ),
    l1("spotUser", Member("toggleSpotDusting", struct(Member("optOut", flag)))),
)

ACCOUNT_ACTIONS: tuple[ActionType, ...] = (*_SUB_ACCOUNTS_AND_VAULTS, *_FUNDS, *_SETTINGS)
