"""The class of each action type: what a grant or a policy names instead of many types.

Source: docs/formats.md "Actions". A type without a class here has no entry in the tables either.
"""

from collections.abc import Mapping
from enum import Enum


class ActionClass(Enum):
    """What an action can do, at worst. A type that could stand in two classes stands in the more dangerous one."""

    ORDER = "order"
    """Opens, changes or closes a position."""
    CANCEL = "cancel"
    """Takes orders away, or uses up a nonce."""
    LEVERAGE = "leverage"
    """Changes the margin of a position within the account."""
    TRANSFER = "transfer"
    """Moves or spends funds, to whomever: the account's own sub-accounts, vaults and stakes included."""
    AUTHORITY = "authority"
    """Changes who may do what with an account, how it is kept, or what it pays to whom."""
    SETTINGS = "settings"
    """Changes nothing of this: names, request weight, small conveniences."""


_MEMBERS: Mapping[ActionClass, tuple[str, ...]] = {
    ActionClass.ORDER: ("order", "modify", "batchModify", "twapOrder"),
    ActionClass.CANCEL: ("cancel", "cancelByCloid", "scheduleCancel", "twapCancel", "noop"),
    ActionClass.LEVERAGE: ("updateLeverage", "updateIsolatedMargin", "topUpIsolatedOnlyMargin"),
    ActionClass.TRANSFER: (
        "usdSend",
        "withdraw3",
        "spotSend",
        "usdClassTransfer",
        "sendAsset",
        "sendToEvmWithData",
        "agentSendAsset",
        "subAccountTransfer",
        "subAccountSpotTransfer",
        "createVault",
        "vaultTransfer",
        "vaultDistribute",
        "tokenDelegate",
        "cDeposit",
        "cWithdraw",
        "claimRewards",
        "borrowLend",
        "hip3LiquidatorTransfer",
        "gossipPriorityBid",
        "reserveRequestWeight",
    ),
    ActionClass.AUTHORITY: (
        "approveAgent",
        "approveBuilderFee",
        "convertToMultiSigUser",
        "agentEnableDexAbstraction",
        "agentSetAbstraction",
        "userDexAbstraction",
        "userSetAbstraction",
        "userPortfolioMargin",
        "linkStakingUser",
        "stakingLinkDisableTradingUser",
        "setReferrer",
        "registerReferrer",
        "createSubAccount",
        "vaultModify",
        "validatorL1Stream",
        "CSignerAction",
        "spotDeploy",
        "perpDeploy",
    ),
    ActionClass.SETTINGS: (
        "setDisplayName",
        "subAccountModify",
        "evmUserModify",
        "spotUser",
    ),
}

CLASSES: Mapping[str, ActionClass] = {name: kind for kind, names in _MEMBERS.items() for name in names}
"""The class of every action type that can be read, by its name."""


def class_of(name: str) -> ActionClass:
    """The class of an action type; KeyError for one that cannot be read."""
    return CLASSES[name]
