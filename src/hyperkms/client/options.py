"""What both clients can be told beside URL and key."""

import ssl
from dataclasses import dataclass, field

from hyperkms.client.calls import Idempotency
from hyperkms.client.endpoint import Endpoint
from hyperkms.client.retry import Retries


@dataclass(frozen=True, kw_only=True)
class Options:
    """`connect_s` bounds the making of a connection, `read_s` the wait for an answer, both for one attempt.

    `connections` are kept at most (the asynchronous client opens no more than these). `tls` replaces the context
    of an https:// address, which trusts what the operating system trusts (SSL_CERT_FILE is honoured).
    """

    connect_s: float = 2.0
    read_s: float = 10.0
    connections: int = 64
    retries: Retries = field(default_factory=Retries)
    idempotency: Idempotency = Idempotency.AUTOMATIC
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.connect_s <= 0 or self.read_s <= 0 or self.connections < 1:
            raise ValueError("times are positive, and connections at least 1")

    def tls_for(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        """The context of this endpoint, None for one without TLS."""
        if not endpoint.tls:
            return None
        return self.tls or ssl.create_default_context()


DEFAULTS = Options()
