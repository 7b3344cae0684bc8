"""Bodies of the requests and answers about policies."""

from typing import Annotated, Any, Literal

import msgspec

from hyperkms.http.schemas import NO_NUL, AnswerBody, Approvals, Milliseconds, RequestBody, WalletName

EffectName = Literal["enforced", "shadow"]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Reason = Annotated[str, msgspec.Meta(max_length=256, pattern=NO_NUL)]


class ExplainRequest(RequestBody, frozen=True):
    """An action that is only asked about."""

    wallet_id: WalletName
    action: dict[str, Any]
    vault_address: str | None = None
    expires_after: Milliseconds | None = None
    network: Literal["mainnet", "testnet"] | None = None
    approvals: Approvals | None = None


class ObjectionView(AnswerBody, frozen=True):
    """A rule that refuses: what broke it, and the limit."""

    rule: str
    detail: str
    value: str
    limit: str
    field: str
    retry_after_ms: int | None = None


class ExplainAnswer(AnswerBody, frozen=True):
    """What an action does, and whether it would be signed for this client now."""

    success: Literal[True]
    wallet_id: str
    network: str
    action_type: str
    action_class: str
    explanation: str
    allowed: bool
    policy: str
    refusals: list[ObjectionView]
    grant: str | None = None
    expires_after: int | None = None
    """With which it would be signed."""
    shadow: list[ObjectionView] | None = None
    """What the policy in shadow has against it."""


class ApplyPolicyRequest(RequestBody, frozen=True):
    """Make a new version of a wallet's policy; in `shadow` it only watches."""

    policy: dict[str, Any]
    effect: EffectName = "enforced"
    reason: Reason | None = None
    newest: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    """Refused with 409 unless this is the number of the newest version; 0: there is none yet."""


class DoubtPolicyRequest(RequestBody, frozen=True):
    """A policy that is only asked about."""

    policy: dict[str, Any]


class DoubtPolicyAnswer(AnswerBody, frozen=True):
    """What speaks against it, such as coins that the exchange's list does not have."""

    success: Literal[True]
    wallet_id: str
    notes: list[str]


class ChoosePolicyRequest(RequestBody, frozen=True):
    """Give a version that exists effect; null ends it (enforced: the built-in trade-only decides)."""

    version: Number | None
    effect: EffectName = "enforced"
    reason: Reason | None = None


class PolicyVersionView(AnswerBody, frozen=True):
    """A version of a policy."""

    version: int
    policy: dict[str, Any]
    created_at: str
    created_by: str
    reason: str | None = None


class PolicyAnswer(AnswerBody, frozen=True):
    """What holds for a wallet; without `enforced` the built-in trade-only decides."""

    success: Literal[True]
    wallet_id: str
    newest: int
    """The number of the newest version; 0 if there never was one."""
    enforced: PolicyVersionView | None = None
    shadow: PolicyVersionView | None = None
    unchanged: bool = False
    """True: the same document had that effect already, and no version was made."""
    notes: list[str] | None = None
    """What speaks against the policy all the same, such as coins that the exchange's list does not have."""


class PoliciesAnswer(AnswerBody, frozen=True):
    """The same, and every version there ever was."""

    success: Literal[True]
    wallet_id: str
    signs: Literal["actions", "bytes"]
    """`bytes`: it has an ed25519 key; no policy can read what it signs, and none applies, the built-in one neither."""
    versions: list[PolicyVersionView]
    newest: int
    """The number of the newest version; 0 if there never was one."""
    enforced: PolicyVersionView | None = None
    shadow: PolicyVersionView | None = None


POLICY_BODIES = (
    ExplainRequest,
    ExplainAnswer,
    ApplyPolicyRequest,
    DoubtPolicyRequest,
    DoubtPolicyAnswer,
    ChoosePolicyRequest,
    PolicyAnswer,
    PoliciesAnswer,
)
