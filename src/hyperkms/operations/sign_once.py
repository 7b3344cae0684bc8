"""Sign under a reservation: what goes into the digest is settled first, written down, and signed then.

A request that was cut off is resumed from its plan. A single key's signature depends on key and digest
alone (RFC 6979, RFC 8032), so whoever resumes gets the same one; only its record line may stand twice.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from hyperkms.access.clients import Client
from hyperkms.errors import Conflict
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.sign import (
    ActionRequest,
    Caller,
    SettledAction,
    SignedAction,
    SignedMessage,
    require_unexpired,
    settle_action,
    sign_bytes,
    sign_settled,
)
from hyperkms.operations.sign_order import order_request
from hyperkms.operations.signer import resolve
from hyperkms.state.completion import Within, nothing_within
from hyperkms.strict_json import ecmascript
from hyperkms.wallet import KeyType, Network, WalletId

FORMAT = 1


class MessagePlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="message", tag_field="kind"):
    """Bytes to sign; they come again with the body, which is the same or refused."""

    v: int = FORMAT
    wallet: str
    version: int
    sha256: str
    """Of the bytes, in hex digits."""


class ActionPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="action", tag_field="kind"):
    """An L1 action to sign: everything that its digest is made of."""

    v: int = FORMAT
    wallet: str
    version: int
    operation: str
    network: Network
    action: dict[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None


Plan: TypeAlias = MessagePlan | ActionPlan
Signed: TypeAlias = Pending[SignedMessage] | Pending[SignedAction]


@dataclass(frozen=True)
class Planned:
    """A request of which nothing can be refused any more, but a nonce that its caller chose."""

    plan: Plan
    claim: Within
    """Takes that nonce, in the transaction that writes the reservation."""
    sign: Callable[[Parts, Caller], Signed]

    @property
    def text(self) -> str:
        """The plan as it is stored."""
        return msgspec.json.encode(self.plan).decode()


def plan_message(parts: Parts, client: Client, wallet: WalletId, message: bytes, version: int | None) -> Planned:
    """Settle what `sign_message` signs."""
    signer = resolve(parts, client, wallet, version, operation="sign-message")
    return _of_bytes(signer, message, "sign-message")


def plan_order(
    parts: Parts, client: Client, wallet: WalletId, payload: dict[str, object], version: int | None
) -> Planned:
    """Settle what `sign_order` signs."""
    signer = resolve(parts, client, wallet, version, operation="sign-order")
    if signer.wallet.key_type is KeyType.ED25519:
        return _of_bytes(signer, ecmascript(payload).encode(), "sign-order")
    return plan_action(parts, client, order_request(parts, signer, payload), signer)


def plan_action(parts: Parts, client: Client, request: ActionRequest, known: Signer | None = None) -> Planned:
    """Settle what `sign_action` signs. A caller's nonce is checked here and taken with the reservation."""
    chosen: list[tuple[str, int]] = []

    def note(address: str, nonce: int) -> None:
        parts.nonces.require_in_window(nonce)
        chosen.append((address, nonce))

    def claim(connection: sa.Connection) -> None:
        for address, nonce in chosen:
            parts.nonces.claim_within(connection, address, nonce)

    settled = settle_action(parts, client, request, known, note)
    return Planned(_plan_of(settled), claim, lambda parts, caller: sign_settled(parts, caller, settled))


def read_plan(text: str | None) -> Plan:
    """A stored plan; Conflict for one that this release cannot carry out."""
    try:
        plan = msgspec.json.decode(text or "", type=MessagePlan | ActionPlan)
    except msgspec.DecodeError as error:
        raise _not_resumable() from error
    if plan.v != FORMAT:
        raise _not_resumable()
    return plan


def resume(parts: Parts, client: Client, plan: Plan, again: Callable[[], Planned]) -> Planned:
    """What is left to do by a plan; its nonce is taken already.

    The client must still be allowed to, and the key version must still sign: it is refused as any request
    is where it is retired meanwhile. An action that has expired is refused too. `again` settles the
    request anew, with the plan's version: that is asked for bytes, which a plan does not hold.
    """
    if isinstance(plan, ActionPlan):
        return _resume_action(parts, client, plan)
    planned = again()
    if planned.plan != plan:
        raise _not_resumable()
    return planned


def _resume_action(parts: Parts, client: Client, plan: ActionPlan) -> Planned:
    signer = resolve(parts, client, WalletId(plan.wallet), plan.version, operation=plan.operation)
    if not parts.replay_vectors:
        require_unexpired(plan.expires_after, parts.clock())
    settled = SettledAction(
        signer=signer,
        wire=plan.action,
        nonce=plan.nonce,
        vault_address=plan.vault_address,
        expires_after=plan.expires_after,
        network=plan.network,
        operation=plan.operation,
    )
    return Planned(plan, nothing_within, lambda parts, caller: sign_settled(parts, caller, settled))


def _of_bytes(signer: Signer, message: bytes, operation: str) -> Planned:
    plan = MessagePlan(
        wallet=signer.wallet.id, version=signer.version.number, sha256=hashlib.sha256(message).hexdigest()
    )

    def sign(parts: Parts, caller: Caller) -> Signed:
        return sign_bytes(parts, caller, signer, message, operation=operation)

    return Planned(plan, nothing_within, sign)


def _plan_of(settled: SettledAction) -> ActionPlan:
    return ActionPlan(
        wallet=settled.signer.wallet.id,
        version=settled.signer.version.number,
        operation=settled.operation,
        network=settled.network,
        action=dict(settled.wire),
        nonce=settled.nonce,
        vault_address=settled.vault_address,
        expires_after=settled.expires_after,
    )


def _not_resumable() -> Conflict:
    words = "a request with this Idempotency-Key was cut off, and this release would not sign the same bytes for it"
    return Conflict("request-not-resumable", f"{words}: nothing was signed now; take a new key")
