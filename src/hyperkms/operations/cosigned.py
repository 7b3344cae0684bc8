"""Signatures of wallets in shares: what the cosigners are asked, and what is made of their answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from hyperkms import _core
from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.operations.caller import Caller
from hyperkms.operations.in_shares import ThresholdKey
from hyperkms.receipt import CosignedBy
from hyperkms.threshold.coordinator.target import AUDITED, Cosigned
from hyperkms.threshold.forms import action_form
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Asker, Intent
from hyperkms.wallet import KeyType


class Signature(NamedTuple):
    """A signature as text, and how it came to be."""

    text: str
    """0x and 128 hex digits (Ed25519: R, S), or 130 (secp256k1: r, s, v)."""
    digest: str
    cosigned: CosignedBy | None = None


def cosign_message(
    key: ThresholdKey, caller: Caller, key_type: KeyType, message: bytes, *, operation: str
) -> Signature:
    """Bytes: raw by an Ed25519 wallet, in EIP-191 form by a secp256k1 wallet."""
    is_raw = key_type is KeyType.ED25519
    form = cosign.Form.ed25519(message) if is_raw else cosign.Form.eip191(message)
    intent = Intent(
        form="ed25519" if is_raw else "eip191", operation=operation, position=caller.position, message=message
    )
    made = key.coordinator.sign(key.key, intent, _asker(caller), form)
    if is_raw:
        _core.verify_ed25519(key.key.public_key, message, made.signature)
    return _signature(key, made)


def cosign_action(
    key: ThresholdKey, caller: Caller, given: DigestInput, *, operation: str, approvals: Sequence[str]
) -> Signature:
    """A numbered action; here and at each cosigner the core hashes."""
    intent = Intent(
        form="action",
        operation=operation,
        position=caller.position,
        action=msgspec.json.encode(given.wire),
        nonce=given.nonce,
        vault_address=given.vault_address,
        expires_after=given.expires_after,
        network=given.network,
    )
    return _signature(key, key.coordinator.sign(key.key, intent, _asker(caller, approvals), action_form(given)))


def _asker(caller: Caller, approvals: Sequence[str] = ()) -> Asker:
    """A request that its client has signed has the approvals in its body."""
    client, request_id = caller.client.name, caller.request_id
    if caller.evidence is None:
        return Asker(client=client, request_id=request_id, approvals=list(approvals))
    return Asker(client=client, request_id=request_id, signed=caller.evidence())


def _signature(key: ThresholdKey, made: Cosigned) -> Signature:
    cosigned = CosignedBy(
        protocol=made.protocol,
        session="0x" + made.session.hex(),
        signers=list(made.signers),
        deployment=key.coordinator.deployment,
        audited=AUDITED[made.protocol],
    )
    return Signature("0x" + made.signature.hex(), "0x" + made.digest.hex(), cosigned)
