"""The actions that the service signs, for the adapters: what is none of them is refused before anything is sent."""

from collections.abc import Mapping
from typing import Any

from hyperkms.client.errors import NotSignable

SIGNABLE = (
    "order",
    "cancel",
    "cancelByCloid",
    "modify",
    "batchModify",
    "updateLeverage",
    "scheduleCancel",
    "noop",
)


def require_signable(action: Mapping[str, Any]) -> None:
    """NotSignable, naming the action, unless the service signs its type."""
    if action.get("type") not in SIGNABLE:
        raise not_signable(str(action.get("type")))


def not_signable(name: str) -> NotSignable:
    """The refusal of an action of this name."""
    return NotSignable(f"hyperkms does not sign the action {name}: it signs {', '.join(SIGNABLE)}, and nothing else")
