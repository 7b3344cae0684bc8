"""Clients made, listed and revoked, their keys changed; every process knows of each change at once."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sqlalchemy as sa

from hyperkms.access.api_keys import PREFIX_LENGTH, new_key, sha256
from hyperkms.access.client_records import (
    ClientRecord,
    all_clients,
    find_client,
    get_client,
    grant_row,
    no_such_client,
    stored,
)
from hyperkms.access.clients import ADMINISTRATOR, Operation, Role
from hyperkms.access.grants import NEVER, Grant, granted
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.identity_records import expire_identities, insert_identity, revoke_identities
from hyperkms.access.limits import MAX_CLIENTS
from hyperkms.access.networks import Networks
from hyperkms.access.policy.document import LimitsDocument
from hyperkms.access.roles import EVERYWHERE, SIGN_ACTIONS
from hyperkms.errors import Conflict, Malformed, NotFound, Refused
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.row_bytes import CLIENT, client_subject
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import client_keys, clients, grants
from hyperkms.wallet import WalletId

BeforeCommit: TypeAlias = Callable[[ClientRecord], None]
"""Called with the client as it will stand, once nothing else can be refused; what it raises undoes the change."""

_ADMINISTRATORS = sa.select(clients.c.id).where(clients.c.role == Role.ADMINISTRATOR.value)


@dataclass(frozen=True, kw_only=True)
class NewGrants:
    """What is to be granted: each of these operations with each of these wallets."""

    wallets: frozenset[WalletId] | None = None
    """None for every wallet."""
    allowed: frozenset[Operation] | None = None
    """None for nothing, or what the role says."""
    actions: frozenset[ActionClass] | None = None
    """The classes of actions; None for every class."""
    limits: LimitsDocument | None = None
    expires_at: int | None = None
    """Milliseconds since 1970."""

    def __post_init__(self) -> None:
        """Malformed if its members do not go together."""
        if self.allowed and Operation.ADMINISTER in self.allowed:
            raise Malformed.at("allow", "administer comes with the role administrator, never alone")
        if self.wallets is not None and not self.wallets:
            raise Malformed.at("wallets", "name at least one wallet; left out it means every wallet")
        if self.wallets is not None and self.allowed and self.allowed & EVERYWHERE:
            words = "audit and metrics are of the whole service: grant them without wallets"
            raise Malformed.at("wallets", words)
        if (self.actions is not None or self.limits is not None) and not (self.allowed and self.allowed & SIGN_ACTIONS):
            raise Malformed.at("allow", "actions and limits are for trade and sign-order, and neither is allowed")

    def made(self) -> tuple[Grant, ...]:
        """The grants, each with an id of its own."""
        ends = NEVER if self.expires_at is None else self.expires_at
        return granted(self.wallets, self.allowed or (), actions=self.actions, limits=self.limits, expires_at=ends)


@dataclass(frozen=True, kw_only=True)
class NewClient(NewGrants):
    """What is asked for; `expires_at` is of the client, and its grants end with it."""

    name: str
    role: Role
    networks: Networks | None = None
    """None: it may ask from anywhere."""
    identity: IdentityKey | None = None
    """The key that signs its requests; it gets no API key then."""

    def __post_init__(self) -> None:
        """Malformed if its members do not go together."""
        if self.role is not Role.BOT and self.allowed is not None:
            raise Malformed.at("allow", f"is for the role bot; the role {self.role.value} says what it may")
        if self.role is not Role.BOT and self.wallets is not None:
            words = f"the role {self.role.value} is for every wallet: leave it out, or grant a bot what it should have"
            raise Malformed.at("wallets", words)
        super().__post_init__()


@dataclass(frozen=True)
class Change:
    """Who changes something, and when, in milliseconds since 1970."""

    by: str
    now: int


@dataclass(frozen=True)
class Issued:
    """A client with its new API key, which is shown once and kept nowhere; empty where it signs its requests."""

    record: ClientRecord
    key: str

    def __repr__(self) -> str:
        return f"Issued({self.record.client!r})"


class Clients:
    """Clients by name. A name is never used twice: a revoked client keeps its own.

    One whose rows are not what was signed is Tampered when it is looked at alone or is to be changed; a list has it.
    """

    def __init__(self, database: Database, generation: Generation, rows: RowSignatures) -> None:
        self._database = database
        self._generation = generation
        self._rows = rows

    def create(
        self,
        new: NewClient,
        *,
        by: str,
        now: int,
        before_commit: BeforeCommit,
        completion: Completion[Issued] = nothing_more,
    ) -> Issued:
        """A client with its first key, durable; Conflict if the name was ever taken."""
        client_id = secrets.token_hex(16)
        with self._changing(client_id) as connection:
            if find_client(connection, new.name):
                words = f"client {new.name} exists already, or once did; a name is never used twice"
                raise Conflict("client-exists", words)
            key = _insert(connection, client_id, new, by=by, now=now)
            issued = Issued(_changed(connection, new.name, before_commit), key)
            completion(connection, issued)
            return issued

    def list(self) -> list[ClientRecord]:
        """Every client, revoked ones included, in the order in which they were made."""
        with self._rows.reading_all(self._database, CLIENT) as (connection, _):
            return all_clients(connection)

    def find(self, name: str) -> ClientRecord | None:
        """The client; None if there never was one of that name."""
        client_id = self._find_id(name)
        if client_id is None:
            return None
        with self._rows.reading(self._database, client_subject(client_id)) as connection:
            return find_client(connection, name)

    def get(self, name: str) -> ClientRecord:
        """The client; NotFound if there never was one of that name."""
        with self._rows.reading(self._database, client_subject(self._id_of(name))) as connection:
            return get_client(connection, name)

    def grant(
        self,
        name: str,
        new: NewGrants,
        change: Change,
        *,
        before_commit: BeforeCommit,
        completion: Completion[ClientRecord] = nothing_more,
    ) -> ClientRecord:
        """Give a bot more; Conflict for one that is revoked or has expired."""
        with self._changing(self._id_of(name)) as connection:
            found = get_client(connection, name)
            _require_in_force(found, change.now)
            _require_bot(found)
            owner = _id_of(connection, name)
            for one in new.made():
                connection.execute(grants.insert().values(grant_row(one, owner, by=change.by, now=change.now)))
            changed = _changed(connection, name, before_commit)
            completion(connection, changed)
            return changed

    def end_grant(
        self,
        name: str,
        grant: str,
        *,
        now: int,
        before_commit: BeforeCommit,
        completion: Completion[ClientRecord] = nothing_more,
    ) -> ClientRecord:
        """Take a grant back; it holds for no request that comes after. NotFound if it is none of this client."""
        with self._changing(self._id_of(name)) as connection:
            found = get_client(connection, name)
            if grant not in {one.id for one in found.client.grants}:
                raise NotFound("grant-not-found", f"client {name} has no grant {grant}")
            connection.execute(grants.update().where(grants.c.id == grant).values(ended_at=now))
            changed = _changed(connection, name, before_commit)
            completion(connection, changed)
            return changed

    def revoke(
        self,
        name: str,
        *,
        now: int,
        before_commit: BeforeCommit,
        completion: Completion[ClientRecord] = nothing_more,
    ) -> ClientRecord:
        """End a client and all its keys, for ever; one that is revoked stays as it is.

        Refused for the last administrator in force: nobody could administer the service any more.
        """
        with self._changing(self._id_of(name)) as connection:
            found = get_client(connection, name)
            if found.revoked_at is not None:
                return found
            if found.client.role is Role.ADMINISTRATOR:
                _require_another_administrator(connection, name, now)
            connection.execute(clients.update().where(clients.c.name == name).values(revoked_at=now))
            keys = client_keys.update().where(client_keys.c.prefix.in_([key.prefix for key in found.keys]))
            connection.execute(keys.values(revoked_at=now))
            revoke_identities(connection, found.identities, now)
            revoked = _changed(connection, name, before_commit)
            completion(connection, revoked)
            return revoked

    def rotate(  # noqa: PLR0913 (each by name)
        self,
        name: str,
        *,
        overlap: int,
        now: int,
        before_commit: BeforeCommit,
        identity: IdentityKey | None = None,
        completion: Completion[Issued] = nothing_more,
    ) -> Issued:
        """A further key: an API key, or the identity that is given.

        Those before it, of both kinds, are good for `overlap` milliseconds more, and no longer than they were.
        """
        with self._changing(self._id_of(name)) as connection:
            found = get_client(connection, name)
            _require_in_force(found, now)
            for key in found.keys:
                until = now + overlap if key.expires_at is None else min(key.expires_at, now + overlap)
                ended = client_keys.update().where(client_keys.c.prefix == key.prefix)
                connection.execute(ended.values(expires_at=until))
            expire_identities(connection, found.identities, now + overlap)
            new = _insert_key_or(identity, connection, name, now)
            issued = Issued(_changed(connection, name, before_commit), new)
            completion(connection, issued)
            return issued

    def add_identity(
        self,
        name: str,
        identity: IdentityKey,
        *,
        now: int,
        before_commit: BeforeCommit,
        completion: Completion[ClientRecord] = nothing_more,
    ) -> ClientRecord:
        """A further key that signs its requests, beside the keys it has."""
        with self._changing(self._id_of(name)) as connection:
            _require_in_force(get_client(connection, name), now)
            insert_identity(connection, name, identity, now)
            changed = _changed(connection, name, before_commit)
            completion(connection, changed)
            return changed

    @contextmanager
    def _changing(self, client_id: str) -> Iterator[sa.Connection]:
        with self._rows.changing(self._generation, self._database, client_subject(client_id)) as connection:
            yield connection

    def _id_of(self, name: str) -> str:
        """That of a client, which never changes; NotFound if there never was one of that name."""
        found = self._find_id(name)
        if found is None:
            raise no_such_client(name)
        return found

    def _find_id(self, name: str) -> str | None:
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(clients.c.id).where(clients.c.name == name)).scalar()
            return found

    def ensure_administrator(self, publish: Callable[[str], None], *, now: int) -> bool:
        """Make the first administrator if there never was one; answers whether it was made now.

        `publish` must make the key durable for its owner; it is called inside the transaction, so a
        crash leaves either both or a key file that the next start replaces.
        """
        with self._database.read() as connection:
            if connection.execute(_ADMINISTRATORS).first() is not None:
                return False
        client_id, new = secrets.token_hex(16), NewClient(name=ADMINISTRATOR, role=Role.ADMINISTRATOR)
        with self._changing(client_id) as connection:
            if connection.execute(_ADMINISTRATORS).first() is not None:
                return False
            publish(_insert(connection, client_id, new, by=None, now=now))
            return True


def _changed(connection: sa.Connection, name: str, before_commit: BeforeCommit) -> ClientRecord:
    found = get_client(connection, name)
    before_commit(found)
    return found


def _insert(connection: sa.Connection, client_id: str, new: NewClient, *, by: str | None, now: int) -> str:
    number = 1 + (connection.execute(sa.select(sa.func.max(clients.c.number))).scalar() or 0)
    if number >= MAX_CLIENTS:  # each has a number for ever, and with it a place among the limits
        raise Refused("too-many-clients", f"{number - 1} clients were made here, and there is room for no more")
    row: dict[str, Any] = {
        "id": client_id,
        "number": number,
        "name": new.name,
        "role": new.role.value,
        "networks": stored(new.networks),
        "created_at": now,
        "created_by": by,
        "expires_at": new.expires_at,
    }
    connection.execute(clients.insert().values(row))
    if new.role is Role.BOT:
        for one in replace(new, expires_at=None).made():
            connection.execute(grants.insert().values(grant_row(one, row["id"], by=by, now=now)))
    return _insert_key_or(new.identity, connection, new.name, now)


def _insert_key_or(identity: IdentityKey | None, connection: sa.Connection, name: str, now: int) -> str:
    """A new API key, unless there is an identity to give: then it is empty."""
    if identity is None:
        return _insert_key(connection, name, now)
    insert_identity(connection, name, identity, now)
    return ""


def _insert_key(connection: sa.Connection, name: str, now: int) -> str:
    key = new_key()
    while connection.execute(sa.select(client_keys).where(client_keys.c.prefix == key[:PREFIX_LENGTH])).first():
        key = new_key()
    owner = sa.select(clients.c.id).where(clients.c.name == name).scalar_subquery()
    row = {"prefix": key[:PREFIX_LENGTH], "client": owner, "sha256": sha256(key), "created_at": now}
    connection.execute(client_keys.insert().values(row))
    return key


def _id_of(connection: sa.Connection, name: str) -> str:
    found: str = connection.execute(sa.select(clients.c.id).where(clients.c.name == name)).scalar_one()
    return found


def _require_bot(found: ClientRecord) -> None:
    role = found.client.role
    if role is not Role.BOT:
        words = f"client {found.client.name} has the role {role.value}, which says what it may; grants are for bots"
        raise Conflict("client-has-role", words)


def _require_in_force(found: ClientRecord, now: int) -> None:
    if found.state(now) != "active":
        words = f"client {found.client.name} is {found.state(now)} and gets no further key; make another"
        raise Conflict("client-ended", words)


def _require_another_administrator(connection: sa.Connection, name: str, now: int) -> None:
    others = _ADMINISTRATORS.where(
        clients.c.name != name,
        clients.c.revoked_at.is_(None),
        sa.func.coalesce(clients.c.expires_at, NEVER) > now,
    )
    if connection.execute(others).first() is None:
        words = f"client {name} is the last administrator: make another before it is revoked"
        raise Refused("last-administrator", words)
