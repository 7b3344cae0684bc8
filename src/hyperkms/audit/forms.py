"""The forms of what a record says of hashes, keys and heads, for who writes it and who reads it (docs/formats.md)."""

import hashlib
from typing import Annotated

import msgspec

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]
LogId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}\\Z")]
KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}\\Z")]
PublicKey = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-f]{64}\\Z")]
Signature = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-f]{128}\\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Head(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A signed tree head: the root of the first `size` lines of a log."""

    time: Count
    """Milliseconds."""
    size: Count
    root: Hash
    key_id: KeyId
    signature: Signature


read_head = msgspec.json.Decoder(Head).decode


def key_id_of(public_key: bytes) -> str:
    """The name of a log key: the first 16 hex digits of the SHA-256 of its public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]
