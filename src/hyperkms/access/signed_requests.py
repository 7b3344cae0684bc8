"""Requests that their client has signed: whose, for this service, in time, and never twice.

1. The signature is true, by a key that is in force.  2. It is for this service.  3. Its time is in the window.
4. It was not accepted before.  5. Its time still is in the window: what is remembered of a moment is not kept longer.

Whatever is wrong in 1 is answered alike. Only the holder of a key that is in force hears which of the others it is.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple, TypeAlias

from hyperkms._core import RequestSignature
from hyperkms.access.clients import Client
from hyperkms.errors import Malformed, Tampered, Unauthorized
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.remembered import Remembered
from hyperkms.state.replays import Replays
from hyperkms.state.shared_replays import SharedReplays
from hyperkms.state.shared_turn import SharedTurn

_NOBODYS = bytes.fromhex("58" + "66" * 31)
"""A public key like any other, of no client: an unknown key takes as long as a wrong signature."""


class IdentityInForce(NamedTuple):
    """A public key that is not revoked, its client, and when it ends."""

    public_key: bytes
    client: Client
    not_after: int
    """Milliseconds since 1970; it is refused from then on."""


ReadIdentities: TypeAlias = Callable[[Database], dict[str, IdentityInForce]]
"""Reads all of them, by fingerprint."""


class Sent(NamedTuple):
    """A request as it was sent."""

    method: bytes
    target: bytes
    """Path and query, as they stand in the request's first line."""
    body: bytes
    idempotency_key: bytes
    """Empty where that header was not sent."""


class Identities:
    """The public keys in force, as each process has them at hand until a client changes."""

    def __init__(
        self, database: Database, generation: Generation, read: ReadIdentities, clock: Callable[[], int]
    ) -> None:
        self._database = database
        self._read = read
        self._clock = clock
        self._turn = SharedTurn()
        self._generation = generation
        self._remembered: Remembered[str, dict[str, IdentityInForce]] = Remembered(generation)

    def find(self, fingerprint: str) -> IdentityInForce | None:
        """The key, if it is in force now. May wait for the database."""
        identities = self._remembered.get("", self._load)
        if fingerprint not in identities and self._generation.look_elsewhere():
            identities = self._remembered.get("", self._load)
        found, now = identities.get(fingerprint), self._clock()
        if found is None or now >= found.not_after:
            return None
        if found.client.first_end <= now:  # one of its grants has ended
            found = identities[fingerprint] = found._replace(client=found.client.at(now))
        return found

    def _load(self) -> dict[str, IdentityInForce]:
        return self._turn.take(lambda: self._read(self._database))


class SignedRequests:
    """Tells the client of a signed request.

    `service` is the id of this service, 32 hex digits; `window_ms` how far from the clock a request's time may be.
    """

    def __init__(
        self,
        identities: Identities,
        replays: Replays | SharedReplays,
        *,
        service: str,
        window_ms: int,
        clock: Callable[[], int],
    ) -> None:
        self.service = service
        self.replays = replays
        self._identities = identities
        self._window_ms = window_ms
        self._clock = clock

    def accept(self, signature: RequestSignature, sent: Sent) -> Client:
        """The client, for this one time; Unauthorized otherwise. May wait for the database."""
        found = self.verify(signature, sent, {self.service})
        if not self.replays.take(signature):
            words = "this signed request was accepted before; a further one is signed anew"
            raise Unauthorized("request-replayed", words)
        self._require_in_time(signature.time)
        return found

    def verify(self, signature: RequestSignature, sent: Sent, services: Collection[str]) -> Client:
        """The client of a request that is for one of these services, and in time, whether it came before or not.

        Unauthorized otherwise. May wait for the database.
        """
        found = self._identities.find(signature.key)
        try:
            signature.verify(
                _NOBODYS if found is None else found.public_key,
                method=sent.method,
                target=sent.target,
                body=sent.body,
                idempotency_key=sent.idempotency_key,
            )
        except (Malformed, Tampered):
            raise invalid_signature() from None
        if found is None:
            raise invalid_signature()
        if signature.service not in services:
            words = "the request is signed for another service; give its client the id of this one (HYPERKMS_SERVICE)"
            raise Unauthorized("request-for-another-service", words)
        self._require_in_time(signature.time)
        return found.client

    def client_of(self, fingerprint: str) -> Client | None:
        """The client of a key that is in force now. May wait for the database."""
        found = self._identities.find(fingerprint)
        return None if found is None else found.client

    def _require_in_time(self, time: int) -> None:
        now = self._clock()
        if abs(now - time) > self._window_ms:
            words = (
                f"the request's time is {abs(now - time)} ms {'behind' if time < now else 'ahead of'} the clock here"
            )
            raise Unauthorized(
                "request-stale",
                f"{words}, and {self._window_ms} ms are allowed: set the clock of the client",
                {"serverTime": now, "requestTime": time},
            )


def invalid_signature() -> Unauthorized:
    """The one refusal of every signature that is not a true one by a key in force."""
    return Unauthorized("invalid-signature", "Unauthorized: Invalid request signature")
