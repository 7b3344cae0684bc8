"""The log key and the store key of a directory, sealed anew together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.root_change import taken_over
from hyperkms.state.database import Database
from hyperkms.state.schema import log_keys, store_keys
from hyperkms.wallet import SealedKey

_CONTEXTS = ((log_keys, _core.Context.of_log_key()), (store_keys, _core.store_key_context()))


class _Row(NamedTuple):
    table: sa.Table
    id: str
    before: bytes
    after: bytes


@dataclass(frozen=True)
class OwnKeys:
    """Each under a new data key of the root key in force, and not stored: a root key far away is asked before."""

    _rows: Sequence[_Row]

    @classmethod
    def resealed(cls, database: Database, keyring: Keyring) -> "OwnKeys":
        """As they stand now; each is known to open."""
        with database.read() as connection:
            found = [
                (table, row.id, bytes(row.sealed), context)
                for table, context in _CONTEXTS
                for row in connection.execute(sa.select(table.c.id, table.c.sealed)).all()
            ]
        return cls(
            [_Row(table, name, sealed, keyring.reseal(SealedKey(sealed), of)) for table, name, sealed, of in found]
        )

    def replace_within(self, connection: sa.Connection) -> None:
        """In their places once the transaction commits; Conflict if they are others by now."""
        standing = sum(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table, _ in _CONTEXTS
        )
        replaced = 0
        for row in self._rows:
            due = sa.and_(row.table.c.id == row.id, row.table.c.sealed == row.before)
            replaced += connection.execute(row.table.update().where(due).values(sealed=row.after)).rowcount
        if not replaced == standing == len(self._rows):
            raise taken_over()
