"""The records of the first system: JSON texts, read strictly. What they say is not authenticated.

Only a key that opens, and whose public key is the recorded one, makes a wallet out of it.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from hyperkms.errors import Malformed, Tampered
from hyperkms.strict_json import parse
from hyperkms.wallet import PublicKey

T = TypeVar("T")

_PUBLIC_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}", re.ASCII)
_LARGEST_CIPHERTEXT = 6144
"""What KMS decrypts at most."""
_MOST_VERSIONS = 10_000
_LONGEST_TEXT = 1024


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """An encrypted private key: the record `<id>-v<N>`, or `<id>` from before there were versions."""

    name: str
    wallet: str
    version: int | None
    """None before there were versions."""
    ciphertext: bytes
    public_key: PublicKey | None
    created_at: int | None
    """Milliseconds since 1970, as the other times."""
    metadata: Mapping[str, object]
    is_deleted: bool
    """It was deleted, which in the first system was a mark on the record."""


@dataclass(frozen=True, kw_only=True)
class VersionEntry:
    """What `<id>-version-metadata` says of one version."""

    number: int
    public_key: PublicKey
    status: str
    created_at: int | None
    rotated_at: int | None
    expires_at: int | None


@dataclass(frozen=True, kw_only=True)
class RotationEntry:
    """What it says of one rotation."""

    from_version: int
    to_version: int
    rotated_at: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class VersionsRecord:
    """The record `<id>-version-metadata`."""

    wallet: str
    current: int
    versions: Sequence[VersionEntry]
    """In order of number."""
    rotations: Sequence[RotationEntry]


def read_key(name: str, text: str) -> KeyRecord:
    """Tampered unless it is an encrypted private key with what belongs to it."""
    record = _Members.of(name, text)
    metadata = record.optional("metadata", dict) or {}
    return KeyRecord(
        name=name,
        wallet=record.text("walletId"),
        version=record.optional_count("version"),
        ciphertext=record.ciphertext("encryptedPrivateKey"),
        public_key=record.optional_public_key("publicKey"),
        created_at=record.optional_time("createdAt"),
        metadata=metadata,
        is_deleted=record.is_marked("deleted") or _Members(name, metadata).is_marked("deleted"),
    )


def read_versions(name: str, text: str) -> VersionsRecord:
    """Tampered unless it is of the form."""
    record = _Members.of(name, text)
    entries = [_version(record.within(number, entry)) for number, entry in record.one("versions", dict).items()]
    return VersionsRecord(
        wallet=record.text("walletId"),
        current=record.count("currentVersion"),
        versions=sorted(entries, key=lambda entry: entry.number),
        rotations=[_rotation(record.within("rotationHistory", entry)) for entry in _listed(record)],
    )


def read_share(name: str, text: str) -> bytes:
    """The ciphertext of a share: the one member whose name begins with `encrypted`. Tampered if there is none."""
    record = _Members.of(name, text)
    named = [member for member in record.members if member.startswith("encrypted")]
    if len(named) != 1:
        raise record.wrong("encryptedShare", "is not there, or is there twice")
    return record.ciphertext(named[0])


def says_who(name: str, text: str) -> str | None:
    """The wallet that a record of any kind says it is of; None if it says none."""
    try:
        return _Members.of(name, text).text("walletId")
    except Tampered:
        return None


def has_key(name: str, text: str) -> bool:
    """Whether the record says that it has an encrypted private key."""
    try:
        return "encryptedPrivateKey" in _Members.of(name, text).members
    except Tampered:
        return False


def _listed(record: "_Members") -> Sequence[object]:
    return record.optional("rotationHistory", list) or []


def _version(entry: "_Members") -> VersionEntry:
    number = entry.place
    if not (number.isascii() and number.isdecimal() and not number.startswith("0") and int(number) <= _MOST_VERSIONS):
        raise entry.wrong("versions", "has a number that is none")
    public_key = entry.optional_public_key("publicKey")
    if public_key is None:
        raise entry.wrong("publicKey", "is not there")
    return VersionEntry(
        number=int(number),
        public_key=public_key,
        status=entry.text("status"),
        created_at=entry.optional_time("createdAt"),
        rotated_at=entry.optional_time("rotatedAt"),
        expires_at=entry.optional_time("expiresAt"),
    )


def _rotation(entry: "_Members") -> RotationEntry:
    return RotationEntry(
        from_version=entry.count("fromVersion"),
        to_version=entry.count("toVersion"),
        rotated_at=entry.optional_time("rotatedAt"),
        reason=entry.optional("reason", str),
    )


class _Members:
    """The members of an object in a record; a refusal names the record and the member, never a value."""

    def __init__(self, name: str, members: object, place: str = "") -> None:
        self._name = name
        self.place = place
        if not isinstance(members, dict):
            raise self.wrong(place or "the record", "is no object")
        self.members: Mapping[str, Any] = members

    @classmethod
    def of(cls, name: str, text: str) -> "_Members":
        try:
            return cls(name, parse(text.encode("utf-8", "surrogateescape")))
        except Malformed:
            words = f"the record {name} of the first system is no JSON that two readers read alike"
            raise Tampered("first-system-record-malformed", words) from None

    def within(self, place: str, members: object) -> "_Members":
        return _Members(self._name, members, place)

    def wrong(self, member: str, what: str) -> Tampered:
        words = f"the record {self._name} of the first system is not of its form: {member} {what}"
        return Tampered("first-system-record-malformed", words)

    def one(self, member: str, kind: type[T]) -> T:
        found = self.optional(member, kind)
        if found is None:
            raise self.wrong(member, "is not there")
        return found

    def optional(self, member: str, kind: type[T]) -> T | None:
        found = self.members.get(member)
        if isinstance(found, str) and "\0" in found:  # PostgreSQL keeps no such text
            raise self.wrong(member, "has a character U+0000")
        if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
            raise self.wrong(member, "is of another type")
        return found

    def text(self, member: str) -> str:
        found = self.one(member, str)
        if not 0 < len(found) <= _LONGEST_TEXT:
            raise self.wrong(member, "is empty or too long")
        return found

    def count(self, member: str) -> int:
        found = self.one(member, int)
        if not 0 < found <= _MOST_VERSIONS:
            raise self.wrong(member, "is no number of a version")
        return found

    def optional_count(self, member: str) -> int | None:
        return None if self.members.get(member) is None else self.count(member)

    def is_marked(self, mark: str) -> bool:
        """By a member of that name, one with its time, or its status."""
        told = self.members.get(mark), self.members.get(f"{mark}At"), self.members.get("status") == mark
        return any(one not in (None, False) for one in told)

    def ciphertext(self, member: str) -> bytes:
        try:
            found = base64.b64decode(self.one(member, str), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(member, "is no base64") from None
        if not 0 < len(found) <= _LARGEST_CIPHERTEXT:
            raise self.wrong(member, f"is not 1 to {_LARGEST_CIPHERTEXT} bytes")
        return found

    def optional_public_key(self, member: str) -> PublicKey | None:
        text = self.optional(member, str)
        if text is None:
            return None
        if not _PUBLIC_KEY.fullmatch(text):
            raise self.wrong(member, "is not 0x and 64 hex digits")
        return PublicKey(bytes.fromhex(text.removeprefix("0x")))

    def optional_time(self, member: str) -> int | None:
        found = self.members.get(member)
        if found is None or (isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**53):
            return found
        try:
            moment = datetime.fromisoformat(self.one(member, str))
        except ValueError:
            raise self.wrong(member, "is no time") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment.timestamp() <= 0:
            raise self.wrong(member, "is before 1970")
        return round(moment.timestamp() * 1000)
