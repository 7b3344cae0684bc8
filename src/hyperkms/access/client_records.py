"""What the database holds of clients and their keys, and how it is read."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from hyperkms.access.api_keys import NEVER, KeyInForce
from hyperkms.access.clients import Client, Operation, Role, client
from hyperkms.access.identity_records import IdentityRecord, all_identities, identities_of
from hyperkms.access.signed_requests import IdentityInForce
from hyperkms.errors import NotFound, Tampered
from hyperkms.state.database import Database
from hyperkms.state.schema import client_identities, client_keys, clients
from hyperkms.wallet import WalletId

ClientState: TypeAlias = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """What is known of an API key."""

    prefix: str
    created_at: int
    expires_at: int | None


@dataclass(frozen=True, kw_only=True)
class ClientRecord:
    """A client as it is listed. Times are milliseconds since 1970."""

    client: Client
    allowed: frozenset[Operation] | None
    """As it was asked for; None where the role says."""
    created_at: int
    created_by: str | None
    expires_at: int | None
    revoked_at: int | None
    keys: tuple[KeyRecord, ...]
    """Those that are not revoked, oldest first; some may have expired."""
    identities: tuple[IdentityRecord, ...] = ()
    """The same of its keys that sign requests."""

    def state(self, now: int) -> ClientState:
        """Whether its keys are good for anything now."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def read_keys(database: Database) -> list[KeyInForce]:
    """Every key that is not revoked, of every client that is not."""
    query = (
        sa.select(clients, client_keys.c.sha256, client_keys.c.expires_at.label("key_expires_at"))
        .join(client_keys, client_keys.c.client == clients.c.id)
        .where(clients.c.revoked_at.is_(None), client_keys.c.revoked_at.is_(None))
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [KeyInForce(bytes(row.sha256), _client(row), _earlier(row.expires_at, row.key_expires_at)) for row in rows]


def read_identities(database: Database) -> dict[str, IdentityInForce]:
    """Every key that signs requests and is not revoked, of every client that is not, by fingerprint."""
    identities = client_identities.c
    query = (
        sa.select(clients, identities.fingerprint, identities.public_key, identities.expires_at.label("key_expires_at"))
        .join(client_identities, identities.client == clients.c.id)
        .where(clients.c.revoked_at.is_(None), identities.revoked_at.is_(None))
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return {
        row.fingerprint: IdentityInForce(
            bytes(row.public_key), _client(row), _earlier(row.expires_at, row.key_expires_at)
        )
        for row in rows
    }


def all_clients(connection: sa.Connection) -> list[ClientRecord]:
    """Every client, revoked ones included, in the order in which they were made."""
    rows = connection.execute(sa.select(clients).order_by(clients.c.number)).all()
    keys: dict[str, list[KeyRecord]] = {row.id: [] for row in rows}
    query = sa.select(client_keys).where(client_keys.c.revoked_at.is_(None))
    for key in connection.execute(query.order_by(client_keys.c.created_at, client_keys.c.prefix)):
        keys[key.client].append(_key(key))
    identities = all_identities(connection)
    return [_record(row, keys[row.id], identities.get(row.id, ())) for row in rows]


def find_client(connection: sa.Connection, name: str) -> ClientRecord | None:
    """The client, or None."""
    row = connection.execute(sa.select(clients).where(clients.c.name == name)).one_or_none()
    if row is None:
        return None
    query = sa.select(client_keys).where(client_keys.c.client == row.id, client_keys.c.revoked_at.is_(None))
    found = connection.execute(query.order_by(client_keys.c.created_at, client_keys.c.prefix))
    return _record(row, map(_key, found), identities_of(connection, row.id))


def get_client(connection: sa.Connection, name: str) -> ClientRecord:
    """The client; NotFound if there never was one of that name."""
    found = find_client(connection, name)
    if found is None:
        raise NotFound("client-not-found", f"there is no client {name}")
    return found


def stored(values: Iterable[str] | None) -> str | None:
    """Wallets or operations as the tables hold them."""
    return None if values is None else json.dumps(sorted(values))


def _earlier(one: int | None, other: int | None) -> int:
    return min(NEVER if one is None else one, NEVER if other is None else other)


def _record(row: Any, keys: Iterable[KeyRecord], identities: Iterable[IdentityRecord]) -> ClientRecord:
    return ClientRecord(
        client=_client(row),
        allowed=None if row.operations is None else _allowed(row),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        keys=tuple(keys),
        identities=tuple(identities),
    )


def _key(row: Any) -> KeyRecord:
    return KeyRecord(prefix=row.prefix, created_at=row.created_at, expires_at=row.expires_at)


def _client(row: Any) -> Client:
    wallets = None if row.wallets is None else frozenset(WalletId(wallet) for wallet in json.loads(row.wallets))
    try:
        return client(row.name, Role(row.role), number=row.number, wallets=wallets, allowed=_allowed(row))
    except ValueError as error:
        words = f"the database has a role or an operation of client {row.name} that this release does not know"
        raise Tampered("client-damaged", words) from error


def _allowed(row: Any) -> frozenset[Operation]:
    return frozenset(Operation(word) for word in json.loads(row.operations or "[]"))
