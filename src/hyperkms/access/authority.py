"""May this action be signed: a client's grants and the wallet's policy, asked once before anything is numbered.

1. A grant must cover the class of the action.
2. The policy gives an order its default expiresAfter, then allows or refuses.
3. The limits of one of those grants must hold too.
4. What counts over time is reserved, all of it or nothing. Approvals that came are used up when it is numbered.
5. A policy in shadow is asked the same; it never refuses. It is asked before 4, since a mark may have to be waited for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hyperkms.access.approvals import NONE_SHOWN, Approved, Shown
from hyperkms.access.grants import NEVER, Grant
from hyperkms.access.policy.facts import Asked, Prices
from hyperkms.access.policy.judge import Judgement, Limits, Policy, refused
from hyperkms.access.policy.verdicts import GRANTS, Demand, Refusal, Source
from hyperkms.access.reservations import Reservation, Reservations, lacking
from hyperkms.errors import Forbidden, Refused, Unavailable
from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.classes import ActionClass, class_of


@dataclass(frozen=True, slots=True)
class ReadyGrant:
    """A grant whose limits are ready to be asked."""

    id: str
    actions: frozenset[ActionClass] | None
    limits: Limits | None
    expires_at: int

    @classmethod
    def of(cls, grant: Grant, meter_of: Callable[[str], int]) -> "ReadyGrant":
        """Compile it; waits for the database if it has limits over time."""
        limits = None
        if grant.limits is not None:
            limits = Limits(grant.limits, lambda name: meter_of(f"grant {grant.id}: {name}"))
        return cls(grant.id, grant.actions, limits, grant.expires_at)

    def covers(self, kind: ActionClass, now: int) -> bool:
        """Whether it is for this class of actions, and has not ended."""
        return (self.actions is None or kind in self.actions) and (self.expires_at == NEVER or now < self.expires_at)


class Authority(NamedTuple):
    """Everything that decides for one client and one wallet; remembered until either changes."""

    client: str
    wallet: str
    grants: tuple[ReadyGrant, ...]
    policy: Policy
    shadow: Policy | None


class Wanted(NamedTuple):
    """An action, and what goes with it."""

    action: Action
    vault_address: str | None
    expires_after: int | None
    now: int
    approvals: Shown = NONE_SHOWN


class Watched(NamedTuple):
    """What a policy in shadow would have refused."""

    policy: str
    refusal: Refusal


class Decision(NamedTuple):
    """An action may be signed."""

    expires_after: int | None
    """As asked for, or as the policy gave it."""
    policy: str
    grant: str
    reservation: Reservation | None
    would_refuse: Watched | None = None
    """What the policy in shadow would have refused."""
    watched: Reservation | None = None
    """What the policy in shadow has counted."""
    approved: tuple[Approved, ...] = ()
    """The approvals that came and count for whatever rule of policy and grant, used up with this signature."""


class Verdict(NamedTuple):
    """What would be decided, for who only asks."""

    expires_after: int | None
    policy: str
    grant: str | None
    refusals: Sequence[Refusal]
    """Every rule that refuses; those of the policy first."""
    shadow: Sequence[Refusal]
    """What the policy in shadow has against it."""


def decide(authority: Authority, wanted: Wanted, prices: Prices, reservations: Reservations) -> Decision:
    """Allow, having reserved what counts over time; Forbidden or Refused names the rule, the number and the limit."""
    grants = _covering(authority, wanted)  # (1)
    policy, first = authority.policy, grants[0]
    if policy.is_plain and first.limits is None and authority.shadow is None:
        policy.require_type(wanted.action.type)
        return Decision(wanted.expires_after, policy.label, first.id, None)
    asked = _asked(policy, wanted, prices)  # (2)
    judged = policy.judge(asked)
    if judged.refusal is not None:
        raise refused(policy.source, judged.refusal)
    shadow = authority.shadow
    seen = None if shadow is None else shadow.judge(_asked_in_shadow(shadow, wanted, asked))  # (5)
    approved = _approved(policy, grants, asked)
    grant, reservation = _granted(grants, asked, judged, policy, reservations)  # (3), (4)
    decision = Decision(asked.expires_after, policy.label, grant.id, reservation, approved=approved)
    if shadow is None or seen is None:
        return decision
    against, watched = _watched(shadow, seen, reservations)
    would_refuse = None if against is None else Watched(shadow.label, against)
    return decision._replace(would_refuse=would_refuse, watched=watched)


def consider(authority: Authority, wanted: Wanted, prices: Prices, reservations: Reservations) -> Verdict:
    """What `decide` would say now, with every rule that refuses; nothing is reserved."""
    policy = authority.policy
    asked = _asked(policy, wanted, prices)
    refusals = _objections(policy, asked, reservations)
    grant, against = _best_grant(authority, asked, reservations)
    shadow: Sequence[Refusal] = ()
    if authority.shadow is not None:
        shadow = _objections(authority.shadow, _asked_in_shadow(authority.shadow, wanted, asked), reservations)
    return Verdict(asked.expires_after, policy.label, grant, [*refusals, *against], shadow)


def _objections(policy: Policy, asked: Asked, reservations: Reservations) -> Sequence[Refusal]:
    """Every rule that refuses; if none does, the limit over time that has too little left."""
    return list(policy.objections(asked)) or _short(policy.judge(asked), policy.source, reservations)


def _best_grant(authority: Authority, asked: Asked, reservations: Reservations) -> tuple[str | None, Sequence[Refusal]]:
    """The first grant that admits it; none, and what all of them have against it."""
    kind = class_of(asked.action.type)
    against: list[Refusal] = []
    for grant in authority.grants:
        if not grant.covers(kind, asked.now):
            continue
        judged, whose = Judgement(None), Source("grant", grant.id)
        if grant.limits is not None:
            judged = grant.limits.judge(asked)
        refusals = [judged.refusal] if judged.refusal else _short(judged, whose, reservations)
        if not refusals:
            return grant.id, ()
        against += refusals
    if not against:
        against.append(Refusal(GRANTS, _not_granted(authority, kind), kind.value, "none", "action.type"))
    return None, against


def _short(judged: Judgement, whose: Source, reservations: Reservations) -> list[Refusal]:
    """The first limit over time that has too little left, if one has."""
    short = reservations.lacks(judged.demands)
    if short is None:
        return []
    told = lacking(whose, short).details
    words = f"{told['value']} asked for, of {told['limit']} there are {told['left']} left"
    return [Refusal(short.demand.rule, words, str(told["value"]), str(told["limit"]), "action", short.wait_ms)]


def _covering(authority: Authority, wanted: Wanted) -> list[ReadyGrant]:
    kind = class_of(wanted.action.type)
    grants = [grant for grant in authority.grants if grant.covers(kind, wanted.now)]
    if not grants:
        words = f"{_not_granted(authority, kind)}, and {wanted.action.type} is one"
        raise Forbidden("action-not-granted", words, {"actionClass": kind.value})
    return grants


def _not_granted(authority: Authority, kind: ActionClass) -> str:
    return f"client {authority.client} is granted no {kind.value} actions with wallet {authority.wallet}"


def _granted(
    grants: Sequence[ReadyGrant], asked: Asked, judged: Judgement, policy: Policy, reservations: Reservations
) -> tuple[ReadyGrant, Reservation | None]:
    """The first grant whose limits hold and have enough left, with the reservation; else the first one's refusal."""
    failure: Refused | None = None
    for grant in grants:
        limits = Judgement(None) if grant.limits is None else grant.limits.judge(asked)
        if limits.refusal is not None:
            failure = failure or refused(Source("grant", grant.id), limits.refusal)
            continue
        demands = [*judged.demands, *limits.demands]
        if not demands:
            return grant, None
        reserved = reservations.reserve(demands)
        if isinstance(reserved, Reservation):
            return grant, reserved
        failure = failure or lacking(_owner(reserved.demand, judged, policy, grant), reserved)
    if failure is None:
        raise AssertionError("there is a grant at least, and it was asked")
    raise failure


def _approved(policy: Policy, grants: Sequence[ReadyGrant], asked: Asked) -> tuple[Approved, ...]:
    """Also those that no rule has asked for this time: what was shown with one signature permits no other."""
    approvers = dict(policy.approvers)
    for grant in grants:
        if grant.limits is not None:
            approvers.update(grant.limits.approvers)
    return asked.approvals.by(approvers).approved if approvers else ()


def _owner(demand: Demand, judged: Judgement, policy: Policy, grant: ReadyGrant) -> Source:
    return policy.source if demand in judged.demands else Source("grant", grant.id)


def _asked(policy: Policy, wanted: Wanted, prices: Prices) -> Asked:
    """What a policy is asked, which gives an order its default expiresAfter."""
    asked = Asked(
        wanted.action,
        prices,
        now=wanted.now,
        vault_address=wanted.vault_address,
        expires_after=wanted.expires_after,
        approvals=wanted.approvals,
    )
    asked.expires_after = policy.default_expiry(asked) or asked.expires_after
    return asked


def _asked_in_shadow(shadow: Policy, wanted: Wanted, asked: Asked) -> Asked:
    """What a policy in shadow is asked: as the other policy has left the expiresAfter."""
    return _asked(shadow, wanted._replace(expires_after=asked.expires_after), asked.prices)


def _watched(shadow: Policy, seen: Judgement, reservations: Reservations) -> tuple[Refusal | None, Reservation | None]:
    if seen.refusal is not None or not seen.demands:
        return seen.refusal, None
    try:
        watched, short = reservations.watch(seen.demands)
    except Unavailable as error:  # it never refuses, nor does what it needs
        return Refusal(seen.demands[0].rule, error.message, "unknown", "", "action"), None
    if short is None:
        return None, watched
    would = lacking(shadow.source, short)
    value, limit = str(would.details["value"]), str(would.details["limit"])
    return Refusal(short.demand.rule, would.message, value, limit, "action"), watched
