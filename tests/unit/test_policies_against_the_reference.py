"""Random policies, limits and grants against random actions: the same verdict, rule and amounts as the plain reference.

HYPERKMS_TEST_POLICIES=100000 is the full number; a number that fails is a case that can be run again by itself.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hyperkms import _core
from hyperkms.access.approvals import NONE_SHOWN, Conditions, Matter, Shown
from hyperkms.access.authority import Authority, ReadyGrant, Wanted, consider
from hyperkms.access.grants import Grant
from hyperkms.access.policy.document import (
    LimitsDocument,
    canonical_text,
    limits_of,
    policy_of,
    read_limits,
    read_policy,
)
from hyperkms.access.policy.facts import Asked
from hyperkms.access.policy.judge import TRADE_ONLY_TYPES, Judgement, Limits, Policy
from hyperkms.access.reservations import Reservations
from hyperkms.access.roles import Operation
from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.hyperliquid.signable import numbered
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.wallet import Network
from support.books import Book
from support.databases import open_at
from support.policy_reference import Case, Outcome, grant_for, judge_policy, judge_rules
from support.policy_reference import Wanted as Amount
from support.random_policies import APPROVERS, case_of, grants_for, limits_for, policy_for

POLICIES = int(os.environ.get("HYPERKMS_TEST_POLICIES", "4000"))


class Meters:
    """Numbers for names, and back."""

    def __init__(self) -> None:
        self.names: list[str] = [""]

    def number(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1


def test_the_same_as_the_reference_whatever_is_asked_under_whatever_policy(tmp_path: Path) -> None:
    nothing_spent = Reservations(
        open_at(tmp_path / "state.db"),
        _core.Meters.open(tmp_path / "meters"),
        lambda: 0,
        boot="a boot",
    )
    seen: Counter[str] = Counter()
    for number in range(POLICIES):
        seen.update(_compare(number, nothing_spent))
    for what in ("allowed", "refused", "demands", "grant", "no grant", "unknown", "equal to the limit"):
        assert seen[what] > POLICIES // 40, (what, seen)
    for what in ("approvals missing", "with approvals"):
        assert seen[what] > POLICIES // 100, (what, seen)


def _compare(number: int, reservations: Reservations) -> Sequence[str]:
    random = Random(number)  # noqa: S311 (a test)
    case = case_of(random)
    policy, limits, grants = policy_for(random, case), limits_for(random, case), grants_for(random, case)
    action = _action(case)
    meters = Meters()
    ready = Policy("p", policy_of(policy), meters.number)
    wanted, ends = judge_policy(policy, case)
    shown = _shown(action, case) if "'approvals':" in repr((policy, limits, grants)) else NONE_SHOWN
    asked = _asked(action, case, shown)
    asked.expires_after = ready.default_expiry(asked) or asked.expires_after
    judged = ready.judge(asked)
    assert (number, asked.expires_after) == (number, ends)
    assert (number, _outcome(judged, meters)) == (number, _by_period(wanted))
    objections = list(ready.objections(asked))
    assert (number, objections[:1]) == (number, [judged.refusal] if judged.refusal else [])
    under_limits = Limits(limits_of(limits), meters.number).judge(asked)
    expected = judge_rules(limits, replace(case, expires_after=ends))
    assert (number, _outcome(under_limits, meters)) == (number, _by_period(expected))
    given = _granted(number, action, case, shown, ready, grants, reservations)
    assert (number, canonical_text(read_policy(canonical_text(policy_of(policy))))) == (
        number,
        canonical_text(policy_of(policy)),
    )
    assert read_limits(canonical_text(limits_of(limits))) == limits_of(limits)
    return [*_seen(judged), "grant" if given else "no grant", *_approved(policy, judged)]


def _granted(  # noqa: PLR0913, PLR0917 (a case in its parts)
    number: int,
    action: Action,
    case: Case,
    shown: Shown,
    policy: Policy,
    grants: Sequence[Mapping[str, Any]],
    reservations: Reservations,
) -> str | None:
    ready = tuple(ReadyGrant.of(_grant(one), lambda _: 1) for one in grants)
    authority = Authority("bot", "wallet", ready, policy, None)
    wanted = Wanted(action, case.vault, case.expires_after, case.now, shown)
    verdict = consider(authority, wanted, Book(case.listed), reservations)
    _, ends = judge_policy(_NOTHING, case)
    settled = replace(case, expires_after=verdict.expires_after or ends)
    assert (number, verdict.grant) == (number, grant_for(grants, settled))
    return verdict.grant


_NOTHING: Mapping[str, Any] = {"format": 1, "allow": ["trade-only"]}


def _grant(one: Mapping[str, Any]) -> Grant:
    limits: LimitsDocument | None = None if one["limits"] is None else limits_of(one["limits"])
    actions = None if one["actions"] is None else frozenset(map(ActionClass, one["actions"]))
    return Grant(
        id=one["id"], wallet=None, operation=Operation.TRADE, actions=actions, limits=limits, expires_at=one["ends"]
    )


def _action(case: Case) -> Action:
    if case.type in TRADE_ONLY_TYPES:
        return parse_action(dict(case.wire), Numbers.CANONICAL)
    return Action(case.type, case.wire)


def _asked(action: Action, case: Case, shown: Shown) -> Asked:
    return Asked(
        action,
        Book(case.listed),
        now=case.now,
        vault_address=case.vault,
        expires_after=case.expires_after,
        approvals=shown,
    )


def _shown(action: Action, case: Case) -> Shown:
    """The approvals that are given, each signed, with the flaw that is said of it."""
    approvers = {one.text: one for one in APPROVERS.values()}
    wire = numbered(action, Network.TESTNET, 0)
    vault = b"" if case.vault is None else bytes.fromhex(case.vault[2:])
    used = set[str]()
    texts = []
    for number, one in enumerate(case.given):
        made = approvers[one.by].statement("w", wire, time=case.now, until=case.now + 1, vault=vault)
        changes: Mapping[str, Mapping[str, Any]] = {
            "another wallet": {"wallet": "v"},
            "ended": {"until": case.now},
            "too long": {"until": case.now + 3_600_001},
            "ahead": {"time": case.now + 60_001, "until": case.now + 60_002},
        }
        made = replace(made, id=bytes([number]) * 16, **changes.get(one.flaw or "", {}))
        if one.flaw == "used":
            used.add(made.id.hex())
        texts.append(approvers[one.by].sign(made))
    conditions = Conditions(
        now=case.now, not_before=0, is_askers=lambda _: False, was_used=lambda _, named: named in used
    )
    return Shown(texts, Matter("w", Network.TESTNET, case.vault, action), conditions)


def _outcome(judged: Judgement, meters: Meters) -> Outcome:
    if judged.refusal is not None:
        return Outcome(judged.refusal.rule)
    amounts = []
    for one in judged.demands:
        name, quantity, span = meters.names[one.meter].rsplit(" ", 2)
        assert (name, quantity) == (one.rule, one.quantity)
        assert one.period == _milliseconds(span)
        amounts.append(Amount(one.rule, quantity, str(one.period), one.end, one.amount, one.limit))
    return Outcome(None, tuple(amounts))


def _by_period(outcome: Outcome) -> Outcome:
    """60s and 1m are one period."""
    wanted = tuple(replace(one, span=str(_milliseconds(one.span))) for one in outcome.wanted)
    return replace(outcome, wanted=wanted)


def _milliseconds(span: str) -> int:
    units: Mapping[str, Callable[[int], int]] = {"s": lambda n: n * 1000, "m": lambda n: n * 60_000}
    units = {**units, "h": lambda n: n * 3_600_000, "d": lambda n: n * 86_400_000}
    return 60_000 if span == "until" else units[span[-1]](int(span[:-1]))


def _approved(policy: Mapping[str, Any], judged: Judgement) -> Sequence[str]:
    if not any("approvals" in rule for rule in policy["rules"]):
        return []
    if judged.refusal is not None:
        return ["approvals missing"] if judged.refusal.path == "approvals" else []
    return ["with approvals"]


def _seen(judged: Judgement) -> Sequence[str]:
    if judged.refusal is not None:
        return ["refused", *(["unknown"] if judged.refusal.value == "unknown" else [])]
    at_the_limit = any(one.amount == one.limit for one in judged.demands)
    kinds = {"allowed": True, "demands": bool(judged.demands), "equal to the limit": at_the_limit}
    return [name for name, holds in kinds.items() if holds]
