"""Public keys by which clients sign their requests, as the database holds them."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.access.identity_key import IdentityKey
from hyperkms.errors import Conflict
from hyperkms.state.schema import client_identities, clients, key_versions

_ORDER = (client_identities.c.created_at, client_identities.c.fingerprint)


@dataclass(frozen=True, kw_only=True)
class IdentityRecord:
    """What is known of such a key. Times are milliseconds since 1970."""

    key: IdentityKey
    created_at: int
    expires_at: int | None


def identities_of(connection: sa.Connection, client_id: str) -> tuple[IdentityRecord, ...]:
    """Those of a client that are not revoked, oldest first; some may have expired."""
    query = sa.select(client_identities).where(
        client_identities.c.client == client_id, client_identities.c.revoked_at.is_(None)
    )
    return tuple(_record(row) for row in connection.execute(query.order_by(*_ORDER)))


def all_identities(connection: sa.Connection) -> dict[str, list[IdentityRecord]]:
    """The same of every client, by its id."""
    found: dict[str, list[IdentityRecord]] = {}
    query = sa.select(client_identities).where(client_identities.c.revoked_at.is_(None))
    for row in connection.execute(query.order_by(*_ORDER)):
        found.setdefault(row.client, []).append(_record(row))
    return found


def insert_identity(connection: sa.Connection, name: str, key: IdentityKey, now: int) -> None:
    """Give it to a client. Conflict for a key that was ever given to one, and for a wallet's: each has one use."""
    if connection.execute(sa.select(key_versions.c.wallet).where(key_versions.c.public_key == key.public_key)).first():
        raise Conflict("public-key-taken", f"the public key {key.fingerprint} is a wallet's; make one for this alone")
    taken = client_identities.c.fingerprint == key.fingerprint
    if connection.execute(sa.select(client_identities.c.client).where(taken)).first():
        words = f"the public key {key.fingerprint} is or was a client's here; make a new one"
        raise Conflict("public-key-taken", words)
    owner = sa.select(clients.c.id).where(clients.c.name == name).scalar_subquery()
    row = {"fingerprint": key.fingerprint, "client": owner, "public_key": key.public_key, "created_at": now}
    connection.execute(client_identities.insert().values(row))


def expire_identities(connection: sa.Connection, records: Iterable[IdentityRecord], at: int) -> None:
    """Let them be good until then, and no longer than they were."""
    for record in records:
        until = at if record.expires_at is None else min(record.expires_at, at)
        connection.execute(_update(record).values(expires_at=until))


def revoke_identities(connection: sa.Connection, records: Iterable[IdentityRecord], now: int) -> None:
    """End them for ever."""
    for record in records:
        connection.execute(_update(record).values(revoked_at=now))


def _update(record: IdentityRecord) -> sa.Update:
    return client_identities.update().where(client_identities.c.fingerprint == record.key.fingerprint)


def _record(row: sa.Row[tuple[object, ...]]) -> IdentityRecord:
    key = IdentityKey(bytes(row.public_key), row.fingerprint)
    return IdentityRecord(key=key, created_at=row.created_at, expires_at=row.expires_at)
