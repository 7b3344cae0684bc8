"""How much there is in the database: wallets, key versions that wait or end, clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import clients, key_versions, wallets
from hyperkms.wallet import VersionState, WalletId

MOST_LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A key version that is neither current nor retired."""

    wallet: WalletId
    version: int
    since: int
    """Milliseconds since 1970: when it was made (pending)."""
    expires_at: int | None


@dataclass(frozen=True)
class Numbers:
    """By state."""

    wallets: Mapping[str, int]
    """live, retired."""
    key_versions: Mapping[str, int]
    """As VersionState has them."""
    clients: Mapping[str, int]
    """in-force, expired, revoked; the one of the API_KEY setting is no row and not counted."""


class Census:
    """Questions about everything; answered without touching a key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, now: int) -> Numbers:
        """One consistent view; `now` in milliseconds decides which clients have expired."""
        wallet_state = sa.case((wallets.c.retired_at.is_not(None), "retired"), else_="live")
        client_state = sa.case(
            (clients.c.revoked_at.is_not(None), "revoked"), (clients.c.expires_at <= now, "expired"), else_="in-force"
        )
        versions = (state.value for state in VersionState)
        with self._database.read() as connection:
            return Numbers(
                wallets=_count(connection, wallets, wallet_state, ("live", "retired")),
                key_versions=_count(connection, key_versions, key_versions.c.state, tuple(versions)),
                clients=_count(connection, clients, client_state, ("in-force", "expired", "revoked")),
            )

    def keys_in_kms(self) -> int:
        """Key versions whose keys AWS KMS keeps, but for those that were withdrawn."""
        kept = sa.and_(key_versions.c.kms_key.is_not(None), key_versions.c.destroyed_at.is_(None))
        query = sa.select(sa.func.count()).select_from(key_versions).where(kept)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def pending(self) -> Sequence[Standing]:
        """Versions that wait for their activation, the oldest 100 first."""
        return self._standing(VersionState.PENDING, key_versions.c.created_at)

    def in_grace(self) -> Sequence[Standing]:
        """Versions in grace, the 100 first that end first."""
        return self._standing(VersionState.RETIRING, key_versions.c.expires_at)

    def _standing(self, state: VersionState, order: sa.Column[int]) -> Sequence[Standing]:
        query = (
            sa.select(key_versions)
            .where(key_versions.c.state == state.value)
            .order_by(order, key_versions.c.wallet, key_versions.c.number)
            .limit(MOST_LISTED)
        )
        with self._database.read() as connection:
            return [
                Standing(
                    wallet=WalletId(row.wallet), version=row.number, since=row.created_at, expires_at=row.expires_at
                )
                for row in connection.execute(query)
            ]


def _count(
    connection: sa.Connection, table: sa.Table, state: sa.ColumnElement[str], states: tuple[str, ...]
) -> Mapping[str, int]:
    found = connection.execute(sa.select(state, sa.func.count()).select_from(table).group_by(state))
    return {**dict.fromkeys(states, 0), **{row[0]: row[1] for row in found}}
