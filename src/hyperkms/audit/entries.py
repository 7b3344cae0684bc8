"""What the manifest says of the logs of a data directory: one entry, one fact."""

from typing import TypeAlias

import msgspec

OPEN, SEGMENT, CLOSE, ADOPT, KEY, BACKUP = "open", "segment", "close", "adopt", "key", "backup"
CLOSED, FOUND = "closed", "found"


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The key that signs what follows."""

    time: int
    event: str = KEY
    key_id: str
    public_key: str


class OpenEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A log is about to get its first line."""

    time: int
    event: str = OPEN
    log: str
    segment: int
    file: str


class SegmentEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """It goes on in a further file; size and root are of the lines so far."""

    time: int
    event: str = SEGMENT
    log: str
    segment: int
    file: str
    size: int
    root: str


class CloseEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """It gets no more lines; `how`: its process said so, or another one found it dead."""

    time: int
    event: str = CLOSE
    log: str
    size: int
    root: str
    how: str


class AdoptEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A file of the release before, as it was found."""

    time: int
    event: str = ADOPT
    file: str
    log: str
    lines: int
    bytes: int
    sha256: str


class BackupEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A backup was taken: what is in it. It is signed as every entry, and is the last line of the backup's manifest."""

    time: int
    event: str = BACKUP
    backup: str
    """Its id: 32 hex digits."""
    release: str
    schema: str
    service: str
    root_key_id: str
    bytes: int
    """Of the copy of the database."""
    sha256: str


Entry: TypeAlias = KeyEntry | OpenEntry | SegmentEntry | CloseEntry | AdoptEntry | BackupEntry


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What any entry may say, for who goes through the manifest."""

    event: str
    log: str | None = None
    segment: int | None = None
    file: str | None = None
