"""An independent reader of root key files and sealed keys, made from docs/formats.md alone.

It shares no code with hyperkms: what it opens proves that the document is complete. Secrets that it
hands out are wrapped in `Secret`, which shows nothing of itself.
"""

import hashlib
import hmac
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_TYPES = {1: ("ed25519", 32), 2: ("secp256k1", 33)}
PURPOSES = {1: "private key", 2: "log key", 3: "store key", 4: "cosigner identity"}
NETWORKS = {0: "none", 1: "mainnet", 2: "testnet", 3: "any"}
ENCRYPTION_LABEL = b"hyperkms sealed key v1 encryption"
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ORIGINS = {1: "generated", 2: "imported"}


T = TypeVar("T")


class Unreadable(ValueError):
    """The bytes are not what docs/formats.md describes, or do not open."""


class Secret:
    """Bytes that no assertion, traceback or log can show; equal in constant time."""

    __slots__ = ("__value",)
    __hash__ = None  # type: ignore[assignment] # a hash of a secret says something of it

    def __init__(self, value: bytes | bytearray) -> None:
        self.__value = bytes(value)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value, other.reveal())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> bytes:
        """The bytes: for computing, never for an assertion."""
        return self.__value


@dataclass(frozen=True, kw_only=True)
class SealedKey:
    """The fields of a sealed key v1, not yet opened."""

    purpose: str
    key_type: str
    network: str
    origin: str
    version: int
    wallet: str
    public_key: bytes
    root_key_id: str
    wrapped: bytes
    salt: bytes
    commitment: bytes
    nonce: bytes
    ciphertext_and_tag: bytes
    context: bytes
    """From the purpose to the wallet id."""
    bound: bytes
    """Every byte before the ciphertext."""


@dataclass(frozen=True)
class Opened:
    """A sealed key and the secrets that it holds."""

    sealed: SealedKey
    data_key: Secret
    private_key: Secret

    def derived(self) -> Mapping[str, Secret]:
        """Other bytes that are as good as the key: what opens its ciphertext, what Ed25519 signs with."""
        encryption_key = Secret(hkdf(self.data_key, self.sealed.salt, ENCRYPTION_LABEL))
        if self.sealed.key_type != "ed25519":
            return {"encryption key": encryption_key}
        expanded = bytearray(hashlib.sha512(self.private_key.reveal()).digest())  # RFC 8032 section 5.1.5
        unclamped, prefix = Secret(expanded[:32]), Secret(expanded[32:])
        expanded[0] &= 248
        expanded[31] = expanded[31] & 127 | 64
        scalar = Secret(expanded[:32])
        reduced = Secret((int.from_bytes(expanded[:32], "little") % ED25519_ORDER).to_bytes(32, "little"))
        return {
            "encryption key": encryption_key,
            "hashed seed": unclamped,
            "scalar": scalar,
            "reduced scalar": reduced,
            "prefix": prefix,
        }


def read_root_key(path: Path) -> Secret:
    """The root key of a file: 32 bytes and nothing else."""
    content = path.read_bytes()
    if len(content) != 32:
        raise Unreadable("the root key file is not 32 bytes long")
    return Secret(content)


def root_key_id(root_key: Secret) -> str:
    """`file:` and 32 hex digits."""
    return "file:" + hkdf(root_key, None, b"hyperkms root key id v1", 16).hex()


def read_sealed_key(content: bytes) -> SealedKey:
    """Read the fields of a sealed key; Unreadable if anything does not fit the format."""
    rest = Reader(content)
    if rest.take(4) != b"HKSK" or rest.number(1) != 1:
        raise Unreadable("this is no sealed key v1")
    start = rest.at
    purpose = rest.coded(PURPOSES)
    key_type, public_key_length = rest.coded(KEY_TYPES)
    network, origin, version = rest.coded(NETWORKS), rest.coded(ORIGINS), rest.number(4)
    wallet = rest.short().decode("ascii")
    context = content[start : rest.at]
    public_key, root_id = rest.short(), rest.short().decode()
    require(len(public_key) == public_key_length, "the public key has a wrong length")
    require(version > 0 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", wallet) is not None, "a wrong context")
    require((network == "none") == (key_type == "ed25519"), "the network does not fit the key type")
    require(rest.short() == b"", "there is a share binding")
    wrapped = rest.take(rest.number(2))
    salt, commitment, nonce = rest.take(32), rest.take(32), rest.take(12)
    bound = content[: rest.at]
    ciphertext_and_tag = rest.take(48)
    require(rest.at == len(content), "something follows the tag")
    return SealedKey(
        purpose=purpose,
        key_type=key_type,
        network=network,
        origin=origin,
        version=version,
        wallet=wallet,
        public_key=public_key,
        root_key_id=root_id,
        wrapped=wrapped,
        salt=salt,
        commitment=commitment,
        nonce=nonce,
        ciphertext_and_tag=ciphertext_and_tag,
        context=context,
        bound=bound,
    )


def unwrap_data_key(wrapped: bytes, context: bytes, root_key: Secret) -> Secret:
    """Open a wrapped data key v1 of a local root key."""
    return unwrap_labelled(wrapped, b"hyperkms data key v1" + context, root_key)


def unwrap_labelled(wrapped: bytes, bound: bytes, root_key: Secret) -> Secret:
    """The same, where the whole of what the data key is bound to is given."""
    require(len(wrapped) == 93 and wrapped[0] == 1, "this is no wrapped data key v1")
    salt, nonce, ciphertext_and_tag = wrapped[1:33], wrapped[33:45], wrapped[45:]
    wrapping_key = hkdf(root_key, salt, b"hyperkms root key wrap v1")
    return Secret(open_aead(wrapping_key, nonce, ciphertext_and_tag, bound))


def open_sealed_key(content: bytes, root_key: Secret) -> Opened:
    """Open a sealed key with a local root key, every check of docs/formats.md included."""
    sealed = read_sealed_key(content)
    require(sealed.root_key_id == root_key_id(root_key), "another root key sealed this")
    return open_with(sealed, unwrap_data_key(sealed.wrapped, sealed.context, root_key))


def open_with(sealed: SealedKey, data_key: Secret) -> Opened:
    """The same with its data key, whatever root key that came from."""
    commitment = hkdf(data_key, sealed.salt, b"hyperkms sealed key v1 commitment")
    require(hmac.compare_digest(commitment, sealed.commitment), "another data key sealed this")
    encryption_key = hkdf(data_key, sealed.salt, ENCRYPTION_LABEL)
    private_key = Secret(open_aead(encryption_key, sealed.nonce, sealed.ciphertext_and_tag, sealed.bound))
    require(public_key_of(sealed.key_type, private_key) == sealed.public_key, "the public key is another one")
    return Opened(sealed, data_key, private_key)


def public_key_of(key_type: str, private_key: Secret) -> bytes:
    """The public key in its stored form."""
    if key_type == "ed25519":
        seed = Ed25519PrivateKey.from_private_bytes(private_key.reveal())
        return seed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    scalar = derive_private_key(int.from_bytes(private_key.reveal(), "big"), SECP256K1())
    return scalar.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sealed_keys_of(data: Path) -> Mapping[str, bytes]:
    """The sealed keys (version 1) of a data directory by wallet id, and the log key."""
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        found = dict(database.execute("SELECT wallet, sealed FROM sealed_keys WHERE version = 1 ORDER BY wallet"))
        return found | dict(database.execute("SELECT 'log key', sealed FROM log_keys"))


def open_data_directory(data: Path) -> tuple[Secret, Mapping[str, Opened]]:
    """The root key of a data directory, and every sealed key in it, opened."""
    root_key = read_root_key(data / "root.key")
    return root_key, {wallet: open_sealed_key(row, root_key) for wallet, row in sealed_keys_of(data).items()}


class Reader:
    """Bytes, read from their start on; Unreadable where they end too early."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def take(self, length: int) -> bytes:
        taken = self._content[self.at : self.at + length]
        require(len(taken) == length, "it is cut short")
        self.at += length
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def short(self) -> bytes:
        return self.take(self.number(1))

    def coded(self, names: Mapping[int, T]) -> T:
        code = self.number(1)
        require(code in names, "a code is unknown")
        return names[code]


def require(condition: bool, what: str) -> None:  # noqa: FBT001 (a condition is what it takes)
    if not condition:
        raise Unreadable(what)


def hkdf(key: Secret, salt: bytes | None, info: bytes, length: int = 32) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(key.reveal())


def open_aead(key: bytes, nonce: bytes, ciphertext_and_tag: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext_and_tag, bound)
    except InvalidTag:
        raise Unreadable("it does not open") from None
