"""Keys sealed anew that move on: each gets a new place, and the one before is destroyed after that.

Which keys there are is said by the rows of the database: the store has no list.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.key_store import KeyStore, Place
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.custody.root_change import Reseal, note_within, require_ours_within
from hyperkms.errors import Conflict, NotFound, Tampered
from hyperkms.operations.resealing_in_place import context_of
from hyperkms.operations.restore import LISTED
from hyperkms.state.database import Database
from hyperkms.state.schema import key_versions
from hyperkms.wallet import SealedKey, WalletId


class Moved:
    """For a key store that never changes what it has."""

    def __init__(self, database: Database, store: MovingKeyStore, keyring: Keyring) -> None:
        self._database = database
        self._sealings = store.sealings
        self._keyring = keyring
        in_force = store.sealings.read().in_force
        self._before: KeyStore = store.at(in_force)
        self._after: KeyStore = store.at(in_force + 1)
        self._seen: set[Place] = set()
        """What this run knows to have moved, or to be destroyed."""

    def begin_within(self, connection: sa.Connection) -> None:
        """Releases that know one place for each key do not start any more."""
        self._sealings.begin_within(connection)

    def count(self, _under_way: Reseal) -> int:
        """How many there are: each is looked at, also by a run that goes on."""
        with self._database.read() as connection:
            return len(_listed_within(connection))

    def run(self, under_way: Reseal, progress: Callable[[], None]) -> tuple[Reseal, int]:
        """Each key: note that it moves, move it. How many were sealed anew, by this run.

        A run that was killed may have left a key that was destroyed while it moved: only the one that it noted.
        """
        if under_way.wallet:
            self._destroy_unlisted(Place(WalletId(under_way.wallet), under_way.version))
        done = 0
        with self._database.read() as connection:
            listed = _listed_within(connection)
        for place, public_key in listed.items():
            if place in self._seen:
                continue
            before, under_way = under_way, replace(under_way, wallet=place.wallet, version=place.version)
            with self._database.write() as connection:
                require_ours_within(connection, before)
                note_within(connection, under_way)
            done += self._move(place, public_key)
            self._seen.add(place)
            progress()
        return under_way, done

    def is_left_within(self, connection: sa.Connection, _under_way: Reseal) -> bool:
        """Whether a version was listed since; AWS is not asked while nobody else can write."""
        return any(place not in self._seen for place in _listed_within(connection))

    def finish_within(self, connection: sa.Connection) -> None:
        """Keys are looked for in the new places alone."""
        self._sealings.finish_within(connection)

    def _move(self, place: Place, public_key: bytes) -> bool:
        """Whether it was sealed anew now; not if it had moved already, or was destroyed meanwhile.

        1. What stands in the new place stays, if it is this key, and opens.
        2. Else seal the key anew, see that it opens, store it, and read it back.
        3. If its version has a key still, destroy the one before; else both. Who destroys it looks in both from its
           commit on: so either it is seen here, or it destroys what was stored at 2.
        """
        standing, made = _found(self._after, place), None  # (1)
        if standing is None and (sealed := _found(self._before, place)) is not None:
            made = self._made(place, sealed, public_key)  # (2)
            standing = _found(self._after, place)
        if standing is not None and standing != made:
            self._require_key(place, standing, public_key)
        if self._destroy_unlisted(place):  # (3)
            return False
        if standing is None:
            words = f"wallet {place.wallet} is listed and its sealed key, version {place.version}, is gone"
            raise Tampered("sealed-key-missing", words)
        self._before.delete(*place)
        return standing == made

    def _made(self, place: Place, sealed: SealedKey, public_key: bytes) -> SealedKey:
        """The key under a new data key, stored; unless somebody was faster."""
        if _core.inspect_sealed_key(sealed).public_key != public_key:
            words = f"the record of wallet {place.wallet} names another public key than its key has"
            raise Tampered("public-key-mismatch", f"{words}: version {place.version}")
        made = self._keyring.reseal(sealed, context_of(place, sealed))
        try:
            self._after.create(*place, made)
        except Conflict:
            return sealed
        return made

    def _require_key(self, place: Place, standing: SealedKey, public_key: bytes) -> None:
        header, context = _core.inspect_sealed_key(standing), context_of(place, standing)
        if (header.root_key_id, header.public_key) != (self._keyring.root_key_id, public_key):
            raise Tampered(
                "sealed-key-misplaced",
                f"where the key of wallet {place.wallet}, version {place.version}, sealed anew belongs there is "
                "another one, as after the database was put back (docs/recovery.md, A new root key)",
            )
        self._keyring.open(standing, context)

    def _destroy_unlisted(self, place: Place) -> bool:
        """Whether its version has no key any more: then there is none in either place."""
        with self._database.read() as connection:
            if place in _listed_within(connection, place):
                return False
        self._after.delete(*place)
        self._before.delete(*place)
        return True


def _listed_within(connection: sa.Connection, only: Place | None = None) -> Mapping[Place, bytes]:
    """The public keys of versions that have a sealed key, in order of their places."""
    columns = key_versions.c.wallet, key_versions.c.number
    query = LISTED if only is None else LISTED.where(columns[0] == only.wallet, columns[1] == only.version)
    found = connection.execute(query.order_by(*columns))
    return {Place(WalletId(row.wallet), row.number): bytes(row.public_key) for row in found}


def _found(store: KeyStore, place: Place) -> SealedKey | None:
    try:
        return store.get(*place)
    except NotFound:
        return None
