"""The form in which an action is signed, and its signature: msgpack or typed data, as its type says."""

from collections.abc import Mapping
from typing import Any, Literal

from hyperkms import _core
from hyperkms.hyperliquid.actions import ACTIONS
from hyperkms.hyperliquid.user_signed import chain_id, typed_values
from hyperkms.hyperliquid.wire import msgpack


def sign_form(  # noqa: PLR0913 (all that goes into a digest)
    handle: _core.KeyHandle,
    wire: Mapping[str, Any],
    *,
    nonce: int,
    vault_address: str | None,
    expires_after: int | None,
    network: Literal["mainnet", "testnet"],
) -> tuple[str, str]:
    """Signature and digest of a numbered action; the core hashes."""
    action_type = ACTIONS[wire["type"]]
    if action_type.primary_type is not None:
        return _core.sign_user_action(
            handle,
            primary_type=action_type.primary_type,
            values=typed_values(action_type, wire),
            signature_chain_id=chain_id(wire),
            network=network,
        )
    vault = None if vault_address is None else bytes.fromhex(vault_address[2:])
    return _core.sign_l1(handle, msgpack(wire), nonce=nonce, vault=vault, expires_after=expires_after, network=network)


def kms_form(  # noqa: PLR0913 (as above)
    public_key: bytes,
    wire: Mapping[str, Any],
    *,
    nonce: int,
    vault_address: str | None,
    expires_after: int | None,
    network: Literal["mainnet", "testnet"],
) -> _core.KmsForm:
    """The same, for a key that AWS KMS keeps: what it is asked to sign."""
    action_type = ACTIONS[wire["type"]]
    if action_type.primary_type is not None:
        return _core.KmsForm.user_action(
            public_key,
            primary_type=action_type.primary_type,
            values=typed_values(action_type, wire),
            signature_chain_id=chain_id(wire),
            network=network,
        )
    vault = None if vault_address is None else bytes.fromhex(vault_address[2:])
    return _core.KmsForm.l1(
        public_key, msgpack(wire), nonce=nonce, vault=vault, expires_after=expires_after, network=network
    )
