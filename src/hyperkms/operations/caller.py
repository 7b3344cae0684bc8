"""Who asks, and under which key."""

import msgspec

from hyperkms.access.clients import Client


class KeyOfRequest(msgspec.Struct, frozen=True):
    """The Idempotency-Key under which a request is signed, for its line in the record."""

    key: str
    fingerprint: bytes


class Caller(msgspec.Struct, frozen=True):
    """Who asks, in which request."""

    client: Client
    request_id: str
    under: KeyOfRequest | None = None
    generation: int | None = None
    """That of the clients when it was known to be in force; None: that is asked again before anything is signed."""
