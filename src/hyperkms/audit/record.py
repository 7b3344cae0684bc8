"""What is written down of every signature, before it is handed out."""

from typing import Any

import msgspec


class SignatureRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """One line of the record. Numbers are milliseconds; byte strings are 0x and hex digits."""

    time: int
    request_id: str
    client: str
    wallet: str
    key_version: int
    public_key: str
    operation: str
    """sign-message, sign-order, sign-action."""
    signed: dict[str, Any]
    """What a person can read of it: the action and its nonce; for a message its length alone."""
    digest: str
    """The 32 bytes that were signed; for an Ed25519 message its SHA-256."""
    signature: str


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """A record in its place."""

    v: int
    log: str
    index: int
    record: SignatureRecord


FORMAT = 1


def encode(log: str, index: int, record: SignatureRecord) -> bytes:
    """One JSON line, ended by a newline; no member contains a raw newline."""
    return msgspec.json.encode(Line(FORMAT, log, index, record)) + b"\n"
