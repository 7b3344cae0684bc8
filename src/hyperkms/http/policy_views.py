"""Policies as they are asked for and shown."""

import msgspec

from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy, PolicyVersion, Standing
from hyperkms.http.policy_schemas import (
    ApplyPolicyRequest,
    ChoosePolicyRequest,
    PoliciesAnswer,
    PolicyAnswer,
    PolicyVersionView,
)
from hyperkms.operations.policies import Choice, ShownPolicy
from hyperkms.wallet import WalletId, iso_time


def new_policy(wallet: WalletId, body: ApplyPolicyRequest) -> NewPolicy:
    """What a body asks for; Malformed if the policy is not of the documented form."""
    return NewPolicy(
        wallet=wallet,
        document=policy_of(body.policy),
        effect=Effect(body.effect),
        reason=body.reason,
        expected=body.newest,
    )


def choice_of(wallet: WalletId, body: ChoosePolicyRequest) -> Choice:
    """The version that a body names."""
    return Choice(wallet=wallet, effect=Effect(body.effect), number=body.version, reason=body.reason)


def policy_answer(standing: Standing) -> PolicyAnswer:
    """What holds."""
    return PolicyAnswer(
        success=True,
        wallet_id=standing.wallet,
        enforced=_maybe(standing.enforced),
        shadow=_maybe(standing.shadow),
        newest=standing.newest,
    )


def policies_answer(shown: ShownPolicy) -> PoliciesAnswer:
    """What holds, and what held."""
    standing = shown.standing
    return PoliciesAnswer(
        success=True,
        wallet_id=standing.wallet,
        versions=[_view(version) for version in shown.versions],
        enforced=_maybe(standing.enforced),
        shadow=_maybe(standing.shadow),
        newest=standing.newest,
    )


def _maybe(version: PolicyVersion | None) -> PolicyVersionView | None:
    return None if version is None else _view(version)


def _view(version: PolicyVersion) -> PolicyVersionView:
    return PolicyVersionView(
        version=version.number,
        policy=msgspec.to_builtins(version.document),
        created_at=iso_time(version.created_at),
        created_by=version.created_by,
        reason=version.reason,
    )
