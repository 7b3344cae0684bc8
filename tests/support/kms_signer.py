"""What AWS KMS documents of asymmetric keys and the emulator does otherwise: a door in front of it.

The emulator (moto 5.2) makes no Ed25519 keys, hashes a digest once more before it signs, and disables a key by its id
alone. So keys for signing are kept here: each is derived from the id of a key that the emulator made,
whose state, tags and deletion it keeps. Answers to Sign can be chosen.
"""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import aws_door

ED25519, SECP256K1 = "ECC_NIST_EDWARDS25519", "ECC_SECG_P256K1"
_STAND_IN = "ECC_NIST_P384"
"""The emulator makes one of these where an Ed25519 key is asked for."""
_DISABLED = {"Disabled": "DisabledException", "PendingDeletion": "KMSInvalidStateException"}

PrivateKey: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Spoil: TypeAlias = Callable[[bytes, bytes], bytes]
"""Of the message and the honest signature the one that is answered."""


@dataclass
class Hold:
    """Calls of one operation about one key, which wait: also those by which a client asks again."""

    operation: str
    key: str | None = None
    """That of the first one that comes."""
    asked: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, operation: str, key: str) -> None:
        """Return once it may go on."""
        if operation != self.operation:
            return
        with self._lock:
            self.key = self.key or key
        if key == self.key:
            self.asked.set()
            assert self.answered.wait(60)


@dataclass
class Signer:
    """The door, and what came through it."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """Operations."""
    messages: list[bytes] = field(default_factory=list)
    """What was to be signed."""
    spoil: Spoil | None = None
    """What becomes of every signature."""
    says: dict[str, Any] = field(default_factory=dict)
    """Members that every answer to Sign gets."""
    dropped: set[str] = field(default_factory=set)
    """Operations that reach nobody, and are not answered."""
    before: Callable[[str], None] = lambda _operation: None
    """Called with each operation before it is decided."""
    after: Callable[[str], None] = lambda _operation: None
    """Called with each operation once it is done, before it is answered."""
    hold: Hold | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(self, call: aws_door.Call, body: bytes) -> None:
        """Answer in the emulator's place, or let it through."""
        operation = call.target.rpartition(".")[2]
        with self._lock:
            self.asked[operation] += 1
        self.before(operation)
        if operation in self.dropped:
            call.hang_up()
            return
        asked = json.loads(body)
        if self.hold is not None:
            self.hold.wait_for(operation, asked.get("KeyId", ""))
        answers = {"CreateKey": self._create, "GetPublicKey": self._public_key, "Sign": self._sign}
        found = answers.get(operation, _by_id)(call, asked)
        self.after(operation)
        call.answer(*found)

    def _create(self, call: aws_door.Call, asked: dict[str, Any]) -> tuple[int, bytes]:
        spec = asked.get("KeySpec")
        status, answer = _forwarded(call, {**asked, "KeySpec": _STAND_IN} if spec == ED25519 else asked)
        made = json.loads(answer)
        if spec == ED25519 and "KeyMetadata" in made:
            made["KeyMetadata"]["KeySpec"] = ED25519
        return status, _encoded(made)

    def _public_key(self, call: aws_door.Call, asked: dict[str, Any]) -> tuple[int, bytes]:
        described = _described(call, asked["KeyId"])
        if described["KeyUsage"] != "SIGN_VERIFY":
            return _refusal("UnsupportedOperationException")
        spki = key_of(described).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        told = {"KeyId": described["Arn"], "KeyUsage": "SIGN_VERIFY", "KeySpec": _spec(described)}
        return 200, _encoded({**told, "PublicKey": base64.b64encode(spki).decode()})

    def _sign(self, call: aws_door.Call, asked: dict[str, Any]) -> tuple[int, bytes]:
        described = _described(call, asked["KeyId"])
        if described["KeyState"] in _DISABLED:
            return _refusal(_DISABLED[described["KeyState"]])
        message, spec = base64.b64decode(asked["Message"]), _spec(described)
        wanted = ("RAW", "ED25519_SHA_512") if spec == ED25519 else ("DIGEST", "ECDSA_SHA_256")
        fits = len(message) == 32 if spec == SECP256K1 else 1 <= len(message) <= 4096
        if (asked.get("MessageType"), asked["SigningAlgorithm"]) != wanted or not fits:
            return _refusal("ValidationException")
        with self._lock:
            self.messages.append(message)
        made = signature(key_of(described), message)
        spoilt = made if self.spoil is None else self.spoil(message, made)
        told = {"KeyId": described["Arn"], "SigningAlgorithm": wanted[1], **self.says}
        return 200, _encoded({**told, "Signature": base64.b64encode(spoilt).decode()})


def signature(key: PrivateKey, message: bytes) -> bytes:
    """As KMS makes it: of a digest as it is in DER, with an s of either half; or 64 bytes."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, ec.ECDSA(Prehashed(SHA256())))


def key_of(described: Mapping[str, Any]) -> PrivateKey:
    """The key that stands behind one of the emulator's, by its description."""
    seed = hashlib.sha256(f"a key for tests: {described['KeyId']}".encode()).digest()
    if _spec(described) == ED25519:
        return Ed25519PrivateKey.from_private_bytes(seed)
    return ec.derive_private_key(int.from_bytes(seed, "big") >> 1, ec.SECP256K1())


def _spec(described: Mapping[str, Any]) -> str:
    return ED25519 if described["KeySpec"] == _STAND_IN else str(described["KeySpec"])


def _by_id(call: aws_door.Call, asked: Mapping[str, Any]) -> tuple[int, bytes]:
    named = {"KeyId": asked["KeyId"].rpartition("/")[2]} if ":key/" in asked.get("KeyId", "") else {}
    return _forwarded(call, {**asked, **named})


def _described(call: aws_door.Call, key: str) -> dict[str, Any]:
    call.headers.replace_header("X-Amz-Target", "TrentService.DescribeKey")
    described: dict[str, Any] = json.loads(_forwarded(call, {"KeyId": key})[1])["KeyMetadata"]
    return described


def _forwarded(call: aws_door.Call, asked: Mapping[str, Any]) -> tuple[int, bytes]:
    body = _encoded(asked)
    call.headers.replace_header("Content-Length", str(len(body)))
    return call.forward(body)


def _refusal(code: str) -> tuple[int, bytes]:
    return 400, _encoded({"__type": code, "message": "what AWS says"})


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@contextmanager
def signing(upstream: str) -> Iterator[Signer]:
    """The door in front of the emulator at `upstream`."""
    signer = Signer()
    with aws_door.door(upstream, signer.decide) as signer.url:
        yield signer
