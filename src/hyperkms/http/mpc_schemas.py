"""Bodies of the routes of wallets in shares."""

from typing import Annotated, Literal

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


class ReplaceRequest(RequestBody, frozen=True):
    """Go on with the wallets whose ids come after this one."""

    after: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")] | None = None


class ReplacedVersionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key version whose shares were made anew; the cosigners that had none of it."""

    version: int
    epoch: int
    repaired: list[str]


class ReplacedView(AnswerBody, frozen=True):
    """What was done for a wallet; `code` and `error` where it failed."""

    wallet_id: str
    outcome: Literal["replaced", "nothing-due", "failed"]
    versions: list[ReplacedVersionView]
    code: str | None = None
    error: str | None = None


class ReplaceAnswer(AnswerBody, frozen=True):
    """As many wallets as fitted into some seconds; `next` is to be sent as `after`, until there is none."""

    success: Literal[True]
    wallets: list[ReplacedView]
    next: str | None = None


class ConditionView(AnswerBody, frozen=True):
    """What a cosigner says of itself; `error` where it says nothing."""

    index: int
    name: str
    address: str
    wallets: int | None = None
    shares_given: int | None = None
    """Shares of signatures since it started."""
    refused: int | None = None
    banned: list[int] | None = None
    """Members that it never signs with again."""
    log: str | None = None
    log_lines: int | None = None
    memory: str | None = None
    clock_ahead_ms: int | None = None
    """Its clock against this service's."""
    error: str | None = None


class ConditionsAnswer(AnswerBody, frozen=True):
    """Every cosigner of the group."""

    success: Literal[True]
    cosigners: list[ConditionView]


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
    ReplaceRequest,
    ReplaceAnswer,
    ConditionsAnswer,
)
