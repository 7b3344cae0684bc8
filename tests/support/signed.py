"""Signed requests by a second implementation, made of docs/formats.md and the library `cryptography` alone."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.service import Answer, Service

DOMAIN = b"hyperkms request v1\n"


@dataclass(frozen=True)
class Request:
    """What is signed, part by part, so that a test can change each."""

    method: str
    target: str
    body: bytes
    key: bytes
    service: bytes
    time: int
    id: str
    idempotency_key: str = ""

    def message(self) -> bytes:
        parts = [self.id, self.method, self.target, self.idempotency_key]
        lengths = b"".join(len(part.encode()).to_bytes(2) + part.encode() for part in parts)
        fixed = DOMAIN + self.key + self.service + self.time.to_bytes(8)
        return fixed + lengths + hashlib.sha256(self.body).digest()

    def header(self, signature: bytes) -> str:
        members = f"key={self.key.hex()},to={self.service.hex()},ts={self.time:013},id={self.id}"
        return f"v1 {members},sig={signature.hex()}"


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """A key of a client, or of an approver."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def text(self) -> str:
        """The public key as it is registered, and as a policy names it."""
        return f"ed25519:{self.public_key.hex()}"

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(self.public_key).digest()[:8]


@dataclass(frozen=True)
class Signer(RequestKey):
    """A client's key, and the service for which it signs."""

    service: str

    def request(self, method: str, target: str, body: object = None, /, **changes: Any) -> Request:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        made = Request(
            method=method,
            target=target,
            body=raw,
            key=self.fingerprint,
            service=bytes.fromhex(self.service),
            time=now_ms(),
            id=secrets.token_hex(16),
        )
        return replace(made, **changes)

    def sign(self, request: Request) -> str:
        return request.header(self.private.sign(request.message()))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def registered(service: Service, name: str, *allow: str, **members: Any) -> Signer:
    """A client that signs its requests, made by the administrator."""
    signer = Signer("00" * 16)
    body = {"name": name, "allow": list(allow), "publicKey": signer.text, **members}
    answer = service.post("/clients", body)
    assert answer.status == 200, answer.body
    assert "apiKey" not in answer.json
    return replace(signer, service=answer.json["service"])


def send(service: Service, request: Request, header: str, more: Mapping[str, str] | None = None) -> Answer:
    """Send it as it is said, whatever the header says."""
    keyed = {"Idempotency-Key": request.idempotency_key} if request.idempotency_key else {}
    headers = {"Hyperkms-Signature": header, **keyed, **(more or {})}
    return service.request(request.method, request.target, raw=request.body, headers=headers)


def ask(at: Service, signer: Signer, method: str, target: str, body: object = None, /, **changes: Any) -> Answer:
    """Sign and send."""
    request = signer.request(method, target, body, **changes)
    return send(at, request, signer.sign(request))
