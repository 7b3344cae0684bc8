"""The form of an action that is signed in shares: made alike by the coordinator and, for itself, by each cosigner."""

from __future__ import annotations

from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.threshold.protocols import cosign


def action_form(given: DigestInput) -> cosign.Form:
    """Of a numbered action; the core hashes."""
    typed = given.typed()
    if typed is None:
        return cosign.Form.l1(**given.l1())
    return cosign.Form.user_action(**typed)
