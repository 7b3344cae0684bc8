"""Sealed keys in the service's own database."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.custody.key_store import Place
from hyperkms.custody.root_change import require_not_left
from hyperkms.errors import Conflict, NotFound
from hyperkms.state.database import Database
from hyperkms.state.schema import sealed_keys
from hyperkms.wallet import SealedKey, WalletId


class DatabaseKeyStore:
    """The table `sealed_keys`; the database's own uniqueness makes `create` atomic."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it, durable on return; Conflict if that place is taken."""
        try:
            with self._database.write() as connection:
                require_not_left(connection, sealed)
                connection.execute(sealed_keys.insert().values(wallet=wallet, version=version, sealed=sealed))
        except IntegrityError as error:
            raise Conflict("sealed-key-exists", f"wallet {wallet} version {version} has a sealed key") from error

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored; NotFound if nothing was."""
        query = sa.select(sealed_keys.c.sealed).where(*_place(wallet, version))
        with self._database.read() as connection:
            sealed = connection.execute(query).scalar()
        if sealed is None:
            raise NotFound("sealed-key-not-found", f"wallet {wallet} version {version} has no sealed key")
        return SealedKey(bytes(sealed))

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there."""
        with self._database.write() as connection:
            connection.execute(sealed_keys.delete().where(*_place(wallet, version)))

    def replace(self, wallet: WalletId, version: int, before: SealedKey, after: SealedKey) -> bool:
        """Put the same key, sealed anew, in its place; the file keeps zeros where the one before was."""
        due = sa.and_(*_place(wallet, version), sealed_keys.c.sealed == before)
        with self._database.write() as connection:
            return connection.execute(sealed_keys.update().where(due).values(sealed=after)).rowcount == 1

    def places(self, *, after: Place, limit: int) -> Sequence[Place]:
        """At most `limit` places after `after`, in order of wallet and version."""
        columns = sealed_keys.c.wallet, sealed_keys.c.version
        query = sa.select(*columns).where(sa.tuple_(*columns) > sa.tuple_(*after)).order_by(*columns).limit(limit)
        with self._database.read() as connection:
            return [Place(WalletId(row.wallet), row.version) for row in connection.execute(query)]


def _place(wallet: WalletId, version: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return sealed_keys.c.wallet == wallet, sealed_keys.c.version == version
