"""A public key by which a client signs its requests, as it is written."""

import re
from dataclasses import dataclass

from hyperkms import _core
from hyperkms.errors import Malformed

_TEXT = re.compile(r"ed25519:([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class IdentityKey:
    """An Ed25519 public key that may sign a client's requests: 32 bytes, and the 16 hex digits that name it."""

    public_key: bytes
    fingerprint: str

    @classmethod
    def parse(cls, text: str, field: str = "publicKey") -> "IdentityKey":
        """Read `ed25519:` and 64 hex digits; Malformed otherwise, and for a key that vouches for nobody.

        Digits alone are refused: they may be a private key in the wrong place, and what is read here is shown.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            words = "ed25519: and 64 hex digits are due, the public key that `hyperkms identity create` prints"
            raise Malformed.at(field, words, "malformed-public-key")
        public_key = bytes.fromhex(found[1])
        try:
            return cls(public_key, _core.request_key_fingerprint(public_key))
        except Malformed as refused:
            raise Malformed.at(field, refused.message, refused.code) from None

    def __str__(self) -> str:
        return f"ed25519:{self.public_key.hex()}"
