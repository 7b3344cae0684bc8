"""What a policy says of an action: allowed, with what must be left over time, or the rule that refuses. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from msgspec import UnsetType

from hyperkms.access.approvals import Approvers
from hyperkms.access.policy.checks import Check
from hyperkms.access.policy.document import TRADE_ONLY, ExpiryDocument, LimitsDocument, PolicyDocument
from hyperkms.access.policy.facts import ORDER, Asked, Kind, Unjudged
from hyperkms.access.policy.rules import MeterOf, Rule, rules_of
from hyperkms.access.policy.verdicts import ALLOW, APPROVALS, EXPIRES_AFTER, Demand, Refusal, Source
from hyperkms.errors import Detail, Refused

TRADE_ONLY_TYPES = (
    "order",
    "cancel",
    "cancelByCloid",
    "modify",
    "batchModify",
    "updateLeverage",
    "scheduleCancel",
    "noop",
)
"""What a wallet without a policy of its own signs."""


Step: TypeAlias = tuple[Rule, Sequence[Check] | None]
"""A rule, with its checks where they are all there is to it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says."""

    refusal: Refusal | None
    demands: list[Demand] = field(default_factory=list)


class Policy:
    """A policy that is ready to be asked."""

    __slots__ = ("_allowed", "_expiry", "_rules", "approvers", "is_plain", "label", "source")

    def __init__(self, label: str, document: PolicyDocument, meter_of: MeterOf) -> None:
        self.label = label
        """How records and refusals call it: `trade-only`, `w7/3`."""
        self.source = Source("policy", label)
        self._allowed = frozenset(allowed_types(document.allow))
        self._expiry = None if isinstance(document.expires_after, UnsetType) else document.expires_after
        self._rules = _by_kind(document, meter_of)
        self.approvers = _approvers(self._rules)
        """Everybody whose approval a rule may ask for."""
        self.is_plain = self._expiry is None and not document.rules
        """Nothing but the type of an action decides."""

    def require_type(self, name: str) -> None:
        """Refused unless actions of this type are allowed."""
        if name not in self._allowed:
            raise refused(self.source, _not_allowed(name, self._allowed))

    def default_expiry(self, asked: Asked) -> int | None:
        """The expiresAfter that an order without one gets; None if it gets none."""
        expiry = self._expiry
        if expiry is None or isinstance(expiry.default_ms, UnsetType) or asked.kind is not ORDER:
            return None
        return asked.now + expiry.default_ms if asked.expires_after is None else None

    def judge(self, asked: Asked) -> Judgement:
        """The first refusal, or everything that must be left over time."""
        if asked.action.type not in self._allowed:
            return Judgement(_not_allowed(asked.action.type, self._allowed))
        if self._expiry is not None and (refusal := _expiry_refusal(self._expiry, asked)):
            return Judgement(refusal)
        return _judge(self._rules[asked.kind], asked)

    def objections(self, asked: Asked) -> Iterator[Refusal]:
        """Every refusal, for who asks what would be refused."""
        if asked.action.type not in self._allowed:
            yield _not_allowed(asked.action.type, self._allowed)
        if self._expiry is not None and (refusal := _expiry_refusal(self._expiry, asked)):
            yield refusal
        for rule, _ in self._rules[asked.kind]:
            if found := rule.judge(asked, []):
                yield found


class Limits:
    """The limits of a grant, ready to be asked."""

    __slots__ = ("_rules", "approvers")

    def __init__(self, document: LimitsDocument, meter_of: MeterOf) -> None:
        self._rules = _by_kind(document, meter_of)
        self.approvers = _approvers(self._rules)
        """Everybody whose approval they may ask for."""

    def judge(self, asked: Asked) -> Judgement:
        """The first refusal, or everything that must be left over time."""
        return _judge(self._rules[asked.kind], asked)


def _judge(rules: Sequence[Step], asked: Asked) -> Judgement:
    """Most orders come alone and most rules are nothing but checks: those are asked here, without a call for each."""
    demands: list[Demand] = []
    parts = asked.parts
    alone = parts[0] if len(parts) == 1 else None
    for rule, checks in rules:
        if checks is None or alone is None:
            refusal = rule.judge(asked, demands)
            if refusal is not None:
                return Judgement(refusal)
            continue
        try:
            for check in checks:
                refusal = check(alone, asked)
                if refusal is not None:
                    return Judgement(refusal)
        except Unjudged as unknown:
            return Judgement(rule.unjudged(unknown))
    return Judgement(None, demands)


def _by_kind(document: PolicyDocument | LimitsDocument, meter_of: MeterOf) -> Sequence[Sequence[Step]]:
    """For each kind of actions the rules that require something of it, in their order."""
    ready = [rules_of(rule, document.mark_max_age_ms, meter_of) for rule in document.rules]
    return [tuple(_step(rules[kind]) for rules in ready if not rules[kind].requires_nothing) for kind in Kind]


def _step(rule: Rule) -> Step:
    return rule, rule.checks if rule.is_checked_alone else None


def _approvers(rules: Sequence[Sequence[Step]]) -> Approvers:
    return {key: one for of_kind in rules for rule, _ in of_kind for key, one in rule.approvers.items()}


@cache
def trade_only() -> Policy:
    """The built-in policy."""
    return Policy(TRADE_ONLY, PolicyDocument(format=1, allow=[TRADE_ONLY]), _no_meters)


def allowed_types(allow: Iterable[str]) -> Iterator[str]:
    """Action types, those of `trade-only` spelt out."""
    for name in allow:
        if name == TRADE_ONLY:
            yield from TRADE_ONLY_TYPES
        else:
            yield name


def _no_meters(name: str) -> int:
    raise AssertionError(f"the built-in policy has no meter {name}")


def refused(whose: Source, refusal: Refusal) -> Refused:
    """The refusal of a rule, as it is answered."""
    details: dict[str, Detail] = {
        **whose.member,
        "rule": refusal.rule,
        "value": refusal.value,
        "limit": refusal.limit,
        "field": refusal.path,
    }
    words = f"{whose}, rule {refusal.rule!r}: {refusal.words}"
    if refusal.rule == ALLOW:
        return Refused("action-not-allowed", words, details)
    if refusal.path == APPROVALS:
        return Refused("approval-required", words, details)
    return Refused("policy-refused", words, details)


def _not_allowed(name: str, allowed: frozenset[str]) -> Refusal:
    limit = ", ".join(sorted(allowed))
    return Refusal(ALLOW, f"{name} is not allowed; allowed are {limit}", name, limit, "action.type")


def _expiry_refusal(expiry: ExpiryDocument, asked: Asked) -> Refusal | None:
    if asked.kind is not ORDER:
        return None
    ends = asked.expires_after
    if ends is None:
        if not expiry.required:
            return None
        return Refusal(EXPIRES_AFTER, "expiresAfter is missing, and required", "none", "required", "expiresAfter")
    if isinstance(expiry.max_ms, UnsetType) or ends - asked.now <= expiry.max_ms:
        return None
    ahead, most = str(ends - asked.now), str(expiry.max_ms)
    return Refusal(EXPIRES_AFTER, f"expiresAfter is {ahead} ms ahead; at most {most}", ahead, most, "expiresAfter")
