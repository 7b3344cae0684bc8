"""What decides over an action: the grants of who asks, the wallet's policy, and what is left over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hyperkms._core import Meters
from hyperkms.access.approvals import NONE_SHOWN, Conditions, Matter, Shown
from hyperkms.access.authority import Authority, Decision, ReadyGrant, Verdict, Wanted, consider, decide
from hyperkms.access.grants import NEVER, Grant
from hyperkms.access.policy.document import limits_of, policy_of
from hyperkms.access.policy.judge import Policy, trade_only
from hyperkms.access.reservations import Reservations
from hyperkms.access.roles import Operation
from hyperkms.errors import Forbidden, Refused, Unavailable
from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.state.database import Database
from hyperkms.state.waiting import MustWait, about_to_wait, without_waiting
from hyperkms.wallet import Network
from support.approving import Approver
from support.books import ETH, LISTED, Book, action, order, orders
from support.databases import open_at
from support.policy_reference import Listed

pytestmark = pytest.mark.usefixtures("each_database")

NOW = 1_780_000_000_000
FIRST, SECOND = "1" * 16, "2" * 16
NOOP = action("noop")


@dataclass
class Desk:
    """One wallet and one client over real meters, with a clock that a test turns."""

    folder: Path
    now: int = NOW
    database: Database = field(init=False)
    reservations: Reservations = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_at(self.folder / "state.db")
        meters = Meters.open(self.folder / "meters")
        self.reservations = Reservations(self.database, meters, lambda: self.now, boot="a boot")

    def grant(self, named: str = FIRST, *rules: Mapping[str, Any], ends: int = NEVER, **members: Any) -> ReadyGrant:
        limits = limits_of({"format": 1, "rules": list(rules), **members}) if rules else None
        grant = Grant(id=named, wallet=None, operation=Operation.TRADE, limits=limits, expires_at=ends)
        return ReadyGrant.of(grant, self.reservations.meter_of)

    def policy(self, *rules: Mapping[str, Any], label: str = "w/1", **members: Any) -> Policy:
        document = policy_of({"format": 1, "allow": ["trade-only"], "rules": list(rules), **members})
        return Policy(label, document, lambda name: self.reservations.meter_of(f"{label} {name}"))

    def decide(  # noqa: PLR0913 (all that goes with an action)
        self,
        asked: Action,
        policy: Policy,
        *grants: ReadyGrant,
        shadow: Policy | None = None,
        book: Book | None = None,
        expires_after: int | None = None,
        approvals: Shown = NONE_SHOWN,
    ) -> Decision:
        authority = Authority("bot", "w", grants or (self.grant(),), policy, shadow)
        wanted = Wanted(asked, None, expires_after, self.now, approvals)
        return decide(authority, wanted, book or Book(), self.reservations)

    def consider(self, asked: Action, policy: Policy, *grants: ReadyGrant, approvals: Shown = NONE_SHOWN) -> Verdict:
        authority = Authority("bot", "w", grants, policy, None)
        return consider(authority, Wanted(asked, None, None, self.now, approvals), Book(), self.reservations)

    def used(self, name: str, *, period: int = 3_600_000, is_outstanding: bool = False) -> int:
        """What the meter of this name counts."""
        return self.reservations.used(self.reservations.meter_of(name), period, is_outstanding=is_outstanding)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


SPEND = {"name": "spend", "max_notional": {"1h": 1500}}
COUNT = {"name": "count", "max_orders": {"1h": 1}}


# ---- grants --------------------------------------------------------------------------------------------


def test_a_class_of_actions_that_no_grant_covers_is_refused(desk: Desk) -> None:
    only_orders = desk.grant()
    held = ReadyGrant(only_orders.id, frozenset({ActionClass.ORDER, ActionClass.CANCEL}), None, NEVER)
    leverage = action("updateLeverage", asset=0, isCross=True, leverage=3)
    assert desk.decide(orders(order()), trade_only(), held).grant == FIRST
    assert desk.decide(NOOP, trade_only(), held).grant == FIRST
    with pytest.raises(
        Forbidden, match="bot is granted no leverage actions with wallet w, and updateLeverage"
    ) as refused:
        desk.decide(leverage, trade_only(), held)
    assert (refused.value.code, refused.value.details) == ("action-not-granted", {"actionClass": "leverage"})


def test_a_grant_holds_until_the_moment_of_its_end(desk: Desk) -> None:
    ending = desk.grant(ends=NOW + 10)
    desk.now = NOW + 9
    assert desk.decide(NOOP, trade_only(), ending).grant == FIRST
    desk.now = NOW + 10
    with pytest.raises(Forbidden):
        desk.decide(NOOP, trade_only(), ending)
    assert desk.decide(NOOP, trade_only(), ending, desk.grant(SECOND)).grant == SECOND


def test_of_several_grants_one_that_admits_is_enough(desk: Desk) -> None:
    small, large = (
        desk.grant(named, {"name": "size", "max_order_notional": most})
        for named, most in ((FIRST, 10), (SECOND, 9_999))
    )
    assert desk.decide(orders(order()), trade_only(), small, large).grant == SECOND
    assert desk.decide(orders(order(size="0.01")), trade_only(), small, large).grant == FIRST
    with pytest.raises(Refused) as refused:
        desk.decide(orders(order(size="10")), trade_only(), small, large)
    assert refused.value.message.startswith(f"grant {FIRST}, rule 'size'")


def test_a_grant_that_has_too_little_left_leaves_it_to_the_next_and_takes_nothing(desk: Desk) -> None:
    first, second = desk.grant(FIRST, COUNT), desk.grant(SECOND, {"name": "count", "max_orders": {"1h": 2}})
    given = [desk.decide(orders(order()), trade_only(), first, second).grant for _ in range(3)]
    assert given == [FIRST, SECOND, SECOND]
    with pytest.raises(
        Refused, match=f"grant {FIRST}, rule 'count': 1 orders asked for, and of 1 in 1h there are 0 left"
    ):
        desk.decide(orders(order()), trade_only(), first, second)


def test_the_limits_of_a_grant_hold_beside_those_of_the_policy(desk: Desk) -> None:
    policy, grant = desk.policy(SPEND), desk.grant(FIRST, COUNT)
    decision = desk.decide(orders(order()), policy, grant)
    assert (decision.policy, decision.grant, decision.watched, decision.would_refuse) == ("w/1", FIRST, None, None)
    assert decision.reservation is not None
    assert [one.quantity for one in decision.reservation.demands] == ["max_notional", "max_orders"]
    assert (desk.used("w/1 spend max_notional 1h"), desk.used(f"grant {FIRST}: count max_orders 1h")) == (10**9, 1)
    with pytest.raises(Refused, match=f"grant {FIRST}, rule 'count'"):
        desk.decide(orders(order(size="0.1")), policy, grant)
    assert desk.used("w/1 spend max_notional 1h") == 10**9, "all of a request is taken, or nothing"
    with pytest.raises(
        Refused, match="policy w/1, rule 'spend': 1000 USD asked for, and of 1500 in 1h there are 500 left"
    ):
        desk.decide(orders(order()), policy, grant)


def test_without_rules_the_type_alone_decides(desk: Desk) -> None:
    assert desk.decide(NOOP, trade_only()) == Decision(None, "trade-only", FIRST, None)
    withdrawal = Action("withdraw3", {"type": "withdraw3"})
    with pytest.raises(
        Refused, match="policy trade-only, rule 'allow': withdraw3 is not allowed; allowed are batchModify"
    ) as refused:
        desk.decide(withdrawal, trade_only())
    told = refused.value.details
    assert (told["rule"], told["value"], told["field"]) == ("allow", "withdraw3", "action.type")
    for plain in (trade_only(), desk.policy(SPEND)):
        with pytest.raises(Refused):
            desk.decide(withdrawal, plain, desk.grant(FIRST, COUNT))


# ---- what is known, and when ---------------------------------------------------------------------------


def test_a_mark_that_is_young_enough_for_the_policy_may_be_too_old_for_the_grant(desk: Desk) -> None:
    """What an order is worth was worked out once, for whoever asked first."""
    policy = desk.policy({"name": "lax", "max_order_notional": 99_999}, mark_max_age_ms=300_000)
    strict = desk.grant(FIRST, {"name": "strict", "max_order_notional": 99_999}, mark_max_age_ms=500)
    sale = orders(order("100", asset=ETH, buy=False))
    assert desk.decide(sale, policy).grant == FIRST
    with pytest.raises(Refused, match="there is no mark of asset 1 that is at most 500 ms old"):
        desk.decide(sale, policy, strict)


def test_what_counts_over_time_counts_from_when_it_is_taken_and_not_from_when_it_was_asked(desk: Desk) -> None:
    class Slow(Book):
        def mark(self, asset: int, *, now: int, max_age_ms: int) -> Decimal | None:
            desk.now = NOW + 2_000
            return super().mark(asset, now=now, max_age_ms=max_age_ms)

    policy = desk.policy({"name": "spend", "max_notional": {"1s": 1500}})
    decision = desk.decide(orders(order(buy=False)), policy, book=Slow())
    assert decision.reservation is not None
    assert decision.reservation.at == NOW + 2_000
    with pytest.raises(Refused):
        desk.decide(orders(order(buy=False)), policy)


def test_an_order_gets_the_default_end_of_the_policy_before_its_rules_are_asked(desk: Desk) -> None:
    policy = desk.policy({"name": "open", "max_outstanding": 1500}, expires_after={"default_ms": 5_000})
    decision = desk.decide(orders(order()), policy)
    assert decision.expires_after == NOW + 5_000
    assert decision.reservation is not None
    assert decision.reservation.shown == [[1, 60_000, 10**9, NOW + 5_000]]
    assert desk.decide(orders(order(reduce_only=True)), policy, expires_after=NOW + 9).expires_after == NOW + 9
    assert desk.decide(NOOP, policy).expires_after is None


def test_the_ends_of_orders_are_looked_at_where_there_is_no_rule_besides(desk: Desk) -> None:
    policy = desk.policy(expires_after={"required": True, "max_ms": 5_000})
    assert not policy.is_plain
    assert trade_only().is_plain
    assert not desk.policy(SPEND).is_plain
    for expires_after in (None, NOW + 5_001):
        with pytest.raises(Refused, match="policy w/1, rule 'expires_after'"):
            desk.decide(orders(order()), policy, expires_after=expires_after)
    assert desk.decide(orders(order()), policy, expires_after=NOW + 5_000).expires_after == NOW + 5_000
    assert desk.decide(NOOP, policy).expires_after is None


# ---- shadow --------------------------------------------------------------------------------------------


def test_a_policy_in_shadow_says_what_it_would_refuse_and_refuses_nothing(desk: Desk) -> None:
    shadow = desk.policy({"name": "small", "max_order_notional": 10}, SPEND, label="w/2")
    decision = desk.decide(orders(order()), trade_only(), shadow=shadow)
    assert decision.would_refuse is not None
    assert (decision.would_refuse.refusal.rule, decision.would_refuse.refusal.value, decision.policy) == (
        "small",
        "1000",
        "trade-only",
    )
    fits = desk.decide(orders(order(size="0.01")), trade_only(), shadow=shadow)
    assert (fits.would_refuse, fits.watched and fits.watched.shown) == (None, [[1, 3_600_000, 10**7, 0]])
    assert desk.decide(NOOP, trade_only(), shadow=shadow) == Decision(None, "trade-only", FIRST, None)


def test_limits_over_time_in_shadow_count_whatever_is_left(desk: Desk) -> None:
    shadow = desk.policy(SPEND, label="w/2")
    would = [desk.decide(orders(order()), trade_only(), shadow=shadow).would_refuse for _ in range(3)]
    assert would[0] is None
    assert [one and (one.refusal.rule, one.refusal.value, one.refusal.limit) for one in would[1:]] == [
        ("spend", "1000", "1500")
    ] * 2
    assert desk.used("w/2 spend max_notional 1h") == 3 * 10**9
    within = desk.policy({"name": "spend", "max_notional": {"1h": 3000}}, label="w/3")
    exact = [desk.decide(orders(order()), trade_only(), shadow=within).would_refuse for _ in range(3)]
    assert exact == [None] * 3


def test_who_must_wait_for_a_mark_of_the_shadow_has_reserved_nothing(desk: Desk) -> None:
    """The same request is done again in a thread: what was reserved before would count twice."""

    class Waiting(Book):
        def mark(self, asset: int, *, now: int, max_age_ms: int) -> Decimal | None:
            about_to_wait()
            return super().mark(asset, now=now, max_age_ms=max_age_ms)

    policy, shadow = desk.policy(COUNT), desk.policy({"name": "band", "price_band_percent": 5}, label="w/2")
    with pytest.raises(MustWait), without_waiting():
        desk.decide(orders(order()), policy, shadow=shadow, book=Waiting())
    assert desk.used("w/1 count max_orders 1h") == 0
    assert desk.decide(orders(order()), policy, shadow=shadow, book=Waiting()).would_refuse is None


def test_a_shadow_whose_meters_are_away_refuses_nothing_either(desk: Desk) -> None:
    full = Policy("w/2", policy_of({"format": 1, "allow": ["order"], "rules": [SPEND]}), lambda _: 8_192)
    decision = desk.decide(orders(order()), desk.policy(COUNT), shadow=full)
    assert decision.watched is None
    assert decision.would_refuse is not None
    assert (decision.would_refuse.refusal.rule, decision.would_refuse.refusal.value) == ("spend", "unknown")
    with pytest.raises(Unavailable, match="room for 8191 meters"):
        desk.decide(orders(order()), full)


def test_a_shadow_gives_an_order_its_own_default_end(desk: Desk) -> None:
    shadow = desk.policy(label="w/2", expires_after={"required": True, "default_ms": 5_000, "max_ms": 5_000})
    decision = desk.decide(orders(order()), trade_only(), shadow=shadow)
    assert (decision.would_refuse, decision.expires_after) == (None, None)
    too_far = desk.decide(orders(order()), trade_only(), shadow=shadow, expires_after=NOW + 5_001)
    assert too_far.would_refuse is not None
    assert (
        too_far.would_refuse.refusal.rule,
        too_far.would_refuse.refusal.value,
        too_far.would_refuse.refusal.limit,
    ) == (
        "expires_after",
        "5001",
        "5000",
    )


# ---- who only asks -------------------------------------------------------------------------------------


def test_who_only_asks_hears_every_rule_that_refuses_and_reserves_nothing(desk: Desk) -> None:
    policy = desk.policy(COUNT, {"name": "small", "max_order_notional": 10}, {"name": "sells", "sides": ["sell"]})
    grant = desk.grant(FIRST, {"name": "tiny", "max_order_notional": 1})
    verdict = desk.consider(orders(order()), policy, grant)
    assert (verdict.policy, verdict.grant) == ("w/1", None)
    assert [refusal.rule for refusal in verdict.refusals] == ["small", "sells", "tiny"]
    assert desk.used("w/1 count max_orders 1h") == 0
    assert desk.consider(orders(order()), policy, grant, desk.grant(SECOND)).grant == SECOND


def test_who_only_asks_hears_that_no_grant_covers_the_action(desk: Desk) -> None:
    verdict = desk.consider(NOOP, trade_only())
    assert (verdict.grant, [one.rule for one in verdict.refusals]) == (None, ["grants"])
    assert "client bot is granted no cancel actions with wallet w" in verdict.refusals[0].words
    policy = desk.policy(expires_after={"default_ms": 700})
    assert desk.consider(orders(order()), policy, desk.grant()).expires_after == NOW + 700
    ended = desk.grant(ends=NOW)
    assert desk.consider(NOOP, trade_only(), ended).grant is None


# ---- what has no name ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        {"coins": ["BTC"]},
        {"max_order_notional": 10**9},
        {"max_notional": {"1h": 10**9}},
        {"price_band_percent": 100},
        {"refuse": True, "when": {"coins": ["ETH"]}},
    ],
    ids=lambda rule: next(iter(rule)),
)
def test_what_cannot_be_judged_is_refused(desk: Desk, rule: Mapping[str, Any]) -> None:
    with pytest.raises(Refused, match="so the rule cannot be judged") as refused:
        desk.decide(orders(order(asset=7)), desk.policy({"name": "unknown", **rule}))
    assert (refused.value.code, refused.value.details["rule"], refused.value.details["value"]) == (
        "policy-refused",
        "unknown",
        "unknown",
    )


def test_a_rule_that_does_not_apply_anyway_asks_for_no_name(desk: Desk) -> None:
    rule = {"name": "sells", "refuse": True, "when": {"coins": ["ETH"], "sides": ["sell"]}}
    assert desk.decide(orders(order(asset=7)), desk.policy(rule)).grant == FIRST


def test_an_asset_in_another_currency_has_no_worth(desk: Desk) -> None:
    foreign = {**LISTED, 0: Listed(("BTC",), is_in_usd=False, mark="1", age_ms=0)}
    with pytest.raises(Refused, match="asset 0 is not known to be in USD"):
        desk.decide(orders(order()), desk.policy(SPEND), book=Book(foreign))


# ---- approvals -----------------------------------------------------------------------------------------

ANNA, BEN = Approver.numbered(0), Approver.numbered(1)
LARGE = {"name": "large", "when": {"above": 5000}, "approvals": 1, "approvers": {"anna": ANNA.text}}
BY_BEN = {"name": "ben", "when": {"above": 5000}, "approvals": 1, "approvers": {"ben": BEN.text}}
BIG = orders(order(size="10"))


def shown(*approvers: Approver, of: Action = BIG, waits: bool = False) -> Shown:
    def was_used(_key: str, _id: str) -> bool:
        if waits:
            about_to_wait()
        return False

    texts = [one.approve("w", of.wire, time=NOW, until=NOW + 1) for one in approvers]
    conditions = Conditions(now=NOW, not_before=0, is_askers=lambda _: False, was_used=was_used)
    return Shown(texts, Matter("w", Network.TESTNET, None, of), conditions)


def names(decision: Decision) -> list[str]:
    return [one.name for one in decision.approved]


def test_what_approvers_permit_is_signed_and_uses_their_approvals_up(desk: Desk) -> None:
    policy = desk.policy(LARGE)
    with pytest.raises(Refused, match="needs 1 approval of anna; 0 count") as refused:
        desk.decide(BIG, policy)
    assert refused.value.code == "approval-required"
    assert (refused.value.details["rule"], refused.value.details["limit"]) == ("large", "1")
    assert names(desk.decide(BIG, policy, approvals=shown(ANNA))) == ["anna"]


def test_approvals_that_came_are_used_up_also_where_no_rule_has_asked_for_them(desk: Desk) -> None:
    """What was shown with one signature permits no other, whatever another cosigner makes of the size of an order."""
    small = orders(order())
    assert names(desk.decide(small, desk.policy(LARGE), approvals=shown(ANNA, BEN, of=small))) == ["anna"]
    assert names(desk.decide(small, desk.policy(COUNT), approvals=shown(ANNA, of=small))) == []
    assert names(desk.decide(small, trade_only(), approvals=shown(ANNA, of=small))) == []


def test_a_grant_may_ask_for_approvals_beside_the_policy(desk: Desk) -> None:
    policy, grant = desk.policy(LARGE), desk.grant(FIRST, BY_BEN)
    with pytest.raises(Refused, match=f"grant {FIRST}, rule 'ben'.* needs 1 approval of ben") as refused:
        desk.decide(BIG, policy, grant, approvals=shown(ANNA))
    assert refused.value.code == "approval-required"
    decision = desk.decide(BIG, policy, grant, desk.grant(SECOND), approvals=shown(ANNA, BEN))
    assert (decision.grant, names(decision)) == (FIRST, ["anna", "ben"])
    both = desk.decide(BIG, trade_only(), grant, desk.grant(SECOND), approvals=shown(BEN))
    assert (both.grant, names(both)) == (FIRST, ["ben"])


def test_whether_an_approval_was_used_is_asked_before_anything_is_reserved(desk: Desk) -> None:
    """In the event loop that ends the attempt, which is made again from its start."""
    small = orders(order())
    policy = desk.policy(LARGE, SPEND)
    desk.reservations.meter_of("w/1 spend max_notional 1h")
    with without_waiting(), pytest.raises(MustWait):
        desk.decide(small, policy, desk.grant(), approvals=shown(ANNA, of=small, waits=True))
    assert desk.used("w/1 spend max_notional 1h") == 0


def test_a_policy_in_shadow_uses_no_approval_up(desk: Desk) -> None:
    decision = desk.decide(BIG, trade_only(), shadow=desk.policy(LARGE, label="w/2"), approvals=shown(ANNA))
    assert (decision.would_refuse, decision.approved) == (None, ())
    watched = desk.decide(BIG, trade_only(), shadow=desk.policy(LARGE, label="w/2")).would_refuse
    assert watched is not None
    assert (watched.policy, watched.refusal.rule) == ("w/2", "large")


def test_whoever_only_asks_hears_which_approvals_are_missing(desk: Desk) -> None:
    policy = desk.policy(LARGE)
    (missing,) = desk.consider(BIG, policy, desk.grant()).refusals
    assert (missing.rule, missing.path) == ("large", "approvals")
    assert desk.consider(BIG, policy, desk.grant(), approvals=shown(ANNA)).refusals == []


def test_an_approval_that_another_request_uses_up_meanwhile_is_not_signed_without(desk: Desk) -> None:
    """Whoever uses it up finds that it was: what a rule has counted is in the decision in any case."""
    uses = iter([False, True])
    conditions = Conditions(now=NOW, not_before=0, is_askers=lambda _: False, was_used=lambda *_: next(uses))
    texts = [ANNA.approve("w", BIG.wire, time=NOW, until=NOW + 1)]
    raced = Shown(texts, Matter("w", Network.TESTNET, None, BIG), conditions)
    assert names(desk.decide(BIG, desk.policy(LARGE), approvals=raced)) == ["anna"]
