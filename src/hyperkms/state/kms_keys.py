"""Keys that AWS KMS is asked to make: noted before it is asked, until a version names them or they are withdrawn.

KMS makes a key at each call, and has no name under which the same call would be found again. So a call notes a token
first, which the key bears as a tag, and the key once it knows it. The transaction that lists a version takes the note
away. A note that is still there long after is claimed, in a transaction, and from then on none may list its key: so no
listed version loses its key, and no other key is left without anybody knowing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.state.database import Database
from hyperkms.state.schema import kms_keys_begun as begun
from hyperkms.wallet import WalletId


@dataclass(frozen=True)
class BegunKmsKey:
    """A key that KMS was asked for."""

    token: str
    wallet: WalletId
    version: int
    kms_key: str | None
    """Its ARN; None: KMS was asked, and what it answered nobody has noted."""


class KmsKeysBegun:
    """The table `kms_keys_begun`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, token: str, wallet: WalletId, version: int, *, now: int) -> None:
        """Note that KMS is about to be asked; durable on return."""
        with self._database.write() as connection:
            row = {"token": token, "wallet": wallet, "version": version, "begun_at": now}
            connection.execute(begun.insert().values(row))

    def note(self, token: str, kms_key: str) -> None:
        """Note the key that was made; durable on return."""
        with self._database.write() as connection:
            connection.execute(begun.update().where(begun.c.token == token).values(kms_key=kms_key))

    def claim(self, *, begun_before: int, now: int) -> Sequence[BegunKmsKey]:
        """Those that may be withdrawn: no version can be listed with them any more."""
        with self._database.read() as connection:
            if connection.execute(sa.select(begun.c.token).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            due = sa.and_(begun.c.removed_at.is_(None), begun.c.begun_at <= begun_before)
            connection.execute(begun.update().where(due).values(removed_at=now))
            rows = connection.execute(sa.select(begun).where(begun.c.removed_at.is_not(None))).all()
        return [BegunKmsKey(row.token, WalletId(row.wallet), row.version, row.kms_key) for row in rows]

    def claim_one(self, token: str, *, now: int) -> bool:
        """The same of a call that has failed; False if a version was listed with its key after all."""
        with self._database.write() as connection:
            due = begun.update().where(begun.c.token == token, begun.c.removed_at.is_(None))
            return connection.execute(due.values(removed_at=now)).rowcount == 1

    def forget(self, token: str) -> None:
        """Its key is withdrawn, or never was."""
        with self._database.write() as connection:
            connection.execute(begun.delete().where(begun.c.token == token))

    def left(self, *, begun_before: int) -> int:
        """How many calls were cut off and are not cleared away yet."""
        query = sa.select(sa.func.count()).select_from(begun).where(begun.c.begun_at <= begun_before)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def listed_within(connection: sa.Connection, token: str) -> None:
    """In the transaction that lists a version with the key; Unavailable if the key is being withdrawn."""
    standing = begun.delete().where(begun.c.token == token, begun.c.removed_at.is_(None))
    if connection.execute(standing).rowcount != 1:
        words = "this took so long that the key in AWS KMS is being withdrawn: ask again"
        raise Unavailable("sealed-key-being-removed", words)
