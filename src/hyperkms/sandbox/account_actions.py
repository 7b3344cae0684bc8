"""The L1 actions of the official SDK beside trading, and the exact form that is hashed.

The official SDK 0.24.0 hashes no vault address with most of them, and posts one all the same where it has one; so it is
left out of their digests here, and they act on the signer's own account.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hyperkms.sandbox.fields import Fields, address, any_text, flag, int64, one_of, uint32, uint64

Reader = Callable[[object], object]


@dataclass(frozen=True)
class AccountAction:
    """One of the types below; members in hashed order."""

    type: str
    members: Mapping[str, object]

    @property
    def hashes_vault(self) -> bool:
        """Tell whether the vault address of the request is hashed with it."""
        return self.type in _FOR_VAULTS

    def wire(self) -> dict[str, object]:
        """Return the hashed form."""
        return {"type": self.type, **self.members}


def read_account_action(name: str, fields: Fields) -> AccountAction:
    """Read the members of one of these types."""
    return AccountAction(name, {member: fields.take(member, read) for member, read in ACCOUNT_TYPES[name].items()})


_SUB_ACCOUNT: dict[str, Reader] = {"subAccountUser": address, "isDeposit": flag}
_FOR_VAULTS = frozenset(
    {"updateIsolatedMargin", "agentEnableDexAbstraction", "agentSetAbstraction", "gossipPriorityBid"}
)

ACCOUNT_TYPES: dict[str, dict[str, Reader]] = {
    "updateIsolatedMargin": {"asset": uint32, "isBuy": flag, "ntli": int64},
    "setReferrer": {"code": any_text},
    "createSubAccount": {"name": any_text},
    "subAccountTransfer": {**_SUB_ACCOUNT, "usd": uint64},
    "subAccountSpotTransfer": {**_SUB_ACCOUNT, "token": any_text, "amount": any_text},
    "vaultTransfer": {"vaultAddress": address, "isDeposit": flag, "usd": uint64},
    "evmUserModify": {"usingBigBlocks": flag},
    "agentEnableDexAbstraction": {},
    "agentSetAbstraction": {"abstraction": one_of("i", "u", "p")},
    "gossipPriorityBid": {"slotId": uint32, "ip": any_text, "maxGas": uint64},
}
"""By type, what reads each member, in hashed order."""
