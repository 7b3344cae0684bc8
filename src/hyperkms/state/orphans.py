"""Sealed keys that no version names, and their removal without a race.

A call that makes a version stores its sealed key first and lists it after. A sealed key that is found
unlisted is noted; one that is still so long after is claimed, in a transaction that sees it is not
listed, and from then on none may list it (`listing.require_listable`). Once it is removed its place is free, and
who stored it and comes too late finds that it is gone (`key_store.require_kept`). So no listed version loses its key.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import key_versions, orphans
from hyperkms.wallet import WalletId

_NEEDED = sa.exists().where(
    key_versions.c.wallet == orphans.c.wallet,
    key_versions.c.number == orphans.c.version,
    key_versions.c.destroyed_at.is_(None),
)


class Orphans:
    """The table `orphans`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unlisted(self, places: Sequence[tuple[WalletId, int]]) -> Sequence[tuple[WalletId, int]]:
        """Those of the places, which are in order, that no version names, or one whose key was destroyed."""
        if not places:
            return []
        place = key_versions.c.wallet, key_versions.c.number
        between = sa.tuple_(*place).between(sa.tuple_(*places[0]), sa.tuple_(*places[-1]))
        query = sa.select(*place).where(between, key_versions.c.destroyed_at.is_(None))
        with self._database.read() as connection:
            listed = {(row.wallet, row.number) for row in connection.execute(query)}
        return [found for found in places if found not in listed]

    def note(self, places: Sequence[tuple[WalletId, int]], *, now: int) -> None:
        """Remember when each was first found."""
        with self._database.write() as connection:
            for wallet, version in places:
                if connection.execute(sa.select(orphans.c.found_at).where(*_at(wallet, version))).first() is None:
                    connection.execute(orphans.insert().values(wallet=wallet, version=version, found_at=now))

    def claim(self, *, found_before: int, now: int) -> Sequence[tuple[WalletId, int]]:
        """Those that may be removed: nothing can be listed in their place until `forget`."""
        with self._database.read() as connection:
            if connection.execute(sa.select(orphans.c.wallet).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            connection.execute(orphans.delete().where(orphans.c.removed_at.is_(None), _NEEDED))
            due = sa.and_(orphans.c.removed_at.is_(None), orphans.c.found_at <= found_before)
            connection.execute(orphans.update().where(due).values(removed_at=now))
            claimed = sa.select(orphans.c.wallet, orphans.c.version).where(orphans.c.removed_at.is_not(None))
            return [(WalletId(row.wallet), row.version) for row in connection.execute(claimed)]

    def forget(self, wallet: WalletId, version: int) -> None:
        """Its sealed key is gone; the place is free."""
        with self._database.write() as connection:
            connection.execute(orphans.delete().where(*_at(wallet, version)))


def _at(wallet: WalletId, version: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return orphans.c.wallet == wallet, orphans.c.version == version
