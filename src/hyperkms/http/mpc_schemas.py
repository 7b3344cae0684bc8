"""Bodies of the routes of wallets in shares."""

from typing import Literal

import msgspec

from hyperkms.http.schemas import AnswerBody, PublicKeyAnswer, RequestBody, Version, WalletView


class MpcWalletView(WalletView, frozen=True):
    """A wallet in shares; `metadata` repeats its threshold, as in the first system."""

    mpc_enabled: Literal[True] | None = None


class MpcGenerateAnswer(AnswerBody, frozen=True):
    """A new wallet in shares."""

    success: Literal[True]
    wallet: MpcWalletView
    note: str | None = None


class MpcPublicKeyAnswer(PublicKeyAnswer, frozen=True):
    """The public key of a wallet in shares."""

    mpc_enabled: Literal[True] | None = None


class RefreshRequest(RequestBody, frozen=True):
    """Make new shares of the current version, or of another one that signs."""

    version: Version | None = None


class RefreshAnswer(AnswerBody, frozen=True):
    """The shares before are destroyed; the key and its address are the same."""

    success: Literal[True]
    wallet_id: str
    version: int
    epoch: int
    public_key: str


class CosignerView(msgspec.Struct, frozen=True, kw_only=True):
    """One cosigner as this service sees it."""

    index: int
    name: str
    alive: bool


class MpcStatusAnswer(AnswerBody, frozen=True):
    """The first system's members, as text; then what is so here, while MPC is on."""

    mpc_enabled: bool
    threshold: str
    total_shares: str
    algorithm: str
    description: str
    protocol: dict[str, str] | None = None
    """By key type."""
    audited: dict[str, bool | str] | None = None
    """By key type: false, or what was audited."""
    deployment: Literal["embedded", "separate"] | None = None
    protects: str | None = None
    """What the shares protect against where the cosigners run now."""
    cosigners: list[CosignerView] | None = None
    quorum_left: int | None = None
    """How many of those that answer could be lost before nothing is signed; below 0: nothing is signed now."""
    group: str | None = None
    fingerprint: str | None = None
    """Of the group description, for operators to compare."""


MPC_BODIES = (
    MpcGenerateAnswer,
    MpcPublicKeyAnswer,
    RefreshRequest,
    RefreshAnswer,
    MpcStatusAnswer,
)
