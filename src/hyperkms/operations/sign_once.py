"""Sign an action under an Idempotency-Key by a plan: one that takes a nonce of its caller's, or approvals.

And any, where instances share. What goes into the digest is settled first, and written down in the transaction that
takes nonce and approvals: the request could not take them a second time. One that was cut off there is resumed from
its plan. A single key's signature depends on key and digest alone (RFC 6979), so whoever resumes gets the same one;
only its record line may stand twice. Every other signature needs no plan: what was cut off before its line was durable
has left nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from hyperkms.access.approvals import Matter
from hyperkms.access.authority import Wanted
from hyperkms.access.clients import Client
from hyperkms.errors import Conflict
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS, Action
from hyperkms.hyperliquid.explain import explain
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.settle import (
    ActionRequest,
    SettledAction,
    decide_for,
    give_back,
    require_unexpired,
    resumed_approvals,
    settle_action,
)
from hyperkms.operations.sign import SignedAction, sign_or_give_back, sign_settled
from hyperkms.operations.sign_order import order_request
from hyperkms.operations.signer import resolve
from hyperkms.state.approval_use import Use
from hyperkms.state.completion import Within
from hyperkms.state.waiting import MustWait
from hyperkms.wallet import KeyType, Network, WalletId

FORMATS = {ActionKind.L1: 1, ActionKind.USER: 2}
"""Of a plan, by how its action is hashed: a release that knows only the first must not resume one of the second."""


class ActionPlan(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="action", tag_field="kind", omit_defaults=True
):
    """An action to sign: everything that its digest is made of."""

    v: int
    wallet: str
    version: int
    operation: str
    network: Network
    action: dict[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None
    approvals: tuple[str, ...] = ()
    """As they came."""
    used: tuple[str, ...] = ()
    """Those of them that it has used up; no others count where it is resumed."""


@dataclass(frozen=True)
class Planned:
    """A request of which nothing can be refused any more but its nonce."""

    text: str
    """The plan as it is stored."""
    claim: Within
    """Takes the nonce, in the transaction that writes the reservation."""
    sign: Callable[[Parts, Caller], Pending[SignedAction]]
    drop: Callable[[], None]
    """Gives back what was reserved, where the plan was not written down."""


def plan_action(parts: Parts, client: Client, request: ActionRequest, *, known: Signer | None = None) -> Planned:
    """Settle what `sign_action` signs; a nonce that the caller chose, and approvals, are taken with the reservation."""
    claims = _WithTheReservation(parts)
    settled = settle_action(parts, client, request, known, claims)
    text = msgspec.json.encode(_plan_of(settled)).decode()
    return Planned(text, claims.within, partial(_sign_planned, settled), partial(give_back, parts, settled.decision))


class _WithTheReservation:
    """Claims that hold once the reservation is written."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._chosen: list[tuple[str, int]] = []
        self._uses: Sequence[Use] = ()

    def nonce(self, address: str, nonce: int) -> None:
        self._parts.nonces.require_in_window(nonce)
        self._chosen.append((address, nonce))

    def approvals(self, uses: Sequence[Use]) -> None:
        self._uses = uses

    def within(self, connection: sa.Connection) -> None:
        for address, nonce in self._chosen:
            self._parts.nonces.claim_within(connection, address, nonce)
        if self._uses:
            self._parts.approvals.use_within(connection, self._uses)


def plan_order(
    parts: Parts, client: Client, wallet_id: WalletId, payload: dict[str, object], version: int | None = None
) -> Planned | None:
    """Settle what `sign_order` signs; None where that is bytes, which need no plan."""
    signer = resolve(parts, client, wallet_id, version, operation="sign-order")
    if signer.wallet.key_type is KeyType.ED25519:
        return None
    return plan_action(parts, client, order_request(parts, signer, payload), known=signer)


def _sign_planned(settled: SettledAction, parts: Parts, caller: Caller) -> Pending[SignedAction]:
    try:
        return sign_settled(parts, caller, settled)
    except MustWait:  # it is done again in a thread, with what is reserved
        raise
    except BaseException:
        give_back(parts, settled.decision)
        raise


def resume(parts: Parts, caller: Caller, text: str) -> Pending[SignedAction]:
    """Sign by a stored plan; its nonce is taken already.

    The client and the policy must still allow it, and the key version must still sign: it is refused as any request is
    where it is retired meanwhile. An action that has expired is refused too. Conflict for a plan that this
    release cannot carry out.
    """
    plan = _read_plan(text)
    signer = resolve(parts, caller.client, WalletId(plan.wallet), plan.version, operation=plan.operation)
    if not parts.replay_vectors:
        require_unexpired(plan.expires_after, parts.clock())
    action = Action(str(plan.action["type"]), plan.action)
    matter = Matter(plan.wallet, plan.network, plan.vault_address, action)
    approvals = resumed_approvals(parts, caller.client, plan.used, matter)
    wanted = Wanted(action, plan.vault_address, plan.expires_after, parts.clock(), approvals)
    decision = decide_for(parts, signer, wanted, plan.network)
    if decision is not None and decision.expires_after != plan.expires_after:  # the policy has changed meanwhile
        give_back(parts, decision)
        raise _not_resumable()
    settled = SettledAction(
        signer=signer,
        wire=plan.action,
        nonce=plan.nonce,
        vault_address=plan.vault_address,
        expires_after=plan.expires_after,
        network=plan.network,
        operation=plan.operation,
        decision=decision,
        explained=explain(action, parts.prices[plan.network].name),
        approvals=plan.approvals,
        stamps=None,
    )
    return sign_or_give_back(parts, caller, settled)


def _read_plan(text: str) -> ActionPlan:
    try:
        plan = msgspec.json.decode(text, type=ActionPlan)
    except msgspec.DecodeError as error:
        raise _not_resumable() from error
    action_type = ACTIONS.get(str(plan.action.get("type")))
    if action_type is None or plan.v != FORMATS[action_type.kind]:
        raise _not_resumable()
    return plan


def _plan_of(settled: SettledAction) -> ActionPlan:
    return ActionPlan(
        v=FORMATS[ACTIONS[settled.wire["type"]].kind],
        wallet=settled.signer.wallet.id,
        version=settled.signer.version.number,
        operation=settled.operation,
        network=settled.network,
        action=dict(settled.wire),
        nonce=settled.nonce,
        vault_address=settled.vault_address,
        expires_after=settled.expires_after,
        approvals=settled.approvals,
        used=tuple(one.text for one in settled.decision.approved) if settled.decision else (),
    )


def _not_resumable() -> Conflict:
    words = "a request with this Idempotency-Key was cut off, and this release would not sign the same bytes for it"
    return Conflict("request-not-resumable", f"{words}: nothing was signed now; take a new key")
