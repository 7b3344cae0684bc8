"""What the adapters hand to the service: an action without the number that its SDK gave it."""

from collections.abc import Mapping
from typing import Any

from hyperkms.client.errors import NotSignable

_NUMBERED_BY_TIME = frozenset({"usdSend", "withdraw3", "spotSend"})
_PARTS_OF_A_MULTI_SIG = frozenset({"payloadMultiSigUser", "multiSigActionHash"})


def unnumbered(action: Mapping[str, Any]) -> dict[str, Any]:
    """The action without its inner nonce: the service numbers it, inside and outside.

    NotSignable for a part of a multi-sig: it is no action of its own.
    """
    if "type" not in action or not _PARTS_OF_A_MULTI_SIG.isdisjoint(action):
        raise not_signable("a part of a multi-sig")
    inner = "time" if action["type"] in _NUMBERED_BY_TIME else "nonce"
    return {name: value for name, value in action.items() if name != inner}


def not_signable(what: str) -> NotSignable:
    """The refusal of something that is no action."""
    return NotSignable(f"hyperkms signs actions that it can read, and was asked to sign {what}")
