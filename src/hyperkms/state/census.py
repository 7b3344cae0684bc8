"""How many there are of what, for who watches the service."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import clients, key_versions, wallets
from hyperkms.wallet import VersionState


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
    """Counts rows."""

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


def _count(
    connection: sa.Connection, table: sa.Table, state: sa.ColumnElement[str], states: tuple[str, ...]
) -> Mapping[str, int]:
    found = connection.execute(sa.select(state, sa.func.count()).select_from(table).group_by(state))
    return {**dict.fromkeys(states, 0), **{row[0]: row[1] for row in found}}
