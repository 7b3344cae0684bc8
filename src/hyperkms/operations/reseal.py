"""Seal every key of a data directory anew: under new data keys, or under another root key as well."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.audit.record import ResealRecord
from hyperkms.custody.key_store import Place, ReplacingKeyStore
from hyperkms.custody.log_keys import reseal_log_keys_within
from hyperkms.custody.root_change import Reseal, begun, finish_within, note_within
from hyperkms.custody.store_keys import reseal_store_key_within
from hyperkms.errors import NotFound, Refused, Tampered
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.state.facts import read
from hyperkms.wallet import SealedKey, WalletId

_PAGE = 500
_FIRST = Place(WalletId(""), 0)


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """What was done, by this run."""

    keys: int
    before: str
    """The id of the root key before."""
    root_key_id: str


def count_due(parts: Parts, to: str) -> int:
    """How many keys are still to be sealed anew."""
    under_way = begun(parts.database) or start(to)
    changes = read(parts.database, "root_key_id") != to
    return sum(1 for _ in _due(_store(parts), under_way, is_another=changes))


def reseal(parts: Parts, to: str, actor: Actor, progress: Callable[[], None]) -> Resealed:
    """Do it; a service that knows both root keys may run and sign meanwhile. Killed anywhere, it is run again.

    1. Note what is under way: from now on nobody opens the directory who does not know the new root key.
    2. Each key: seal it anew, see that it opens, put it in the place of the one before in one step, note how far it is.
       At each moment it opens under one of the two, and nothing of the one before is left.
    3. In one transaction: see that no key was made under the old root key meanwhile (else 2 once more), seal the
       log key and the store key anew, let the new root key be the directory's, write the line in the record.
    """
    _require_kms_where_it_signs(parts)
    database, store, done = parts.database, _store(parts), 0
    with database.write() as connection:  # (1)
        note_within(connection, require_same(begun(database), to) or start(to))
    is_another = read(database, "root_key_id") != to
    while True:
        under_way = begun(database) or start(to)
        for place, sealed in _due(store, under_way, is_another=is_another):  # (2)
            if _replace(parts, store, place, sealed):
                done += 1
            under_way = replace(under_way, wallet=place.wallet, version=place.version)
            with database.write() as connection:
                note_within(connection, under_way)
            progress()
        with database.write() as connection:  # (3)
            if any(True for _ in _due(store, under_way, is_another=True)):
                continue
            before = finished_within(connection, parts, actor, done)
        return Resealed(keys=done, before=before, root_key_id=to)


def finished_within(connection: sa.Connection, parts: Parts, actor: Actor, keys: int) -> str:
    """All else of a directory that is sealed goes under the root key in force, which is its own from the commit on.

    The line of it in the record is durable by then. Answers the root key that was left.
    """
    to = parts.keyring.root_key_id
    reseal_log_keys_within(connection, parts.keyring)
    reseal_store_key_within(connection, parts.keyring)
    before = finish_within(connection, to)
    record = ResealRecord(
        time=parts.clock(),
        request_id=actor.request_id,
        client=actor.client,
        operation="reseal",
        keys=keys,
        root_key_before=before,
        root_key=to,
    )
    parts.record.append(record).wait()
    return before


def _require_kms_where_it_signs(parts: Parts) -> None:
    """Refused for a root key that is not in AWS KMS while keys of wallets are: they would sign no more."""
    if parts.native is None and (count := parts.census.keys_in_kms()):
        words = f"AWS KMS keeps the keys of {count} versions, which sign under a root key in AWS KMS alone"
        raise Refused("kms-native-off", f"{words}: retire those wallets first, or choose a root key there")


def _replace(parts: Parts, store: ReplacingKeyStore, place: Place, sealed: SealedKey) -> bool:
    """False if it was destroyed meanwhile."""
    context = _core.inspect_sealed_key(sealed).context
    if (context.wallet, context.version, context.purpose) != (*place, "private key"):
        words = f"the sealed key of wallet {place.wallet}, version {place.version}, is another's"
        raise Tampered("sealed-key-misplaced", words)
    return store.replace(*place, sealed, parts.keyring.reseal(sealed, context))


def _due(store: ReplacingKeyStore, under_way: Reseal, *, is_another: bool) -> Iterator[tuple[Place, SealedKey]]:
    """Keys under another root key; where that stays the same, all behind the place that was noted."""
    noted = Place(WalletId(under_way.wallet), under_way.version)
    after = _FIRST if is_another else noted
    while places := store.places(after=after, limit=_PAGE):
        for place in places:
            try:
                sealed = store.get(*place)
            except NotFound:  # it was destroyed meanwhile
                continue
            if not is_another or _core.inspect_sealed_key(sealed).root_key_id != under_way.to:
                yield place, sealed
        after = places[-1]


def start(to: str) -> Reseal:
    """That it is begun, and nothing is done yet."""
    return Reseal(to=to, wallet="", version=0)


def require_same(under_way: Reseal | None, to: str) -> Reseal | None:
    """What is under way; Refused if it goes to another root key."""
    if under_way is not None and under_way.to != to:
        words = f"keys are being sealed anew under root key {under_way.to}, and this is {to}: finish that one first"
        raise Refused("reseal-unfinished", words)
    return under_way


def _store(parts: Parts) -> ReplacingKeyStore:
    if not isinstance(parts.key_store, ReplacingKeyStore):
        raise Refused("key-store-keeps", "this key store does not put one sealed key in the place of another")
    return parts.key_store
