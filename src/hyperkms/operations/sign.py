"""Sign: a message, an order of the first system's form, or a Hyperliquid action."""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any, Literal

import msgspec

from hyperkms import _core
from hyperkms.access.api_keys import unauthorized
from hyperkms.access.clients import UNNUMBERED
from hyperkms.access.grants import NEVER
from hyperkms.audit.sink import Position, Space
from hyperkms.errors import Forbidden
from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.hyperliquid.reducing import takes_risk_away
from hyperkms.hyperliquid.signable import typed_as
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.caller import Caller
from hyperkms.operations.cosigned import Signature, cosign_action, cosign_message
from hyperkms.operations.in_shares import ThresholdKey
from hyperkms.operations.native import NativeKey, sign_action_in_kms, sign_message_in_kms
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.permission import grants_to_sign
from hyperkms.operations.settle import ActionRequest, SettledAction, give_back, settle_action
from hyperkms.operations.signature_record import Made, receipt_of, record_of
from hyperkms.operations.signed_form import sign_form
from hyperkms.operations.signer import require_still_signing, resolve
from hyperkms.receipt import Receipt
from hyperkms.state.approval_use import Use
from hyperkms.wallet import KeyType, KeyVersion, Network, Wallet, WalletId


class SignedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The signature of a message or of an order payload by an Ed25519 or secp256k1 wallet."""

    wallet: Wallet
    version: KeyVersion
    """The one that signed."""
    signature: str
    """0x and 128 hex digits (Ed25519: R, S), or 130 (secp256k1: r, s, v)."""
    receipt: Receipt


class SignedAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action with its signature, ready to be posted to the exchange."""

    wallet: Wallet
    version: KeyVersion
    """The one that signed."""
    action: Mapping[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None
    signature: str
    """0x and 130 hex digits: r, s, v."""
    receipt: Receipt


def sign_message(
    parts: Parts, caller: Caller, wallet_id: WalletId, message: bytes, version: int | None = None
) -> Pending[SignedMessage]:
    """Sign bytes: raw by an Ed25519 wallet, in EIP-191 form by a secp256k1 wallet."""
    signer = resolve(parts, caller.client, wallet_id, version, operation="sign-message")
    return sign_bytes(parts, caller, signer, message, operation="sign-message")


def sign_bytes(
    parts: Parts, caller: Caller, signer: Signer, message: bytes, *, operation: str
) -> Pending[SignedMessage]:
    """The same by a signer that is at hand.

    1. Sign.  2. Write the record.  3. Release when it is durable.
    """
    _require_still_due(parts, caller, signer, operation, grant=None)
    signature = _sign_message(parts, caller, signer, message, operation=operation)  # (1)
    made = Made(
        signature.text,
        signature.digest,
        operation,
        {"messageBytes": len(message)},
        f"a message of {len(message)} bytes",
        cosigned=signature.cosigned,
    )
    record = record_of(parts, caller, signer, made)
    ticket = parts.record.append(record)  # (2)

    def finish(position: Position) -> SignedMessage:  # (3)
        parts.metrics.signed(signer.wallet.key_type, operation)
        _show_head(signer, position)
        receipt = receipt_of(position, record)
        return SignedMessage(wallet=signer.wallet, version=signer.version, signature=made.signature, receipt=receipt)

    return Pending(ticket, finish)


def _sign_message(parts: Parts, caller: Caller, signer: Signer, message: bytes, *, operation: str) -> Signature:
    key_type, handle = signer.wallet.key_type, signer.handle
    if isinstance(handle, _core.KeyHandle):
        sign = _core.sign_ed25519_message if key_type is KeyType.ED25519 else _core.sign_eip191
        return Signature(*sign(handle, message))
    if isinstance(handle, NativeKey):
        made = Signature(*sign_message_in_kms(handle, message))
    else:
        made = cosign_message(handle, caller, key_type, message, operation=operation)
    _require_still_due(parts, caller, signer, operation, grant=None)
    return made


def sign_action(
    parts: Parts, caller: Caller, request: ActionRequest, *, known: Signer | None = None
) -> Pending[SignedAction]:
    """Sign a Hyperliquid action; `known` is the request's signer for who has it already.

    1. Read the action strictly.
    2. Find wallet, version and key, check that the caller may; settle the network.
    3. Check the action against the rest of the request, the market and the clock.
    4. Ask grants and policy; reserve what counts over time. What comes to nothing after this gives it back.
    5. Number it, and use up the approvals that came: nothing after this line refuses but a wallet or version that was
       retired meanwhile, or a cosigner.
    6. Sign; the core hashes.
    7. Write the record.
    8. Release when it is durable.
    """
    claims = _AtOnce(parts)
    settled = settle_action(parts, caller.client, request, known, claims)
    try:
        return sign_or_give_back(parts, caller, settled)
    except BaseException:
        claims.give_back()
        raise


class _AtOnce:
    """Claims that hold when they are made."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._uses: Sequence[Use] = ()

    def nonce(self, address: str, nonce: int) -> None:
        self._parts.nonces.claim(address, nonce)

    def approvals(self, uses: Sequence[Use]) -> None:
        self._parts.approvals.use(uses)
        self._uses = uses

    def give_back(self) -> None:
        """Nothing was signed: the approvals permit another try. A nonce is not given back."""
        if self._uses:
            self._parts.approvals.give_back(self._uses)


def sign_or_give_back(parts: Parts, caller: Caller, settled: SettledAction) -> Pending[SignedAction]:
    """Steps 6 to 8; whatever was reserved is given back if they come to nothing."""
    try:
        return sign_settled(parts, caller, settled)
    except BaseException:
        give_back(parts, settled.decision)
        raise


def sign_settled(parts: Parts, caller: Caller, settled: SettledAction) -> Pending[SignedAction]:
    """Steps 6 to 8."""
    signer, nonce, network = settled.signer, settled.nonce, settled.network
    grant = None if settled.decision is None else settled.decision.grant
    _require_still_due(parts, caller, signer, settled.operation, grant=grant)
    network_name: Literal["mainnet", "testnet"] = "mainnet" if network is Network.MAINNET else "testnet"
    signature = _sign_action(parts, caller, settled, network_name)  # (6)
    signed_at = perf_counter_ns()
    signed = {
        "action": settled.wire,
        "nonce": nonce,
        "vaultAddress": settled.vault_address,
        "expiresAfter": settled.expires_after,
        "network": network_name,
        **typed_as(settled.wire),
    }
    made = Made(
        signature.text,
        signature.digest,
        settled.operation,
        signed,
        settled.explained,
        settled.decision,
        signature.cosigned,
    )
    record = record_of(parts, caller, signer, made)
    ticket = parts.record.append(record, Space.AHEAD if takes_risk_away(settled.wire) else Space.ORDINARY)  # (7)

    def finish(position: Position) -> SignedAction:  # (8)
        parts.metrics.signed(signer.wallet.key_type, settled.operation)
        _show_head(signer, position)
        if settled.stamps is not None:
            parts.metrics.stages((*settled.stamps, signed_at, perf_counter_ns()))
        return SignedAction(
            wallet=signer.wallet,
            version=signer.version,
            action=settled.wire,
            nonce=nonce,
            vault_address=settled.vault_address,
            expires_after=settled.expires_after,
            signature=signature.text,
            receipt=receipt_of(position, record),
        )

    return Pending(ticket, finish)


def _show_head(signer: Signer, position: Position) -> None:
    """Cosigners write the heads of this record into their own: what it said by then cannot be taken back."""
    if isinstance(signer.handle, ThresholdKey):
        signer.handle.coordinator.witness(position.log, bytes(position.head))


def _sign_action(
    parts: Parts, caller: Caller, settled: SettledAction, network: Literal["mainnet", "testnet"]
) -> Signature:
    handle = settled.signer.handle
    given = DigestInput(
        wire=settled.wire,
        nonce=settled.nonce,
        vault_address=settled.vault_address,
        expires_after=settled.expires_after,
        network=network,
    )
    if isinstance(handle, _core.KeyHandle):
        return Signature(*sign_form(handle, given))
    if isinstance(handle, NativeKey):
        made = Signature(*sign_action_in_kms(handle, given))
    else:
        made = cosign_action(handle, caller, given, operation=settled.operation, approvals=settled.approvals)
    grant = None if settled.decision is None else settled.decision.grant
    _require_still_due(parts, caller, settled.signer, settled.operation, grant=grant)
    return made


def _require_still_due(parts: Parts, caller: Caller, signer: Signer, operation: str, *, grant: str | None) -> None:
    """What holds of the wallet and the client: asked before, and once more after cosigners or AWS KMS took seconds."""
    require_still_signing(parts, signer)
    require_still_allowed(parts, caller, signer.wallet, operation, grant=grant)


def require_still_allowed(parts: Parts, caller: Caller, wallet: Wallet, operation: str, *, grant: str | None) -> None:
    """Unauthorized once the client is not in force any more, Forbidden once what permitted it was ended.

    It was known when the request came; a change that was answered since holds for what is signed now.
    """
    client = caller.client
    if client.number == UNNUMBERED:
        return
    is_same = caller.generation is not None and caller.generation == parts.client_generation()
    if is_same and (client.first_end == NEVER or parts.clock() < client.first_end):
        return
    found, now = parts.clients.find(client.name), parts.clock()
    if found is None or found.state(now) != "active":
        raise unauthorized()
    grants = grants_to_sign(found.client.at(now), wallet, operation)
    if grant is not None and all(one.id != grant for one in grants):
        words = f"the grant {grant} of client {client.name} was ended while this waited to be signed"
        raise Forbidden("action-not-granted", words)
