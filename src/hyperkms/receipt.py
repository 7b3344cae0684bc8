"""What is handed back beside a signature: who can find it again, and where."""

import msgspec


class Receipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the signature stands in the record; it was durable before this answer was sent."""

    log: str
    """The log file's origin id: 32 hex digits."""
    index: int
    """The line in that log, from 0."""
    request_id: str
    key_version: int
    digest: str
    """0x and 64 hex digits: what was signed; for an Ed25519 message its SHA-256."""
