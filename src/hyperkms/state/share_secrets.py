"""Sealed shares that are in secrets elsewhere, noted before they are stored, until they are destroyed.

One is noted first, then stored, then named by the row of its share. Whatever becomes of the row (it is never
inserted, dropped, retired, sealed anew), a note that no row names any more says what is left to destroy: so nothing
that was begun and cut off is forgotten, and nothing that a row names is destroyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import share_secrets as notes
from hyperkms.state.schema import shares
from hyperkms.wallet import WalletId


@dataclass(frozen=True, kw_only=True)
class ShareSecret:
    """A sealed share that may be in secrets."""

    digest: bytes
    """SHA-256 of what is sealed."""
    wallet: WalletId
    version: int
    epoch: int
    pieces: int
    """So many secrets have it, one after another."""
    noted_at: int


class ShareSecrets:
    """The table `share_secrets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, secret: ShareSecret) -> None:
        """It is about to be stored; durable on return."""
        with self._database.write() as connection:
            connection.execute(notes.insert().values(vars(secret)))

    def find(self, digest: bytes) -> ShareSecret | None:
        """The note of what has this digest."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(notes).where(notes.c.digest == digest)).one_or_none()
        return None if row is None else _secret(row)

    def unnamed(self, wallet: WalletId | None = None, version: int | None = None) -> Sequence[ShareSecret]:
        """Those that no share's row names: of one version of a wallet, or all."""
        query = sa.select(notes).where(~_named()).order_by(notes.c.noted_at)
        if wallet is not None:
            query = query.where(notes.c.wallet == wallet, notes.c.version == version)
        with self._database.read() as connection:
            return [_secret(row) for row in connection.execute(query)]

    def is_unnamed(self, secret: ShareSecret) -> bool:
        """Whether no share's row names it now."""
        query = sa.select(notes.c.digest).where(notes.c.digest == secret.digest, ~_named())
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def forget(self, secret: ShareSecret) -> None:
        """It is destroyed, or never was."""
        with self._database.write() as connection:
            connection.execute(notes.delete().where(notes.c.digest == secret.digest))


def _named() -> sa.ColumnElement[bool]:
    """By the row of its own place, which is found by the key of the table."""
    return sa.exists().where(
        shares.c.wallet == notes.c.wallet,
        shares.c.version == notes.c.version,
        shares.c.epoch == notes.c.epoch,
        shares.c.secret == notes.c.digest,
    )


def _secret(row: sa.Row[tuple[object, ...]]) -> ShareSecret:
    return ShareSecret(
        digest=bytes(row.digest),
        wallet=WalletId(row.wallet),
        version=row.version,
        epoch=row.epoch,
        pieces=row.pieces,
        noted_at=row.noted_at,
    )
