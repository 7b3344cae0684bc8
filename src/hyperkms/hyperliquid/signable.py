"""What stands around an action that is to be signed: whether its signature covers it, and what of it stands inside."""

from collections.abc import Mapping
from typing import Any

from hyperkms.errors import Refused
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS, Action
from hyperkms.hyperliquid.user_signed import chain_name, completed
from hyperkms.wallet import Network


def require_fitting(
    action: Action, network: Network, *, nonce: int | None, vault_address: str | None, expires_after: int | None
) -> None:
    """Malformed if the request says what the signature would not cover; Refused if the action names another network."""
    action_type = ACTIONS[action.type]
    action_type.require_fitting(action.wire, nonce=nonce, vault_address=vault_address, expires_after=expires_after)
    if action_type.kind is ActionKind.USER:
        wanted = chain_name(network)
        if action.wire.get("hyperliquidChain", wanted) != wanted:
            words = f"action.hyperliquidChain is not {wanted}, and the wallet signs for {network.value} here"
            raise Refused("wrong-network", words)


def numbered(action: Action, network: Network, nonce: int) -> Mapping[str, Any]:
    """The action as it is posted, with whatever of network and nonce stands inside."""
    action_type = ACTIONS[action.type]
    if action_type.kind is ActionKind.USER:
        return completed(action_type, action.wire, network, nonce)
    return action_type.numbered(action.wire, nonce)


def typed_as(wire: Mapping[str, Any]) -> dict[str, str]:
    """What the record says of the typed data of a user-signed action, beside its members; nothing of an L1 action."""
    name = ACTIONS[wire["type"]].primary_type
    return {} if name is None else {"primaryType": f"HyperliquidTransaction:{name}"}
