"""What is handed back beside a signature: who can find it again, and where."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

_HEAD_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "description": (
        "The newest signed tree head of the log that stands before this line: the root of its first `size` lines. "
        "Null before the first."
    ),
    "properties": {
        "size": {"type": "integer", "description": "Lines that it covers."},
        "root": {"type": "string", "description": "64 hex digits: the Merkle tree hash of RFC 6962."},
        "time": {"type": "integer", "description": "Milliseconds since 1970."},
        "keyId": {"type": "string", "description": "Of the log key."},
        "signature": {"type": "string", "description": "0x and 128 hex digits, by the log key."},
    },
    "required": ["size", "root", "time", "keyId", "signature"],
    "additionalProperties": False,
}


class TreeHead(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A signed head of the log, as receipts show it."""

    size: int
    root: str
    time: int
    key_id: str
    signature: str


class CosignedBy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a signature came of shares."""

    protocol: str
    session: str
    """0x and 64 hex digits: the run of the protocol, as the records of the cosigners name it."""
    signers: list[int]
    """Which cosigners, by their index in the group."""
    deployment: str
    """embedded: on this machine, which protects against one process alone; separate: on hosts of their own."""
    audited: bool | str
    """False, or what of the protocol's implementation had a public audit."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the signature stands in the record; it was written down before this answer was sent."""

    log: str
    """The log's id: 32 hex digits."""
    index: int
    """The line in that log, from 0."""
    request_id: str
    key_version: int
    digest: str
    """0x and 64 hex digits: what was signed; for an Ed25519 message its SHA-256."""
    leaf_hash: str | UnsetType = UNSET
    """0x and 64 hex digits: the hash of the line. Absent, as the two below, for a line of the release before."""
    durability: str | UnsetType = UNSET
    """fsync: the line is on the disk; os: it is with the operating system."""
    head: Annotated[msgspec.Raw, Meta(extra_json_schema=_HEAD_SCHEMA)] | UnsetType = UNSET
    """Made once for all receipts that have it."""
    cosigned: CosignedBy | UnsetType = UNSET
    """Of a wallet in shares."""


NO_HEAD = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode


def encode_head(head: TreeHead) -> msgspec.Raw:
    """The head as receipts have it."""
    return msgspec.Raw(_encode(head))
