"""What the log key signs, byte for byte, and whether it did."""

import hashlib
import re
from collections.abc import Iterable

from hyperkms._core import verify_ed25519
from hyperkms.audit.forms import Head, key_id_of
from hyperkms.errors import Malformed, Tampered

_HEAD_LABEL = b"hyperkms tree head v1\n"
_ENTRY_LABEL = b"hyperkms manifest entry v1\n"
_PUBLIC_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


def parse_public_key(text: str) -> bytes:
    """64 hex digits, with or without 0x; Malformed otherwise."""
    found = _PUBLIC_KEY.fullmatch(text)
    if found is None:
        raise Malformed.at("--public-key", "the log key's public key is due: 0x and 64 hex digits")
    return bytes.fromhex(found[1])


def parse_key_id(text: str) -> str:
    """16 hex digits; Malformed otherwise."""
    if not _KEY_ID.fullmatch(text):
        raise Malformed.at("--key-id", "the log key's id is due: 16 hex digits")
    return text


class Keys:
    """The public keys whose signatures are believed."""

    def __init__(self, public_keys: Iterable[bytes] = ()) -> None:
        self._by_id: dict[str, bytes] = {}
        self.unknown_is_told = False
        """Whether a finding of the manifest has said that its key is not believed: no head needs its own then."""
        for public_key in public_keys:
            self.trust(public_key)

    def trust(self, public_key: bytes) -> None:
        """Believe this one too."""
        self._by_id[key_id_of(public_key)] = public_key

    @property
    def ids(self) -> list[str]:
        """Their ids, in the order in which they were named."""
        return list(self._by_id)

    def public_key(self, key_id: str) -> bytes:
        """Tampered with `key-unknown` for one that is not believed."""
        found = self._by_id.get(key_id)
        if found is None:
            raise Tampered("key-unknown", f"key {key_id} is not one that the manifest lists, or that was named")
        return found

    def verify_head(self, log: str, head: Head) -> None:
        """Tampered unless one of these keys signed this head of this log."""
        message = head_message(log, head.size, bytes.fromhex(head.root), head.time)
        verify_ed25519(self.public_key(head.key_id), message, unhex(head.signature))

    def verify_entry(self, index: int, prev: str, entry: bytes, key_id: str, signature: str) -> None:
        """Tampered unless one of these keys signed this entry of the manifest, in this place."""
        verify_ed25519(self.public_key(key_id), entry_message(index, prev, entry), unhex(signature))


def head_message(log: str, size: int, root: bytes, time: int) -> bytes:
    """The bytes of a head that are signed."""
    return b"".join((_HEAD_LABEL, bytes.fromhex(log), size.to_bytes(8, "big"), root, time.to_bytes(8, "big")))


def entry_message(index: int, prev: str, entry: bytes) -> bytes:
    """The bytes of an entry of the manifest that are signed; `entry` as it stands in its line."""
    return b"".join((_ENTRY_LABEL, index.to_bytes(8, "big"), bytes.fromhex(prev), hashlib.sha256(entry).digest()))


def unhex(text: str) -> bytes:
    """The bytes of 0x and hex digits."""
    return bytes.fromhex(text.removeprefix("0x"))
