"""Keys sealed anew where they are: each takes the place of the one before, in one step."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.key_store import Place, ReplacingKeyStore
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.root_change import Reseal, note_within, require_ours_within
from hyperkms.errors import NotFound, Tampered
from hyperkms.state.database import Database
from hyperkms.wallet import SealedKey, WalletId

_PAGE = 500
_FIRST = Place(WalletId(""), 0)


class InPlace:
    """For a key store that can put the one in the place of the other, and has a list of what it has."""

    def __init__(self, database: Database, store: ReplacingKeyStore, keyring: Keyring, *, is_another: bool) -> None:
        self._database = database
        self._store = store
        self._keyring = keyring
        self._is_another = is_another
        """Whether the root key is another one: then each key says whether it is done."""

    def begin_within(self, connection: sa.Connection) -> None:
        """Nothing beside the note."""

    def count(self, under_way: Reseal) -> int:
        """How many are still to be done."""
        return sum(1 for _ in self._due(under_way, is_another=self._is_another))

    def run(self, under_way: Reseal, progress: Callable[[], None]) -> tuple[Reseal, int]:
        """Each key: seal it anew, see that it opens, put it in its place, note how far it is. How many were done."""
        done = 0
        for place, sealed in self._due(under_way, is_another=self._is_another):
            done += self._replace(place, sealed)
            before, under_way = under_way, replace(under_way, wallet=place.wallet, version=place.version)
            with self._database.write() as connection:
                require_ours_within(connection, before)
                note_within(connection, under_way)
            progress()
        return under_way, done

    def is_left_within(self, _connection: sa.Connection, under_way: Reseal) -> bool:
        """Whether a key was made under the root key before since."""
        return any(True for _ in self._due(under_way, is_another=True))

    def finish_within(self, connection: sa.Connection) -> None:
        """Nothing beside the root key."""

    def _replace(self, place: Place, sealed: SealedKey) -> bool:
        """False if it was destroyed meanwhile."""
        context = context_of(place, sealed)
        return self._store.replace(*place, sealed, self._keyring.reseal(sealed, context))

    def _due(self, under_way: Reseal, *, is_another: bool) -> Iterator[tuple[Place, SealedKey]]:
        """Keys under another root key; where that stays the same, all behind the place that was noted."""
        noted = Place(WalletId(under_way.wallet), under_way.version)
        after = _FIRST if is_another else noted
        while places := self._store.places(after=after, limit=_PAGE):
            for place in places:
                try:
                    sealed = self._store.get(*place)
                except NotFound:  # it was destroyed meanwhile
                    continue
                if not is_another or _core.inspect_sealed_key(sealed).root_key_id != under_way.to:
                    yield place, sealed
            after = places[-1]


def context_of(place: Place, sealed: SealedKey) -> _core.Context:
    """What it is sealed for; Tampered unless that is its place."""
    context = _core.inspect_sealed_key(sealed).context
    if (context.wallet, context.version, context.purpose) != (*place, "private key"):
        words = f"the sealed key of wallet {place.wallet}, version {place.version}, is another's"
        raise Tampered("sealed-key-misplaced", words)
    return context
