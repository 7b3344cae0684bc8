"""Policies as they are asked for and shown."""

import msgspec

from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy, PolicyVersion, Standing
from hyperkms.access.policy.verdicts import Refusal
from hyperkms.http.policy_schemas import (
    ApplyPolicyRequest,
    ChoosePolicyRequest,
    ExplainAnswer,
    ExplainRequest,
    ObjectionView,
    PoliciesAnswer,
    PolicyAnswer,
    PolicyVersionView,
)
from hyperkms.hyperliquid.classes import class_of
from hyperkms.hyperliquid.members import parse_address
from hyperkms.operations.explain import Explained
from hyperkms.operations.policies import Applied, Choice, ShownPolicy
from hyperkms.operations.settle import ActionRequest
from hyperkms.wallet import KeyType, Network, WalletId, iso_time, parse_wallet_id


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


def applied_answer(applied: Applied) -> PolicyAnswer:
    """What holds, whether that is new, and what speaks against it."""
    return msgspec.structs.replace(
        policy_answer(applied.standing), unchanged=not applied.is_new, notes=applied.doubts or None
    )


def policies_answer(shown: ShownPolicy) -> PoliciesAnswer:
    """What holds, and what held."""
    standing = shown.standing
    return PoliciesAnswer(
        success=True,
        wallet_id=standing.wallet,
        signs="actions" if shown.key_type is KeyType.SECP256K1 else "bytes",
        versions=[_view(version) for version in shown.versions],
        enforced=_maybe(standing.enforced),
        shadow=_maybe(standing.shadow),
        newest=standing.newest,
    )


def explain_request(body: ExplainRequest) -> ActionRequest:
    """What a body asks about."""
    return ActionRequest(
        wallet=parse_wallet_id(body.wallet_id),
        action=body.action,
        vault_address=None if body.vault_address is None else parse_address(body.vault_address, "vaultAddress"),
        expires_after=body.expires_after,
        network=Network(body.network) if body.network else None,
        approvals=tuple(body.approvals or ()),
    )


def explain_answer(found: Explained) -> ExplainAnswer:
    """What an action does, and the verdict."""
    verdict = found.verdict
    return ExplainAnswer(
        success=True,
        wallet_id=found.wallet.id,
        network=found.network.value,
        action_type=found.action.type,
        action_class=class_of(found.action.type).value,
        explanation=found.sentence,
        allowed=not verdict.refusals,
        policy=verdict.policy,
        refusals=[_objection(refusal) for refusal in verdict.refusals],
        grant=verdict.grant,
        expires_after=verdict.expires_after,
        shadow=[_objection(refusal) for refusal in verdict.shadow] or None,
    )


def _objection(refusal: Refusal) -> ObjectionView:
    return ObjectionView(
        rule=refusal.rule,
        detail=refusal.words,
        value=refusal.value,
        limit=refusal.limit,
        field=refusal.path,
        retry_after_ms=refusal.wait_ms,
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
