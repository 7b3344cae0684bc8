"""Wallets and their key versions: pure values, valid by construction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import NewType

from hyperkms import _core
from hyperkms.errors import Malformed, NotFound

WalletId = NewType("WalletId", str)
"""1 to 64 ASCII characters: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`; case matters."""

PublicKey = NewType("PublicKey", bytes)
"""32 bytes for Ed25519 (RFC 8032), 33 bytes compressed for secp256k1 (SEC 1)."""

SealedKey = NewType("SealedKey", bytes)
"""A stored record in sealed key format v1 (docs/formats.md)."""

_COMPRESSED = 33
_WALLET_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class KeyType(StrEnum):
    """What kind of key a wallet has; it never changes."""

    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"


class Network(StrEnum):
    """The Hyperliquid network that a secp256k1 wallet signs for; it never changes."""

    MAINNET = "mainnet"
    TESTNET = "testnet"
    ANY = "any"
    """Development only: each request names mainnet or testnet."""


class Custody(StrEnum):
    """Who holds the key of a wallet; it never changes."""

    STANDARD = "standard"
    """This service, sealed."""
    MPC = "mpc"
    """Cosigners, in shares; the key itself is nowhere."""
    KMS_NATIVE = "kms-native"
    """AWS KMS, where it was made and which it never leaves."""


class Origin(StrEnum):
    """Where a key came from; an imported one may exist elsewhere too."""

    GENERATED = "generated"
    IMPORTED = "imported"


class VersionState(StrEnum):
    """The life of a key version; `wallet_life` has the legal moves."""

    PENDING = "pending"
    """It has a key and an address, and signs nothing yet."""
    ACTIVE = "active"
    """The current version of its wallet."""
    RETIRING = "retiring"
    """In grace: it signs for who names it, until it expires."""
    RETIRED = "retired"
    """It never signs again; its sealed key is destroyed."""


@dataclass(frozen=True, kw_only=True)
class KeyVersion:
    """One key pair of a wallet, numbered from 1."""

    number: int
    state: VersionState
    public_key: PublicKey
    origin: Origin
    created_at: int
    """Milliseconds since 1970, as the other times."""
    activated_at: int | None = None
    """Since when it signs. At a cosigner a pending version can have it: `wallet_life.is_admitted`."""
    expires_at: int | None = None
    """The end of its grace, exclusive; there once another version is current, or the wallet is retired."""
    retired_at: int | None = None
    destroyed_at: int | None = None
    """Since then the key store has no sealed key of it; a key in AWS KMS is disabled and waits for its deletion."""
    kms_key: str | None = None
    """The ARN of the key in AWS KMS, of a `kms-native` wallet; nothing secret."""

    @cached_property
    def public_key_text(self) -> str:
        """0x and 64 (Ed25519) or 66 (secp256k1) lower-case hex digits."""
        return "0x" + self.public_key.hex()

    @cached_property
    def address(self) -> str | None:
        """0x and 40 lower-case hex digits; None for Ed25519."""
        return address_of(self.public_key)


def address_of(public_key: bytes) -> str | None:
    """The address of a public key: 0x and 40 lower-case hex digits; None for one of Ed25519."""
    return "0x" + _core.address(public_key).hex() if len(public_key) == _COMPRESSED else None


@dataclass(frozen=True, kw_only=True)
class Wallet:
    """A named signing identity with its current key version."""

    id: WalletId
    key_type: KeyType
    network: Network | None
    """None exactly for Ed25519, which signs opaque bytes."""
    current: KeyVersion
    created_at: int
    """Milliseconds since 1970."""
    metadata: Mapping[str, object]
    revision: int = 1
    """One more with every change of the wallet or its versions."""
    retired_at: int | None = None
    """Since then nothing signs; the id and the addresses are never used again."""
    retired_reason: str | None = None
    custody: Custody = Custody.STANDARD
    group_id: bytes | None = None
    """Of a wallet in shares: the group of cosigners that hold them; 32 bytes."""

    @property
    def is_mpc(self) -> bool:
        """Its key is in shares."""
        return self.custody is Custody.MPC

    @property
    def is_kms_native(self) -> bool:
        """Its key is in AWS KMS and never here."""
        return self.custody is Custody.KMS_NATIVE

    @property
    def signs_elsewhere(self) -> bool:
        """A signature is asked for over the network, and takes as long as that."""
        return self.custody is not Custody.STANDARD

    @property
    def address(self) -> str | None:
        """That of the current version."""
        return self.current.address

    @property
    def public_key_text(self) -> str:
        """That of the current version."""
        return self.current.public_key_text

    def context_of(self, version: KeyVersion) -> _core.Context:
        """What the sealed key of a version must be for."""
        return key_context(self.id, self.key_type, self.network, version.origin, version=version.number)


def key_context(
    wallet: WalletId, key_type: KeyType, network: Network | None, origin: Origin, *, version: int
) -> _core.Context:
    """The context that binds a sealed key to its place."""
    return _core.Context(
        wallet=wallet,
        version=version,
        key_type=key_type.value,
        network=network.value if network else "none",
        origin=origin.value,
    )


def parse_wallet_id(text: object) -> WalletId:
    """Accept an id of the grammar; Malformed otherwise, without repeating what was sent."""
    if not isinstance(text, str) or not _WALLET_ID.fullmatch(text):
        raise Malformed.at(
            "walletId",
            "must be 1 to 64 ASCII letters, digits, '.', '_' or '-', and start with a letter or digit",
            "malformed-wallet-id",
        )
    return WalletId(text)


def no_such_wallet(wallet: WalletId) -> NotFound:
    """The one refusal of a wallet that is not there, or is not the caller's to know of."""
    return NotFound("wallet-not-found", f"there is no wallet {wallet}")


def iso_time(milliseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds, as `Date.toISOString` of JavaScript prints it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
