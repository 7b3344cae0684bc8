"""A cosigner was lost and another took its place: it gets a share of every key, and what was lost becomes worthless."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import sqlalchemy as sa

from hyperkms.errors import HyperkmsError
from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.in_shares import InShares, cosigners_of, threshold_key
from hyperkms.operations.parts import Parts
from hyperkms.state.share_rows import move_wallet_within
from hyperkms.wallet import KeyVersion, VersionState, Wallet, WalletId
from hyperkms.wallet_life import Change, WalletHistory, is_over, require_live

LONGEST_S = 10.0
"""After so long a call begins with no further wallet."""
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Remade:
    """A version whose shares were made anew."""

    version: int
    epoch: int
    repaired: tuple[str, ...]
    """The cosigners that had no share of it, before this call or one that was cut off."""


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What was done for a wallet."""

    wallet: WalletId
    outcome: Literal["replaced", "nothing-due", "failed"]
    versions: Sequence[Remade] = ()
    failure: HyperkmsError | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """The wallets of one call."""

    wallets: Sequence[Replaced]
    next: str | None
    """The last id that was looked at; None at the end."""


def replace_lost(parts: Parts, actor: Actor, after: str = "") -> Page:
    """For every wallet in shares whose id comes after this one, until some seconds are over; see `_replace`.

    A wallet that fails is named and left for the next call, and the rest goes on. Nothing is done twice.
    """
    done: list[Replaced] = []
    until = time.monotonic() + LONGEST_S
    for wallet in _in_shares(parts, after):
        if time.monotonic() > until:
            return Page(wallets=done, next=done[-1].wallet)
        done.append(_attempt(parts, actor, wallet.id))
    return Page(wallets=done, next=None)


def _in_shares(parts: Parts, after: str) -> Iterator[Wallet]:
    while page := parts.wallets.page(after=after, limit=_PAGE):
        yield from (wallet for wallet in page if wallet.is_mpc)
        after = page[-1].id


def _attempt(parts: Parts, actor: Actor, wallet: WalletId) -> Replaced:
    try:
        return _replace(parts, actor, wallet)
    except HyperkmsError as error:
        return Replaced(wallet=wallet, outcome="failed", failure=error)


def _replace(parts: Parts, actor: Actor, wallet_id: WalletId) -> Replaced:
    """Make whole what the cosigners hold of a wallet.

    1. Nobody else is at the wallet.
    2. Of each version that signs or waits, t cosigners make the share of whoever has none of its epoch.
    3. If anything was missing, now or when a call before was cut off, or the group is a new one, all make the next
       epoch: the shares before are destroyed, and that of the lost cosigner belongs to no epoch that signs.
    4. The wallet is noted to be in shares of the new group, once the line of the record is durable.
    Cut off anywhere, the next call goes on.
    """
    wallet = require_live(parts.wallets.get(wallet_id))
    here = cosigners_of(parts, wallet.key_type)
    with here.turns.of(wallet_id):  # (1)
        history = parts.wallets.history(wallet_id)
        due = _versions(history, parts.clock())
        is_moved = history.wallet.group_id != here.coordinator.group.id
        remade = [_remake(parts, actor, history.wallet, version, is_moved=is_moved) for version in due]  # (2) (3)
        done = [one for one in remade if one is not None]
        if not is_moved and not done:
            return Replaced(wallet=wallet_id, outcome="nothing-due")
        _move(parts, actor, history, here, done)  # (4)
    return Replaced(wallet=wallet_id, outcome="replaced", versions=done)


def _versions(history: WalletHistory, now: int) -> Sequence[KeyVersion]:
    """Those that sign, or will."""
    return [one for one in history.versions if one.state is not VersionState.RETIRED and not is_over(one, now)]


def _remake(parts: Parts, actor: Actor, wallet: Wallet, version: KeyVersion, *, is_moved: bool) -> Remade | None:
    found = threshold_key(parts, wallet, version)
    repaired = found.coordinator.repair(found.key, actor.asker)  # (2)
    if not repaired and not is_moved:
        return None
    made = found.coordinator.refresh(found.key, actor.asker)  # (3)
    return Remade(version=version.number, epoch=made.share.epoch, repaired=repaired)


def _move(parts: Parts, actor: Actor, history: WalletHistory, here: InShares, done: Sequence[Remade]) -> None:
    wallet, group = history.wallet, here.coordinator.group
    numbers = {one.version for one in done}
    versions = [one for one in history.versions if one.number in numbers]
    names = sorted({name for one in done for name in one.repaired})
    reason = f"shares made for {', '.join(names) or 'nobody'}; group {group.name} ({group.fingerprint})"
    note = partial(write_down, parts, actor, wallet.id, versions, Deed(operation="replace-cosigner", reason=reason))

    def before_commit(connection: sa.Connection) -> None:
        move_wallet_within(connection, wallet.id, group.id)
        note()

    change = Change(wallet=replace(wallet, revision=wallet.revision + 1), versions=())
    parts.wallets.apply(change, before_commit=before_commit)
