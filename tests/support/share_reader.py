"""An independent reader of sealed shares, made from docs/formats.md alone, and the key that shares make together.

It shares no code with hyperkms. Nothing but a test ever puts a key together: what it computes it hands out wrapped.
"""

import hmac
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_scalarmult_ed25519_base_noclamp

from support.sealed_key_reader import (
    ED25519_ORDER,
    KEY_TYPES,
    NETWORKS,
    Reader,
    Secret,
    hkdf,
    open_aead,
    read_root_key,
    require,
    root_key_id,
    unwrap_labelled,
)

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_ORDERS = {"ed25519": ED25519_ORDER, "secp256k1": SECP256K1_ORDER}
_SESSION = 32


@dataclass(frozen=True, kw_only=True)
class OpenShare:
    """One member's share of one epoch of a key, opened."""

    wallet: str
    version: int
    epoch: int
    index: int
    threshold: int
    key_type: str
    public_key: bytes
    data_key: Secret
    encryption_key: Secret
    scalar: Secret
    """32 bytes, as they stand in the share."""
    seeds: Mapping[int, Secret]
    """secp256k1: what the member and each other one make shares of zero of."""


def open_shares(data: Path) -> list[OpenShare]:
    """Every share that a cosigner's data directory has, opened with its root key."""
    root_key = read_root_key(data / "root.key")
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        rows = database.execute("SELECT sealed FROM shares WHERE sealed IS NOT NULL ORDER BY wallet, version, epoch")
        return [open_share(bytes(sealed), root_key) for (sealed,) in rows]


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """The wrapped data key of a share, and what it is bound to."""

    root_key_id: str
    data_key: bytes
    bound: bytes
    """Under a root key in a file: behind a label."""
    context: Mapping[str, str]
    """Under AWS KMS: but for the purpose and the cosigner."""


def open_share(content: bytes, root_key: Secret) -> OpenShare:
    """Open a sealed share v1 under a root key in a file, every check of docs/formats.md included."""

    def unwrap(wrapped: Wrapped) -> Secret:
        require(wrapped.root_key_id == root_key_id(root_key), "another root key sealed this")
        return unwrap_labelled(wrapped.data_key, b"hyperkms share data key v1" + wrapped.bound, root_key)

    return open_share_by(content, unwrap)


def open_share_by(content: bytes, unwrap: Callable[[Wrapped], Secret]) -> OpenShare:
    """The same, whatever root key unwraps its data key."""
    rest = Reader(content)
    require(rest.take(4) == b"HKSS" and rest.number(1) == 1, "this is no sealed share v1")
    start = rest.at
    index = rest.number(1)
    key_type, point_length = rest.coded(KEY_TYPES)
    network = rest.coded(NETWORKS)
    version, epoch, group = rest.number(4), rest.number(4), rest.take(32)
    threshold, members = rest.number(1), rest.number(1)
    wallet = rest.short().decode("ascii")
    context = content[start : rest.at]
    sealed_under = rest.short().decode()
    wrapped, group_key = rest.take(rest.number(2)), rest.take(rest.number(2))
    salt, commitment, nonce = rest.take(32), rest.take(32), rest.take(12)
    length = rest.number(4)
    bound = content[: rest.at]
    ciphertext_and_tag = rest.take(length + 16)
    require(rest.at == len(content), "something follows the tag")

    named = {
        "hyperkms:group": group.hex(),
        "hyperkms:index": str(index),
        "hyperkms:wallet": wallet,
        "hyperkms:version": str(version),
        "hyperkms:epoch": str(epoch),
        "hyperkms:key-type": key_type,
        "hyperkms:network": network,
    }
    data_key = unwrap(Wrapped(root_key_id=sealed_under, data_key=wrapped, bound=context, context=named))
    expected = hkdf(data_key, salt, b"hyperkms sealed key v1 commitment")
    require(hmac.compare_digest(expected, commitment), "another data key sealed this")
    encryption_key = hkdf(data_key, salt, b"hyperkms sealed key v1 encryption")
    body = open_aead(encryption_key, nonce, ciphertext_and_tag, bound)

    public_key, public_share = _points(group_key, point_length, members, index)
    read = _frost_body if key_type == "ed25519" else _dkls_body
    scalar, seeds = read(body, index, threshold, members, public_key)
    require(point_of(key_type, scalar) == public_share, "the share is not the one of its public share")
    return OpenShare(
        wallet=wallet,
        version=version,
        epoch=epoch,
        index=index,
        threshold=threshold,
        key_type=key_type,
        public_key=public_key,
        data_key=data_key,
        encryption_key=Secret(encryption_key),
        scalar=scalar,
        seeds=seeds,
    )


def private_key_of(shares: list[OpenShare]) -> Secret:
    """The private scalar that t shares of an epoch make (Lagrange at 0); checked against the group's public key."""
    first = shares[0]
    order, byte_order = _ORDERS[first.key_type], _byte_order(first.key_type)
    require(len({share.index for share in shares}) >= first.threshold, "fewer than t shares")
    require(len({(share.wallet, share.version, share.epoch) for share in shares}) == 1, "shares of different epochs")
    total = 0
    for share in shares:
        weight = 1
        for other in shares:
            if other.index != share.index:
                weight = weight * other.index * pow(other.index - share.index, -1, order) % order
        total += weight * int.from_bytes(share.scalar.reveal(), byte_order)
    key = Secret((total % order).to_bytes(32, byte_order))
    require(point_of(first.key_type, key) == first.public_key, "the shares make another key")
    return key


def point_of(key_type: str, scalar: Secret) -> bytes:
    """The public point of a scalar, in its stored form."""
    if key_type == "ed25519":
        return crypto_scalarmult_ed25519_base_noclamp(scalar.reveal())
    key = derive_private_key(int.from_bytes(scalar.reveal(), "big"), SECP256K1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _byte_order(key_type: str) -> Literal["little", "big"]:
    return "little" if key_type == "ed25519" else "big"


def _points(group_key: bytes, length: int, members: int, index: int) -> tuple[bytes, bytes]:
    rest = Reader(group_key)
    require(rest.take(4) == b"HKGK" and rest.number(1) == 1, "this is no group key v1")
    rest.take(3)
    public_key = rest.take(length)
    public_shares = [rest.take(length) for _ in range(members)]
    require(rest.at == len(group_key), "something follows the group key")
    return public_key, public_shares[index - 1]


def _frost_body(
    body: bytes, index: int, _threshold: int, _members: int, public_key: bytes
) -> tuple[Secret, Mapping[int, Secret]]:
    require(len(body) == 66 and body[:2] == bytes((1, index)) and body[34:] == public_key, "this is no FROST share")
    return Secret(body[2:34]), {}


def _dkls_body(
    body: bytes, index: int, threshold: int, members: int, public_key: bytes
) -> tuple[Secret, Mapping[int, Secret]]:
    rest = Reader(body)
    require(rest.take(1) == b"\x01" and rest.number(1) in {0, 1}, "this is no DKLs23 share")
    require(rest.take(3) == bytes((threshold, members, index)), "the share is another member's")
    require(len(rest.short()) == _SESSION, "the share has no session")
    scalar, point = Secret(rest.short()), rest.short()
    require(point == public_key, "the share is of another key")
    seeds = {}
    for _ in range(rest.number(1)):
        rest.take(1)
        other = rest.number(1)
        seeds[other] = Secret(rest.take(32))
    return scalar, seeds
