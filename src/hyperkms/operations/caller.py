"""Who asks, and under which key."""

from collections.abc import Callable

import msgspec

from hyperkms.access.clients import Client
from hyperkms.threshold.wire import SignedRequest


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
    evidence: Callable[[], SignedRequest] | None = None
    """The request as its client has signed it, for cosigners; None: it came with an API key."""
    position: int = 0
    """Which of the actions or messages of the request this is."""
