"""What the service answers, as frozen values. Members that a newer service adds are passed over."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]


class _Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class TreeHead(_Result, frozen=True):
    """A signed head of one of the service's logs: the root of its first `size` lines. Time is in milliseconds."""

    size: int
    root: str
    time: int
    key_id: str
    signature: str


class CosignedBy(_Result, frozen=True):
    """How a signature came of shares: by whom, and what is known of the protocol and of where the cosigners run."""

    protocol: str
    session: str
    """0x and 64 hex digits, as the records of the cosigners name it."""
    signers: tuple[int, ...]
    """Which cosigners, by their index in the group."""
    deployment: str
    """embedded: on the service's machine, which protects against one process alone; separate: on hosts of their own."""
    audited: bool | str
    """False, or what of the protocol's implementation had a public audit."""


class Receipt(_Result, frozen=True):
    """Where a signature stands in the service's record, and the digest that was signed."""

    log: str
    index: int
    request_id: str
    key_version: int
    digest: str
    leaf_hash: str | None = None
    """Of its line in the record; None, as the two below, where an older service answered."""
    durability: str | None = None
    """fsync: the line was on the service's disk before the answer left; os: with its operating system."""
    head: TreeHead | None = None
    """The newest one before that line; None, too, before the log has one."""
    cosigned: CosignedBy | None = None
    """Of a wallet in shares."""


class Wallet(_Result, frozen=True):
    """A wallet; `address` and `network` are those of a secp256k1 wallet. Times are RFC 3339 in UTC."""

    wallet_id: str
    public_key: str
    created_at: str
    key_type: str = ""
    version: int = 1
    origin: str = ""
    address: str | None = None
    network: str | None = None
    metadata: Json | None = None
    retired_at: str | None = None
    retired_reason: str | None = None
    custody: str | None = None
    """mpc or kms-native; None: standard."""


class PublicKey(_Result, frozen=True):
    """A wallet's public key (0x and hex); `address` is that of a secp256k1 wallet."""

    wallet_id: str
    public_key: str
    key_type: str = ""
    address: str | None = None


class SignedMessage(_Result, frozen=True):
    """`signature` is 0x and 128 hex digits (Ed25519: R, S) or 130 (secp256k1: r, s, v)."""

    signature: str
    public_key: str
    wallet_id: str
    receipt: Receipt | None = None
    address: str | None = None


class SignedOrder(_Result, frozen=True):
    """A signed order payload; `action`, `nonce` and `expires_after` are those of a secp256k1 wallet's order.

    One that ends by itself, as every order of a wallet in shares does, is posted with its `expires_after`.
    """

    signature: str
    public_key: str
    wallet_id: str
    receipt: Receipt | None = None
    address: str | None = None
    action: Json | None = None
    nonce: int | None = None
    expires_after: int | None = None

    def post(self) -> Json:
        """The body of the exchange's POST /exchange. ValueError for an Ed25519 wallet: it verifies none."""
        if self.action is None or self.nonce is None:
            raise ValueError(f"wallet {self.wallet_id} is no secp256k1 wallet; the exchange verifies no other")
        digits = self.signature.removeprefix("0x")
        signature = {"r": "0x" + digits[:64], "s": "0x" + digits[64:128], "v": int(digits[128:], 16)}
        return {
            "action": self.action,
            "nonce": self.nonce,
            "signature": signature,
            "vaultAddress": None,
            "expiresAfter": self.expires_after,
        }


class Signature(_Result, frozen=True):
    """r and s (0x and 64 hex digits), v (27 or 28)."""

    r: str
    s: str
    v: int


class SignedAction(_Result, frozen=True):
    """What the service signed, to be posted to the exchange exactly so."""

    wallet_id: str
    address: str
    action: Json
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None
    receipt: Receipt | None = None

    def post(self) -> Json:
        """The body of the exchange's POST /exchange."""
        return {
            "action": self.action,
            "nonce": self.nonce,
            "signature": {"r": self.signature.r, "s": self.signature.s, "v": self.signature.v},
            "vaultAddress": self.vault_address,
            "expiresAfter": self.expires_after,
        }


class KeyVersion(_Result, frozen=True):
    """One key pair of a wallet: `state` is pending, active, retiring (signs until `expires_at`) or retired."""

    version: int
    state: str
    public_key: str
    created_at: str
    origin: str = ""
    address: str | None = None
    activated_at: str | None = None
    expires_at: str | None = None
    retired_at: str | None = None
    destroyed_at: str | None = None


class Versions(_Result, frozen=True):
    """Every version of a wallet, in order of number."""

    wallet_id: str
    current_version: int
    versions: tuple[KeyVersion, ...]


class Rotation(_Result, frozen=True):
    """A new key version; `state` is its: active, or (secp256k1) pending until it is activated.

    `expires_at` is the end of the old version's grace.
    """

    wallet_id: str
    new_version: int
    new_public_key: str
    old_version: int
    old_public_key: str
    grace_period_days: float
    state: str = ""
    new_address: str | None = None
    old_address: str | None = None
    expires_at: str | None = None


class PastRotation(_Result, frozen=True):
    """One version took the place of another."""

    from_version: int
    to_version: int
    rotated_at: str
    reason: str = ""


class RotationHistory(_Result, frozen=True):
    """The rotations of a wallet, in order."""

    wallet_id: str
    current_version: int
    rotation_history: tuple[PastRotation, ...]


class Retired(_Result, frozen=True):
    """What stands of a wallet after one or all of its versions were retired."""

    wallet: Wallet
    versions: tuple[KeyVersion, ...]


class Health(_Result, frozen=True):
    """The process lives."""

    status: str
    service: str = ""


class MessageToSign(_Result, frozen=True, omit_defaults=True):
    """One entry of `sign_messages`; `version` selects a key version in grace."""

    wallet_id: str
    message: str
    version: int | None = None


class ActionToSign(_Result, frozen=True, omit_defaults=True):
    """One entry of `sign_actions`; a nonce is allocated unless one is given."""

    wallet_id: str
    action: Json
    nonce: int | None = None
    vault_address: str | None = None
    expires_after: int | None = None
    network: str | None = None
    version: int | None = None
    approvals: Sequence[str] = ()
    """What approvers gave, as `hyperkms approve` prints it."""


class WalletPage(_Result, frozen=True):
    """Wallets in order of id; `next` is the `after` of the next page."""

    wallets: tuple[Wallet, ...]
    total: int = 0
    next: str | None = None
