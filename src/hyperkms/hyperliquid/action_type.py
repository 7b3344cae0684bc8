"""What is known of an action type: how it is read, how it is signed, and what it can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.members import Kind, Member, struct, word


class ActionKind(Enum):
    """How an action is hashed."""

    L1 = "l1"
    """As msgpack, with nonce, vault address and expiry."""
    USER = "user"
    """As EIP-712 typed data of its own members; an account signs it for itself alone, an agent never."""


@dataclass(frozen=True)
class ActionType:
    """One entry of the table of actions."""

    name: str
    read: Kind
    """Reads the whole action into its canonical form, members in hashed order."""
    kind: ActionKind = ActionKind.L1
    hashes_vault: bool = False
    """Whether it can be signed for a vault or a sub-account, whose address is then hashed with it."""
    numbered_by: str | None = None
    """The member that repeats the nonce."""
    primary_type: str | None = None
    """Of a user-signed action: the name of its EIP-712 type, without `HyperliquidTransaction:`."""

    def require_fitting(
        self, wire: Mapping[str, Any], *, nonce: int | None, vault_address: str | None, expires_after: int | None
    ) -> None:
        """Malformed if the request around the action says what its signature would not cover, or has another nonce."""
        if vault_address is not None and not self.hashes_vault:
            raise _not_covered("vaultAddress", self.name)
        if expires_after is not None and self.kind is ActionKind.USER:
            raise _not_covered("expiresAfter", self.name)
        if self.numbered_by is not None and wire.get(self.numbered_by, nonce) != nonce:
            words = f"repeats the request's `nonce`, and {'they differ' if nonce is not None else 'that is missing'}"
            raise Malformed.at(f"action.{self.numbered_by}", f"{words}: leave it out here", "nonce-mismatch")

    def numbered(self, wire: Mapping[str, Any], nonce: int) -> Mapping[str, Any]:
        """The action with its nonce inside where it has one there; that is always its last member."""
        return wire if self.numbered_by is None else {**wire, self.numbered_by: nonce}


def l1(name: str, *members: Member) -> ActionType:
    """An L1 action of an account for itself: no vault address is hashed with it."""
    return ActionType(name, _read(name, *members))


def l1_for_vaults(name: str, *members: Member) -> ActionType:
    """An L1 action that can be signed for a vault or a sub-account."""
    return ActionType(name, _read(name, *members), hashes_vault=True)


def _read(name: str, *members: Member) -> Kind:
    return struct(Member("type", word(name)), *members)


def _not_covered(field: str, name: str) -> Malformed:
    return Malformed.at(field, f"the signature of {name} does not cover it: leave it out", "member-not-signed")
