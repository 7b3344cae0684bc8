"""The form of an action that is signed in shares: made alike by the coordinator and, for itself, by each cosigner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hyperkms.hyperliquid.actions import ACTIONS
from hyperkms.hyperliquid.user_signed import chain_id, typed_values
from hyperkms.hyperliquid.wire import msgpack
from hyperkms.threshold.protocols import cosign


def action_form(
    wire: Mapping[str, Any],
    *,
    nonce: int,
    vault_address: str | None,
    expires_after: int | None,
    network: Literal["mainnet", "testnet"],
) -> cosign.Form:
    """Of a numbered action; the core hashes."""
    action_type = ACTIONS[wire["type"]]
    if action_type.primary_type is not None:
        return cosign.Form.user_action(
            primary_type=action_type.primary_type,
            values=typed_values(action_type, wire),
            signature_chain_id=chain_id(wire),
            network=network,
        )
    vault = None if vault_address is None else bytes.fromhex(vault_address[2:])
    return cosign.Form.l1(msgpack(wire), nonce=nonce, vault=vault, expires_after=expires_after, network=network)
