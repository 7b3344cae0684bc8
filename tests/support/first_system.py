"""The first system, as far as it wrote to AWS: each kind of record with the members, names and encryption it had."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.aws import Aws
from support.sealed_key_reader import Secret

DAY_S = 24 * 3600
BEGAN_S = 1_700_000_000
"""When its first wallets were made."""


def iso(seconds: float) -> str:
    """As `Date.toISOString` prints it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Pair:
    """A key pair as tweetnacl made it: the secret key is the seed and the public key."""

    name: str

    @property
    def seed(self) -> Secret:
        return Secret(hashlib.sha256(f"a key of the first system: {self.name}".encode()).digest())

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.reveal())

    @property
    def public(self) -> str:
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return "0x" + raw.hex()

    @property
    def secret_key(self) -> str:
        """The 128 hex digits that were encrypted."""
        return self.seed.reveal().hex() + self.public.removeprefix("0x")

    def sign(self, message: bytes) -> str:
        """As its API answered: deterministic (RFC 8032)."""
        return "0x" + self.private.sign(message).hex()


@dataclass
class FirstSystem:
    """Its secrets below a prefix, and its KMS key."""

    aws: Aws
    prefix: str
    kms_key: str = ""
    written: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kms_key = self.kms_key or self.aws.key_id
        self._kms = self.aws.client("kms")
        self._secrets = self.aws.client("secretsmanager")

    def encrypted(self, plaintext: str, *, key: str | None = None) -> str:
        """Direct Encrypt, without an encryption context."""
        blob = self._kms.encrypt(KeyId=key or self.kms_key, Plaintext=plaintext.encode())["CiphertextBlob"]
        return base64.b64encode(blob).decode()

    def write(self, name: str, record: object) -> None:
        """One secret."""
        text = record if isinstance(record, str) else json.dumps(record)
        self._secrets.create_secret(Name=self.prefix + name, SecretString=text)
        self.written[name] = text

    def replace(self, name: str, **more: object) -> None:
        """What somebody wrote over a record."""
        text = json.dumps({**json.loads(self.written[name]), **more})
        self._secrets.put_secret_value(SecretId=self.prefix + name, SecretString=text)
        self.written[name] = text

    def standing(self) -> dict[str, str]:
        """What stands there now under the names that were written."""
        get = self._secrets.get_secret_value
        return {name: get(SecretId=self.prefix + name)["SecretString"] for name in self.written}

    def before_versions(self, wallet: str, pair: Pair, **more: object) -> None:
        """The record `<id>` of the time before there were versions."""
        record = {
            "encryptedPrivateKey": self.encrypted(pair.secret_key),
            "walletId": wallet,
            "createdAt": iso(BEGAN_S),
            "metadata": {"desk": "a"},
        }
        self.write(wallet, {**record, **more})

    def key(self, wallet: str, number: int, pair: Pair, **more: object) -> None:
        """`<id>-v<N>` and `<id>-v<N>-metadata`."""
        record = {
            "encryptedPrivateKey": self.encrypted(pair.secret_key),
            "walletId": wallet,
            "version": number,
            "createdAt": iso(BEGAN_S + (number - 1) * DAY_S),
            "metadata": {"desk": "a", "version": str(number)},
        }
        self.write(f"{wallet}-v{number}", {**record, **more})
        public = {"walletId": wallet, "publicKey": pair.public, "version": number}
        self.write(f"{wallet}-v{number}-metadata", public)

    def versions(self, wallet: str, pairs: Sequence[Pair], **more: object) -> None:
        """`<id>-version-metadata`: the last is current, the one before in grace for ten days more, others expired."""
        last = len(pairs)
        self.write(f"{wallet}-version-metadata", {**version_metadata(wallet, pairs), "currentVersion": last, **more})

    def wallet(self, wallet: str, count: int = 1) -> list[Pair]:
        """A versioned wallet, rotated `count` - 1 times."""
        pairs = [Pair(f"{self.prefix}{wallet} v{number}") for number in range(1, count + 1)]
        for number, pair in enumerate(pairs, 1):
            self.key(wallet, number, pair)
        self.versions(wallet, pairs)
        return pairs

    def shares(self, wallet: str, pair: Pair, shares: Sequence[str]) -> None:
        """`mpc-share-<id>-<n>` and the public record of an MPC wallet."""
        for number, share in enumerate(shares, 1):
            record = {"encryptedShare": self.encrypted(share), "walletId": wallet, "shareIndex": number}
            self.write(f"mpc-share-{wallet}-{number}", {**record, "createdAt": iso(BEGAN_S)})
        self.write(f"{wallet}-metadata", {"walletId": wallet, "publicKey": pair.public, "mpcEnabled": True})


def version_metadata(wallet: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """The record of the versions, each of which was rotated a day after it was made but for the last."""
    last, now = len(pairs), time.time()
    versions: dict[str, Mapping[str, object]] = {}
    for number, pair in enumerate(pairs, 1):
        entry: dict[str, object] = {
            "publicKey": pair.public,
            "status": "active" if number == last else "rotated",
            "createdAt": iso(BEGAN_S + (number - 1) * DAY_S),
        }
        if number < last:
            entry["rotatedAt"] = iso(BEGAN_S + number * DAY_S)
            entry["expiresAt"] = iso(now + 10 * DAY_S if number == last - 1 else BEGAN_S + (number + 30) * DAY_S)
        versions[str(number)] = entry
    rotations = [
        {
            "fromVersion": number,
            "toVersion": number + 1,
            "rotatedAt": iso(BEGAN_S + number * DAY_S),
            "reason": f"reason {number}",
        }
        for number in range(1, last)
    ]
    return {"walletId": wallet, "currentVersion": last, "versions": versions, "rotationHistory": rotations}
