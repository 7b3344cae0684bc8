"""Rotate: a wallet gets a new key version."""

from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.key_store import KeyStore, require_kept
from hyperkms.errors import Conflict, NotFound
from hyperkms.operations.activate import Rotated, activate
from hyperkms.operations.changing import Actor, Deed, commit
from hyperkms.operations.in_shares import (
    activate_in_shares,
    admit_in_shares,
    cosigners_of,
    require_mpc,
    require_own_group,
)
from hyperkms.operations.native import make_key, withdrawn_unless_listed
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.kms_keys import listed_within
from hyperkms.threshold.coordinator.ceremonies import NewKey
from hyperkms.wallet import KeyType, Origin, PublicKey, SealedKey, WalletId, key_context
from hyperkms.wallet_life import Asked, Change, WalletHistory, add_pending, require_live, rotate_at_once


@dataclass(frozen=True, kw_only=True)
class RotateRequest:
    """What is asked for."""

    wallet: WalletId
    reason: str | None = None
    activate: bool | None = None
    """Whether the new version is current at once; None: it is for Ed25519, and pending for secp256k1,
    whose new address the exchange must know first."""


def rotate(
    parts: Parts, actor: Actor, request: RotateRequest, *, completion: Completion[Rotated] = nothing_more
) -> Rotated:
    """A new version, current or pending. Of several calls at once one wins; the others are told Conflict.

    1. Read the wallet. A version that is pending already is the answer, activated if that is asked for.
    2. Make and seal a key for the next number.
    3. Store it: durable, and never in the place of another.
    4. Open what is stored, as a later signature will.
    5. List the version and make it what was asked for, in one transaction, if the wallet is as it was at 1
       and the key is still what is stored.

    A process killed between 3 and 5 leaves a sealed key that no version names. The next rotation finds
    it at 3 and lists it, as it was never used; the sweep removes it if no rotation comes.
    """
    history = parts.wallets.history(request.wallet)  # (1)
    require_live(history.wallet)
    if history.wallet.is_mpc:
        return _rotate_in_shares(parts, actor, request, completion)
    if history.pending and _is_at_once(request, history):
        number = history.pending.number
        return activate(parts, actor, request.wallet, number, reason=request.reason, completion=completion)
    if history.pending:
        return Rotated(wallet=history.wallet, old=history.wallet.current, new=history.pending)
    if history.wallet.is_kms_native:
        return _rotate_in_kms(parts, actor, request, history, completion)
    context = _context(history)
    stored = _store(parts.key_store, history, parts.keyring.generate(context))  # (2) (3)
    public_key = PublicKey(parts.keyring.open(stored, context).public_key)  # (4)
    change = _plan(parts, actor, request, history, public_key)
    rotated = Rotated.of(history, change, history.next_number)

    def within(connection: sa.Connection) -> None:
        require_kept(parts.key_store, request.wallet, history.next_number, stored)
        completion(connection, rotated)

    commit(parts, actor, change, Deed(operation="rotate", reason=request.reason), within)  # (5)
    return rotated


def rotate_mpc(
    parts: Parts, actor: Actor, request: RotateRequest, *, completion: Completion[Rotated] = nothing_more
) -> Rotated:
    """The same for a wallet in shares alone; NotFound for another."""
    require_mpc(parts.wallets.get(request.wallet))
    return rotate(parts, actor, request, completion=completion)


def _rotate_in_shares(parts: Parts, actor: Actor, request: RotateRequest, completion: Completion[Rotated]) -> Rotated:
    """The same where cosigners make the key: nobody else is at the wallet meanwhile.

    2. Have the key made.  3. If it is to be current at once, the cosigners sign with it as well from here on.
    5. As above.  6. The cosigners have it current too, and the version before in grace.

    A process killed between 2 and 5 leaves the version before current here and there, and a key that the next rotation
    finds at 2. One killed after 5 leaves 6 to the sweep; meanwhile the new version signs.
    """
    wallet = parts.wallets.get(request.wallet)
    here = cosigners_of(parts, wallet.key_type)
    require_own_group(here, wallet)
    with here.turns.of(request.wallet):
        history = parts.wallets.history(request.wallet)
        require_live(history.wallet)
        if history.pending and _is_at_once(request, history):
            number = history.pending.number
            return activate(parts, actor, request.wallet, number, reason=request.reason, completion=completion)
        if history.pending:
            return Rotated(wallet=history.wallet, old=history.wallet.current, new=history.pending)
        wanted = NewKey(
            wallet=wallet.id,
            version=history.next_number,
            key_type=wallet.key_type.value,
            network=wallet.network.value if wallet.network else "none",
        )
        made = here.coordinator.generate(wanted, actor.asker)  # (2)
        change = _plan(parts, actor, request, history, PublicKey(made.public_key))
        is_at_once = _is_at_once(request, history)
        if is_at_once:
            admit_in_shares(parts, wallet, history.next_number, actor.asker)  # (3)
        rotated = Rotated.of(history, change, history.next_number)
        deed = Deed(operation="rotate", reason=request.reason)
        commit(parts, actor, change, deed, lambda connection: completion(connection, rotated))  # (5)
        if is_at_once:
            activate_in_shares(parts, wallet, history.next_number, actor.asker)  # (6)
        return rotated


def _rotate_in_kms(
    parts: Parts, actor: Actor, request: RotateRequest, history: WalletHistory, completion: Completion[Rotated]
) -> Rotated:
    """Steps 2 to 5 where AWS KMS makes the key; `native.make_key` says what a crash leaves."""
    wallet, number = history.wallet, history.next_number
    made = make_key(parts, wallet.id, number, wallet.key_type, wallet.network)
    change = _plan(parts, actor, request, history, made.public_key, kms_key=made.name)
    rotated = Rotated.of(history, change, number)

    def within(connection: sa.Connection) -> None:
        listed_within(connection, made.token)
        completion(connection, rotated)

    with withdrawn_unless_listed(parts, made):
        commit(parts, actor, change, Deed(operation="rotate", reason=request.reason), within)
    return rotated


def _context(history: WalletHistory) -> _core.Context:
    wallet = history.wallet
    return key_context(wallet.id, wallet.key_type, wallet.network, Origin.GENERATED, version=history.next_number)


def _store(key_store: KeyStore, history: WalletHistory, made: SealedKey) -> SealedKey:
    wallet, number = history.wallet.id, history.next_number
    try:
        key_store.create(wallet, number, made)
    except Conflict:
        try:
            return key_store.get(wallet, number)
        except NotFound as removed:
            words = f"another call changed wallet {wallet} at the same time: look at it, and ask again"
            raise Conflict("wallet-changed", words) from removed
    return made


def _plan(  # noqa: PLR0913 (what a change is made of)
    parts: Parts,
    actor: Actor,
    request: RotateRequest,
    history: WalletHistory,
    public_key: PublicKey,
    *,
    kms_key: str | None = None,
) -> Change:
    asked, now = Asked(client=actor.client, reason=request.reason), parts.clock()
    if _is_at_once(request, history):
        grace = parts.lifetimes.grace_ms
        return rotate_at_once(history, public_key, now=now, grace_ms=grace, asked=asked, kms_key=kms_key)
    return add_pending(history, public_key, now=now, asked=asked, kms_key=kms_key)


def _is_at_once(request: RotateRequest, history: WalletHistory) -> bool:
    if request.activate is None:
        return history.wallet.key_type is KeyType.ED25519
    return request.activate
