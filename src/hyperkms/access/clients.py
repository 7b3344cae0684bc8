"""Who asks: clients, found by their API key."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from hyperkms.errors import Forbidden, Unauthorized
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.schema import client_keys, clients

ADMINISTRATOR = "administrator"
LEGACY = "legacy"
_PREFIX_LENGTH = 11


class Role(StrEnum):
    """What a client may do."""

    ADMINISTRATOR = "administrator"
    """Everything."""
    LEGACY = "legacy"
    """The routes of the first system only."""


class Scope(StrEnum):
    """A part of the interface."""

    INHERITED = "inherited"
    """The routes of the first system."""
    HYPERLIQUID = "hyperliquid"
    """Signing of Hyperliquid actions."""


_SCOPES = {Role.ADMINISTRATOR: frozenset(Scope), Role.LEGACY: frozenset({Scope.INHERITED})}


@dataclass(frozen=True)
class Client:
    """A bot or a person that has authenticated."""

    name: str
    role: Role

    def require(self, scope: Scope) -> None:
        """Forbidden unless the client's role has the scope."""
        if scope not in _SCOPES[self.role]:
            words = (
                f"client {self.name} reaches the first system's routes only, not {scope.value}: ask with another key"
            )
            raise Forbidden("scope-missing", f"{words}: use another key")


@dataclass(frozen=True)
class ConfiguredKey:
    """The key of the API_KEY setting and the client it stands for."""

    key: str
    client: Client

    def __repr__(self) -> str:
        return f"ConfiguredKey({self.client!r})"


class Clients:
    """Clients in the database, and the one of the API_KEY setting if there is one.

    Keys are random, so a fast hash is enough; a key is found by its public prefix and compared as
    SHA-256 in constant time.
    """

    def __init__(self, database: Database, generation: Generation, configured: ConfiguredKey | None) -> None:
        self._database = database
        self._generation = generation
        self._configured = None if configured is None else (_sha256(configured.key), configured.client)
        self._known: dict[str, tuple[bytes, Client | None]] = {}

    def authenticate(self, key: str | None) -> Client:
        """The client of an API key; Unauthorized for every other text, and for none."""
        if key and key.isascii():
            self._remember(key[:_PREFIX_LENGTH])
        client = self.known(key)
        if client is None:
            raise Unauthorized("invalid-api-key", "Unauthorized: Invalid API key")
        return client

    def known(self, key: str | None) -> Client | None:
        """The client of a key that was seen before or is configured; asks no database."""
        if not key or not key.isascii():
            return None
        digest = _sha256(key)
        if self._configured and hmac.compare_digest(digest, self._configured[0]):
            return self._configured[1]
        stored, client = self._known.get(key[:_PREFIX_LENGTH], (bytes(32), None))
        return client if hmac.compare_digest(digest, stored) else None

    def ensure_administrator(self, publish: Callable[[str], None], *, now: int) -> bool:
        """Make the first administrator if there is none; answers whether it was made now.

        `publish` must make the key durable for its owner; it is called inside the transaction, so a
        crash leaves either both or a key file that the next start replaces.
        """
        with self._generation.change(self._database) as connection:
            query = sa.select(clients.c.id).where(clients.c.role == Role.ADMINISTRATOR.value)
            if connection.execute(query).first() is not None:
                return False
            key = f"hk_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
            publish(key)
            row = {
                "id": secrets.token_hex(16),
                "number": 1 + (connection.execute(sa.select(sa.func.max(clients.c.number))).scalar() or 0),
                "name": ADMINISTRATOR,
                "role": Role.ADMINISTRATOR.value,
                "created_at": now,
            }
            connection.execute(clients.insert().values(row))
            connection.execute(
                client_keys.insert().values(
                    prefix=key[:_PREFIX_LENGTH], client=row["id"], sha256=_sha256(key), created_at=now
                )
            )
            return True

    def _remember(self, prefix: str) -> None:
        query = (
            sa.select(clients.c.name, clients.c.role, client_keys.c.sha256)
            .join(client_keys, client_keys.c.client == clients.c.id)
            .where(client_keys.c.prefix == prefix)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is not None:
            self._known[prefix] = (bytes(row.sha256), Client(row.name, Role(row.role)))


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
