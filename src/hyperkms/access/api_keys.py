"""API keys: their form, and the keys in force as each process has them at hand."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from hyperkms.access.clients import Client
from hyperkms.access.grants import NEVER
from hyperkms.errors import Unauthorized
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.shared_turn import SharedTurn

PREFIX_LENGTH = 11
_PLACE_LENGTH = 8


class Loading(Enum):
    """The keys at hand may be out of date: the database has to be asked, by a thread that may wait."""

    NEEDED = "needed"


NEEDS_LOADING: Final = Loading.NEEDED


@dataclass(frozen=True)
class ConfiguredKey:
    """The key of the API_KEY setting and the client it stands for."""

    key: str
    client: Client

    def __repr__(self) -> str:
        return f"ConfiguredKey({self.client!r})"


class KeyInForce(NamedTuple):
    """The hash of a key that is not revoked, its client, and when it ends."""

    sha256: bytes
    client: Client | None
    """None only for the key that stands where no place is found."""
    not_after: int
    """Milliseconds since 1970; it is refused from then on."""
    first_end: int
    """When it ends, or the first of its client's grants before."""

    @classmethod
    def of(cls, sha256: bytes, client: Client, not_after: int) -> "KeyInForce":
        """A key and its client."""
        return cls(sha256, client, not_after, min(not_after, client.first_end))


ReadKeys: TypeAlias = Callable[[Database], list[KeyInForce]]


@dataclass(frozen=True, slots=True)
class _AtHand:
    generation: int | None
    places: dict[bytes, KeyInForce]


class ApiKeys:
    """Tells the client of an API key, without the database as long as no client has changed.

    A key has 256 random bits, so one SHA-256 is enough. Its place is found by the first bytes of that hash,
    and the whole hash is compared in constant time; where there is no place, with a random one. So every
    key that is not in force takes the same path: nobody can make one whose hash begins like another's.
    (Found by the public prefix, a wrong key takes some nanoseconds more than an unknown one.)
    """

    def __init__(
        self,
        database: Database,
        generation: Generation,
        read: ReadKeys,
        configured: ConfiguredKey | None,
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._generation = generation
        self._read = read
        self._configured = configured
        self._clock = clock
        self._turn = SharedTurn()
        self._at_hand: _AtHand | None = None
        self._nobody = KeyInForce(secrets.token_bytes(32), None, NEVER, NEVER)

    def known(self, key: str | None) -> Client | Loading | None:
        """The client of a key; None for a key that is not in force. Takes a microsecond and never waits."""
        return self.known_by_hash(hash_of(key))

    def known_by_hash(self, digest: bytes | None) -> Client | Loading | None:
        """The same for what `hash_of` answers."""
        at_hand = self._at_hand
        if at_hand is None or at_hand.generation != self._generation.current():
            return NEEDS_LOADING
        return self._find(at_hand, digest)

    def authenticate(self, key: str | None) -> Client:
        """The client of a key; Unauthorized for every other text, and for none. May wait for the database."""
        found = self.known(key)
        if found is None and self._generation.look_elsewhere():
            found = self.known(key)
        if found is NEEDS_LOADING:
            found = self._find(self._turn.take(self._load), hash_of(key))
        if not isinstance(found, Client):
            raise unauthorized()
        return found

    def _find(self, at_hand: _AtHand, digest: bytes | None) -> Client | None:
        if digest is None:
            return None
        stored, client, not_after, first_end = at_hand.places.get(digest[:_PLACE_LENGTH], self._nobody)
        is_same = hmac.compare_digest(digest, stored)
        if first_end == NEVER:
            return client if is_same else None
        now = self._clock()
        if first_end <= now and is_same and client is not None:
            client = client.at(now)
            first_end = min(not_after, client.first_end)
            at_hand.places[digest[:_PLACE_LENGTH]] = KeyInForce(stored, client, not_after, first_end)
        return client if is_same and now < not_after else None

    def _load(self) -> _AtHand:
        generation = self._generation.current()
        at_hand = self._at_hand
        if at_hand is not None and generation is not None and at_hand.generation == generation:
            return at_hand  # another thread has loaded while this one waited for its turn
        keys = self._read(self._database)
        if self._configured:
            keys.append(KeyInForce.of(sha256(self._configured.key), self._configured.client, NEVER))
        loaded = _AtHand(generation, {key.sha256[:_PLACE_LENGTH]: key for key in keys})
        self._at_hand = None if generation is None else loaded
        return loaded


def new_key() -> str:
    """hk_, 8 hex digits, _ and 43 characters of unpadded base64url: 32 random bytes."""
    return f"hk_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"


def hash_of(key: str | None) -> bytes | None:
    """The SHA-256 of a key that was sent; None for what no key is: nothing, or text that is not ASCII."""
    return sha256(key) if key and key.isascii() else None


def sha256(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def unauthorized() -> Unauthorized:
    """The one refusal of every key that is not in force."""
    return Unauthorized("invalid-api-key", "Unauthorized: Invalid API key")
