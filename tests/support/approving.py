"""Approvals by a second implementation, made of docs/formats.md and the library `cryptography` alone."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.signed import RequestKey, now_ms

DOMAIN = b"hyperkms approval v1\n"
QUARTER_MS = 15 * 60_000


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is signed, part by part, so that a test can change each."""

    key: bytes
    time: int
    until: int
    id: bytes
    wallet: str
    network: str
    vault: bytes
    action: Mapping[str, Any]
    """With its members in hashed order."""

    def message(self) -> bytes:
        parts = (self.wallet.encode(), self.network.encode(), self.vault)
        lengths = b"".join(bytes([len(part)]) + part for part in parts)
        fixed = DOMAIN + self.key + self.time.to_bytes(8) + self.until.to_bytes(8) + self.id
        return fixed + lengths + hashlib.sha256(msgpack.packb(self.action)).digest()

    def text(self, signature: bytes) -> str:
        members = f"key={self.key.hex()},ts={self.time:013},until={self.until:013},id={self.id.hex()}"
        return f"v1 {members},sig={signature.hex()}"


class Approver(RequestKey):
    """A person's key."""

    @classmethod
    def numbered(cls, number: int) -> "Approver":
        """The same one each time."""
        return cls(private=Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"approver %d" % number).digest()))

    def statement(self, wallet: str, action: Mapping[str, Any], **changes: Any) -> Statement:
        """Of an action of the account itself on testnet, for a quarter of an hour from now."""
        now = now_ms()
        made = Statement(
            key=self.fingerprint,
            time=now,
            until=now + QUARTER_MS,
            id=secrets.token_bytes(16),
            wallet=wallet,
            network="testnet",
            vault=b"",
            action=action,
        )
        return replace(made, **changes)

    def sign(self, statement: Statement) -> str:
        return statement.text(self.private.sign(statement.message()))

    def approve(self, wallet: str, action: Mapping[str, Any], **changes: Any) -> str:
        return self.sign(self.statement(wallet, action, **changes))
