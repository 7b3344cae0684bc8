"""The sweep: what time brings about in the life of wallets. One process a store runs it."""

from collections.abc import Iterator
from dataclasses import dataclass

from hyperkms.custody.key_store import ListingKeyStore, Place
from hyperkms.errors import Conflict, Refused, Tampered, Unavailable
from hyperkms.operations.changing import Actor, Deed, commit, destroy_retired
from hyperkms.operations.in_shares import have_current
from hyperkms.operations.native import withdraw_left
from hyperkms.operations.parts import Parts
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.state.row_signatures import ROW_CODES
from hyperkms.threshold.coordinator.versions import NOBODY
from hyperkms.wallet import WalletId
from hyperkms.wallet_life import expire

ORPHAN_KEPT_MS = 15 * 60 * 1000
"""No call takes this long between storing a sealed key and listing its version."""
_PAGE = 1000


@dataclass(frozen=True)
class Swept:
    """One thing that the sweep did."""

    event: str
    """version-expired, key-destroyed, version-activated, orphan-removed, kms-key-withdrawn, wallet-rotated."""
    wallet: WalletId
    version: int


def sweep(parts: Parts, actor: Actor) -> Iterator[Swept]:
    """Do what is due now, and tell each thing once it is done.

    1. Versions whose grace has ended are retired.
    2. The sealed keys of retired versions are destroyed, also those that a killed call left.
    3. Cosigners that do not have current what is current here come to it; the rest waits while one of them is away.
    4. Wallets whose version is too old are rotated, if that is set.
    5. Requests of more than three days ago are forgotten, and used approvals that have ended.

    Every step can be cut off anywhere: the next sweep goes on. A wallet that somebody changes meanwhile is
    left to it as well.
    """
    for wallet in parts.upkeep.with_ended_grace(parts.clock()):  # (1)
        yield from _unless_changed(_expire(parts, actor, wallet))
    for wallet in parts.upkeep.with_keys_to_destroy():  # (2)
        yield from _unless_changed(_destroy(parts, actor, wallet))
    yield from _activate(parts)  # (3)
    if parts.lifetimes.rotate_after_ms is not None:  # (4)
        for wallet in parts.upkeep.with_version_from_before(parts.clock() - parts.lifetimes.rotate_after_ms):
            yield from _unless_changed(_rotate(parts, actor, wallet))
    parts.upkeep.forget_requests(parts.clock())  # (5)
    parts.approvals.forget_old(parts.clock())


def remove_orphans(parts: Parts) -> Iterator[Swept]:
    """Remove sealed keys that calls left which were cut off before they listed a version.

    1. Note those that no version names.
    2. Claim those that were noted long ago: nothing is listed in their place from here on.
    3. Delete them.  4. Free their places.
    5. The same with keys that AWS KMS was asked for.

    No key version changes, so the record has no line of it.
    """
    if isinstance(parts.key_store, ListingKeyStore):
        _note_orphans(parts, parts.key_store)  # (1)
    now = parts.clock()
    for wallet, version in parts.orphans.claim(found_before=now - ORPHAN_KEPT_MS, now=now):  # (2)
        parts.key_store.delete(wallet, version)  # (3)
        parts.orphans.forget(wallet, version)  # (4)
        yield Swept("orphan-removed", wallet, version)
    for wallet, version in withdraw_left(parts, begun_before=now - ORPHAN_KEPT_MS):  # (5)
        yield Swept("kms-key-withdrawn", wallet, version)


def drop_retired_handles(parts: Parts) -> None:
    """Forget the keys of versions that another process has retired; every process does this for itself."""
    for wallet, version in parts.upkeep.retired_among(parts.keyring.at_hand()):
        parts.keyring.forget(wallet, version)


def _note_orphans(parts: Parts, key_store: ListingKeyStore) -> None:
    after = Place(WalletId(""), 0)
    while page := key_store.places(after=after, limit=_PAGE):
        found = parts.orphans.unlisted(page)
        if found:
            parts.orphans.note(found, now=parts.clock())
        after = page[-1]


def _unless_changed(work: Iterator[Swept]) -> Iterator[Swept]:
    try:
        yield from work
    except (Conflict, Refused):  # somebody changed or retired the wallet meanwhile
        return
    except Tampered as why:
        if why.code not in ROW_CODES:
            raise  # else it was told, and the other wallets go on


def _destroy(parts: Parts, actor: Actor, wallet: WalletId) -> Iterator[Swept]:
    for version in destroy_retired(parts, actor, parts.wallets.history(wallet)):
        yield Swept("key-destroyed", wallet, version.number)


def _expire(parts: Parts, actor: Actor, wallet: WalletId) -> Iterator[Swept]:
    change = expire(parts.wallets.history(wallet), now=parts.clock())
    if change:
        commit(parts, actor, change, Deed(operation="expire"))
        for version in change.versions:
            yield Swept("version-expired", wallet, version.number)


def _activate(parts: Parts) -> Iterator[Swept]:
    here = parts.in_shares
    if here is None:
        return
    for wallet, number in parts.upkeep.rotated_in_shares():
        if (wallet, number) in here.activated:
            continue
        left = have_current(here, wallet, number, NOBODY)
        if any(isinstance(why, Unavailable) for why in left.values()):
            return
        if not left:
            yield Swept("version-activated", wallet, number)


def _rotate(parts: Parts, actor: Actor, wallet: WalletId) -> Iterator[Swept]:
    """A key in shares is rotated by hand alone: it takes every cosigner, and a client that they believe."""
    if parts.wallets.get(wallet).is_mpc:
        return
    rotated = rotate(parts, actor, RotateRequest(wallet=wallet, reason="its version had reached the age set for it"))
    yield Swept("wallet-rotated", wallet, rotated.new.number)
