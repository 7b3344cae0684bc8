"""What a coordinator wants signed, read in full; the digest is made here, of nothing but this."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import hyperkms_cosign as cosign

from hyperkms.errors import Malformed, Refused
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS, Action, parse_action
from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.hyperliquid.members import parse_address
from hyperkms.hyperliquid.signable import numbered, require_fitting, typed_as
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.state.share_rows import ShareRow
from hyperkms.strict_json import parse
from hyperkms.threshold.forms import action_form
from hyperkms.threshold.wire import Intent
from hyperkms.wallet import KeyType, Network

MOST_MS = 2**53 - 1
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "action": ("sign-action", "sign-order"),
    "eip191": ("sign-message",),
    "ed25519": ("sign-message", "sign-order"),
    "test": ("test",),
}


@dataclass(frozen=True, kw_only=True)
class ToSign:
    """What is to be signed."""

    form: cosign.Form
    signed: dict[str, Any]
    """As the record has it."""
    action: Action | None = None
    """In the form in which it is posted; None for bytes."""
    network: Network | None = None
    vault_address: str | None = None
    expires_after: int | None = None
    nonce: int | None = None
    message: bytes | None = None


def read_intent(intent: Intent, row: ShareRow, context: cosign.ShareContext) -> ToSign:
    """Read it strictly; Malformed or Refused for what this share does not sign."""
    if intent.operation not in _OPERATIONS[intent.form]:
        raise Malformed.at("intent.operation", f"{intent.form} is asked for by {' or '.join(_OPERATIONS[intent.form])}")
    if intent.form == "action":
        return _action(intent, row)
    if intent.form == "test":
        return ToSign(form=cosign.Form.test(context), signed={"test": True})
    return _message(intent, row)


def _message(intent: Intent, row: ShareRow) -> ToSign:
    wanted = KeyType.SECP256K1 if intent.form == "eip191" else KeyType.ED25519
    _require_key_type(row, wanted)
    form = cosign.Form.eip191 if intent.form == "eip191" else cosign.Form.ed25519
    signed = {"messageBytes": len(intent.message)}
    return ToSign(form=form(intent.message), signed=signed, message=intent.message)


def _action(intent: Intent, row: ShareRow) -> ToSign:
    _require_key_type(row, KeyType.SECP256K1)
    _require_time("nonce", intent.nonce)
    if intent.expires_after is not None:
        _require_time("expiresAfter", intent.expires_after)
    network = _network(intent, row)
    given = parse_action(parse(intent.action, "The action"), Numbers.CANONICAL)
    vault = None if intent.vault_address is None else parse_address(intent.vault_address, "vaultAddress")
    require_fitting(given, network, nonce=intent.nonce, vault_address=vault, expires_after=intent.expires_after)
    action = Action(given.type, numbered(given, network, intent.nonce))
    signed = {
        "action": action.wire,
        "nonce": intent.nonce,
        "vaultAddress": vault,
        "expiresAfter": intent.expires_after,
        "network": network.value,
        **typed_as(action.wire),
    }
    return ToSign(
        form=action_form(
            DigestInput(
                wire=action.wire,
                nonce=intent.nonce,
                vault_address=vault,
                expires_after=intent.expires_after,
                network=cast("Literal['mainnet', 'testnet']", network.value),
            )
        ),
        signed=signed,
        action=action,
        network=network,
        vault_address=vault,
        expires_after=intent.expires_after,
        nonce=intent.nonce,
    )


def require_expiry(to_sign: ToSign, now: int) -> None:
    """Refused for an L1 action that says not until when it holds; Malformed for one whose time has passed."""
    if to_sign.action is None or ACTIONS[to_sign.action.type].kind is ActionKind.USER:
        return
    if to_sign.expires_after is None:
        words = "expiresAfter is missing: a cosigner signs no action that could be held back and posted much later"
        raise Refused("expires-after-required", words)
    if to_sign.expires_after <= now:
        words = f"{to_sign.expires_after} is not after now, {now}: the exchange would refuse it as expired"
        raise Malformed.at("expiresAfter", words, "already-expired")


def _network(intent: Intent, row: ShareRow) -> Network:
    if intent.network == "none":
        raise Malformed.at("network", "say mainnet or testnet", "network-required")
    if row.network not in (intent.network, Network.ANY):
        words = f"wallet {row.wallet} is bound to {row.network} and signs for nothing else"
        raise Refused("wrong-network", words)
    return Network(intent.network)


def _require_key_type(row: ShareRow, wanted: KeyType) -> None:
    if row.key_type is not wanted:
        words = f"wallet {row.wallet} has a key of type {row.key_type.value}, and this is signed by {wanted.value}"
        raise Malformed.at("walletId", words, "wrong-key-type")


def _require_time(field: str, value: int) -> None:
    if not 0 <= value <= MOST_MS:
        raise Malformed.at(field, "milliseconds since 1970 are due")
