"""What the database holds of clients and their keys, and how it is read."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hyperkms.access.api_keys import KeyInForce
from hyperkms.access.client_terms import ClientState
from hyperkms.access.clients import Client, Operation, Role
from hyperkms.access.grants import NEVER, Grant, role_grants
from hyperkms.access.identity_records import IdentityRecord, all_identities, identities_of
from hyperkms.access.networks import Networks
from hyperkms.access.policy.document import canonical_text, limits_of
from hyperkms.access.signed_requests import IdentityInForce
from hyperkms.errors import HyperkmsError, NotFound, Tampered
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.state.database import Database
from hyperkms.state.row_bytes import CLIENT
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import client_identities, client_keys, clients, grants
from hyperkms.wallet import WalletId


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
    """With every grant that was not ended by somebody; some may have expired."""
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


def read_keys(rows: RowSignatures, database: Database) -> list[KeyInForce]:
    """Every key that is not revoked, of every client that is not, and whose rows are what was signed."""
    query = (
        sa.select(clients, client_keys.c.sha256, client_keys.c.expires_at.label("key_expires_at"))
        .join(client_keys, client_keys.c.client == clients.c.id)
        .where(clients.c.revoked_at.is_(None), client_keys.c.revoked_at.is_(None))
    )
    with rows.reading_all(database, CLIENT) as (connection, sound):
        found = [row for row in connection.execute(query) if row.id in sound]
        granted = _grants(connection, sound)
    made = {row.id: _client(row, granted.get(row.id, ())) for row in found}
    return [
        KeyInForce.of(bytes(row.sha256), made[row.id], _earlier(row.expires_at, row.key_expires_at)) for row in found
    ]


def read_identities(rows: RowSignatures, database: Database) -> dict[str, IdentityInForce]:
    """The same of every key that signs requests, by fingerprint."""
    identities = client_identities.c
    query = (
        sa.select(clients, identities.fingerprint, identities.public_key, identities.expires_at.label("key_expires_at"))
        .join(client_identities, identities.client == clients.c.id)
        .where(clients.c.revoked_at.is_(None), identities.revoked_at.is_(None))
    )
    with rows.reading_all(database, CLIENT) as (connection, sound):
        found = [row for row in connection.execute(query) if row.id in sound]
        granted = _grants(connection, sound)
    return {
        row.fingerprint: IdentityInForce(
            bytes(row.public_key),
            _client(row, granted.get(row.id, ())),
            _earlier(row.expires_at, row.key_expires_at),
        )
        for row in found
    }


def all_clients(connection: sa.Connection) -> list[ClientRecord]:
    """Every client, revoked ones included, in the order in which they were made."""
    rows = connection.execute(sa.select(clients).order_by(clients.c.number)).all()
    keys: dict[str, list[KeyRecord]] = {row.id: [] for row in rows}
    query = sa.select(client_keys).where(client_keys.c.revoked_at.is_(None))
    for key in connection.execute(query.order_by(client_keys.c.created_at, client_keys.c.prefix)):
        keys[key.client].append(_key(key))
    granted, identities = _grants(connection), all_identities(connection)
    return [_record(row, granted.get(row.id, ()), keys[row.id], identities.get(row.id, ())) for row in rows]


def find_client(connection: sa.Connection, name: str) -> ClientRecord | None:
    """The client, or None."""
    row = connection.execute(sa.select(clients).where(clients.c.name == name)).one_or_none()
    if row is None:
        return None
    query = sa.select(client_keys).where(client_keys.c.client == row.id, client_keys.c.revoked_at.is_(None))
    found = connection.execute(query.order_by(client_keys.c.created_at, client_keys.c.prefix))
    granted = _grants(connection, {row.id}).get(row.id, ())
    return _record(row, granted, map(_key, found), identities_of(connection, row.id))


def get_client(connection: sa.Connection, name: str) -> ClientRecord:
    """The client; NotFound if there never was one of that name."""
    found = find_client(connection, name)
    if found is None:
        raise no_such_client(name)
    return found


def no_such_client(name: str) -> NotFound:
    """The refusal of a name that no client ever had."""
    return NotFound("client-not-found", f"there is no client {name}")


def grant_row(grant: Grant, client_id: str, *, by: str | None, now: int) -> dict[str, Any]:
    """A grant as its table holds it."""
    actions = None if grant.actions is None else json.dumps(sorted(one.value for one in grant.actions))
    return {
        "id": grant.id,
        "client": client_id,
        "wallet": grant.wallet,
        "operation": grant.operation.value,
        "actions": actions,
        "limits": None if grant.limits is None else canonical_text(grant.limits),
        "created_at": now,
        "created_by": by,
        "expires_at": None if grant.expires_at == NEVER else grant.expires_at,
    }


def stored(networks: Networks | None) -> str | None:
    """Networks as the table of clients holds them."""
    return None if networks is None else json.dumps(networks.words())


def _grants(connection: sa.Connection, of: Collection[str] | None = None) -> dict[str, list[Grant]]:
    """Those that were not ended, by client (of these clients), in the order in which they were made."""
    query = sa.select(grants).where(grants.c.ended_at.is_(None)).order_by(grants.c.created_at, grants.c.id)
    if of is not None and len(of) == 1:
        query = query.where(grants.c.client.in_(of))
    found: dict[str, list[Grant]] = {}
    for row in connection.execute(query):
        if of is not None and row.client not in of:
            continue
        found.setdefault(row.client, []).append(_grant(row))
    return found


def _earlier(one: int | None, other: int | None) -> int:
    return min(NEVER if one is None else one, NEVER if other is None else other)


def _record(
    row: Any, granted: Iterable[Grant], keys: Iterable[KeyRecord], identities: Iterable[IdentityRecord]
) -> ClientRecord:
    return ClientRecord(
        client=_client(row, granted),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        keys=tuple(keys),
        identities=tuple(identities),
    )


def _key(row: Any) -> KeyRecord:
    return KeyRecord(prefix=row.prefix, created_at=row.created_at, expires_at=row.expires_at)


def _client(row: Any, granted: Iterable[Grant]) -> Client:
    try:
        role = Role(row.role)
        networks = None if row.networks is None else Networks.read(json.loads(row.networks))
    except ValueError as error:
        words = f"the database has a role or a network of client {row.name} that this release does not know"
        raise Tampered("client-damaged", words) from error
    own = tuple(granted) if role is Role.BOT else role_grants(role)
    return Client(name=row.name, number=row.number, role=role, grants=own, networks=networks)


def _grant(row: Any) -> Grant:
    try:
        return Grant(
            id=row.id,
            wallet=None if row.wallet is None else WalletId(row.wallet),
            operation=Operation(row.operation),
            actions=None if row.actions is None else frozenset(map(ActionClass, json.loads(row.actions))),
            limits=None if row.limits is None else limits_of(json.loads(row.limits)),
            expires_at=NEVER if row.expires_at is None else row.expires_at,
        )
    except (ValueError, HyperkmsError) as error:
        raise Tampered("client-damaged", f"the database has a grant {row.id} that this release cannot read") from error
