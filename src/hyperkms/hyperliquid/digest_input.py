"""All that goes into the digest of a numbered action, as whoever hashes it takes it: the core, for each kind of key."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import msgspec

from hyperkms.hyperliquid.actions import ACTIONS
from hyperkms.hyperliquid.user_signed import chain_id, typed_values
from hyperkms.hyperliquid.wire import msgpack


class L1Input(TypedDict):
    """Of an action that is signed as msgpack."""

    msgpack: bytes
    nonce: int
    vault: bytes | None
    expires_after: int | None
    network: Literal["mainnet", "testnet"]


class TypedInput(TypedDict):
    """Of one that is signed as typed data (EIP-712)."""

    primary_type: str
    values: Sequence[bool | int | str]
    signature_chain_id: int
    network: Literal["mainnet", "testnet"]


class DigestInput(msgspec.Struct, frozen=True, kw_only=True):
    """The action as it is posted, and what stands around it."""

    wire: Mapping[str, Any]
    nonce: int
    vault_address: str | None
    """0x and 40 hex digits."""
    expires_after: int | None
    """Milliseconds."""
    network: Literal["mainnet", "testnet"]

    def typed(self) -> TypedInput | None:
        """For typed data; None if the action is no such."""
        action_type = ACTIONS[self.wire["type"]]
        if action_type.primary_type is None:
            return None
        return {
            "primary_type": action_type.primary_type,
            "values": typed_values(action_type, self.wire),
            "signature_chain_id": chain_id(self.wire),
            "network": self.network,
        }

    def l1(self) -> L1Input:
        """For msgpack."""
        return {
            "msgpack": msgpack(self.wire),
            "nonce": self.nonce,
            "vault": None if self.vault_address is None else bytes.fromhex(self.vault_address[2:]),
            "expires_after": self.expires_after,
            "network": self.network,
        }
