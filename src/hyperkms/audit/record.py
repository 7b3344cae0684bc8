"""What is written down: every signature before it is handed out, every change of wallet or client before it holds."""

from typing import Any, TypeAlias

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


class KeyedSignatureRecord(SignatureRecord, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """The signature of a request with an Idempotency-Key: after a crash its answer is made of this again."""

    idempotency_key: str
    fingerprint: str
    """0x and 64 hex digits: SHA-256 of route and body, as docs/formats.md says."""


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key version as it stands after a change."""

    version: int
    state: str
    public_key: str


class LifeRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A change in the life of a wallet: who asked for it, and which versions it changed."""

    time: int
    request_id: str
    client: str
    wallet: str
    operation: str
    """rotate, activate, retire-version, retire-wallet, expire, destroy."""
    versions: list[VersionRecord]
    reason: str | None


class AdministrationRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A client that was made, revoked or given a new key: who asked for it, and how it stands after."""

    time: int
    request_id: str
    client: str
    """Who asked."""
    operation: str
    """create-client, revoke-client, rotate-client-key, add-client-key."""
    subject: str
    """The client that was changed."""
    role: str
    wallets: list[str] | None
    """None: every wallet."""
    may: list[str]
    expires_at: int | None
    keys: list[str]
    """Of its keys that are not revoked, oldest first: prefixes of API keys, then fingerprints of those that sign."""


Record: TypeAlias = SignatureRecord | KeyedSignatureRecord | LifeRecord | AdministrationRecord


SIGNATURE = 1
LIFE = 2
ADMINISTRATION = 3
KEYED_SIGNATURE = 4
"""Formats: what the member `record` of a line is."""

_KINDS = {
    SignatureRecord: SIGNATURE,
    LifeRecord: LIFE,
    AdministrationRecord: ADMINISTRATION,
    KeyedSignatureRecord: KEYED_SIGNATURE,
}
_encode = msgspec.json.Encoder().encode


class Encoded(msgspec.Struct, frozen=True):
    """A record as the JSON that its line will hold: made by who hands it over, so that the writer only writes."""

    kind: int
    text: bytes


def encode(record: Record) -> Encoded:
    """The record's JSON; no member contains a raw newline."""
    return Encoded(_KINDS[type(record)], _encode(record))


def line(log: str, index: int, record: Encoded) -> bytes:
    """A record in its place: one JSON line of docs/formats.md, ended by a newline."""
    return b'{"v":%d,"log":"%b","index":%d,"record":%b}\n' % (record.kind, log.encode(), index, record.text)
