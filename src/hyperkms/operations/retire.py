"""Retire: a wallet, or one of its versions, never signs again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperkms.operations.changing import Actor, Deed, commit, destroy_retired
from hyperkms.operations.in_shares import cosigners_that_sign_on
from hyperkms.operations.parts import Parts
from hyperkms.wallet import WalletId
from hyperkms.wallet_life import Change, KeyFate, WalletHistory, retire_version, retire_wallet


@dataclass(frozen=True, kw_only=True)
class RetireRequest:
    """What is asked for."""

    wallet: WalletId
    version: int | None = None
    """None: the wallet with all its versions."""
    reason: str | None = None
    fate: KeyFate = KeyFate.AFTER_GRACE
    """Of the wallet's sealed keys; that of a single version is destroyed at once in any case."""


@dataclass(frozen=True, kw_only=True)
class Retired:
    """What stands of the wallet."""

    history: WalletHistory
    signing_on: Mapping[str, str] = field(default_factory=dict)
    """Cosigners that would still sign with a wallet in shares that is retired here, by name, and why."""


def retire(parts: Parts, actor: Actor, request: RetireRequest) -> Retired:
    """Nothing signs with it once this returns; the tombstone stays. Asked for again, it answers the same.

    1. Read the wallet.
    2. Make the change in one transaction, if the wallet is as it was at 1.
    3. Drop the handles, and destroy the sealed keys that are due.
    4. Of a wallet in shares that goes through a last grace, have the cosigners refuse it too: now, since the client's
       request is evidence to them for some seconds only. They destroy their shares when their own grace is over.

    A process killed after 2 leaves 3 to the next sweep, or to the next one to ask, and 4 to the next one to ask.
    """
    history = parts.wallets.history(request.wallet)  # (1)
    change = _plan(parts, request, history)
    if change:
        operation = "retire-wallet" if request.version is None else "retire-version"
        commit(parts, actor, change, Deed(operation=operation, reason=request.reason))  # (2)
        for version in history.versions:  # (3)
            if request.version in (None, version.number):
                parts.keyring.forget(request.wallet, version.number)
    destroyed = destroy_retired(parts, actor, parts.wallets.history(request.wallet))
    if destroyed or change:
        history = parts.wallets.history(request.wallet)
    if request.version is None and any(version.destroyed_at is None for version in history.versions):
        return Retired(history=history, signing_on=cosigners_that_sign_on(parts, actor.asker, history.wallet))  # (4)
    return Retired(history=history)


def _plan(parts: Parts, request: RetireRequest, history: WalletHistory) -> Change | None:
    now = parts.clock()
    if request.version is not None:
        return retire_version(history, request.version, now=now)
    grace = parts.lifetimes.grace_ms
    return retire_wallet(history, now=now, grace_ms=grace, fate=request.fate, reason=request.reason)
