"""Rules made ready: each policy and each grant's limits are compiled once, and asked many times. Pure.

A rule applies to a part of an action (an order, or the whole) if its `when` does; then each of its requirements must
hold. What counts over time becomes a demand on a meter, which is reserved before anything is signed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from msgspec import UnsetType

from hyperkms.access.policy.checks import checks_of, side_of
from hyperkms.access.policy.document import (
    RuleDocument,
    WhenDocument,
    amount_of,
    approvers_of,
    period_of,
    span_of,
)
from hyperkms.access.policy.facts import ORDER, TRANSFER, Asked, Kind, Part, Unjudged, micro, total
from hyperkms.access.policy.moments import Times
from hyperkms.access.policy.verdicts import Demand, Refusal

OUTSTANDING_MS = 60_000
"""An order that counts as outstanding has its expiresAfter no further ahead."""
_METERED_KIND = {
    "max_notional": ORDER,
    "max_orders": ORDER,
    "max_outstanding": ORDER,
    "max_transfers": TRANSFER,
}
"""Of which kind of actions each limit over time is."""

MeterOf: TypeAlias = Callable[[str], int]
"""The number of the meter of this name."""


@dataclass(frozen=True, slots=True)
class Metered:
    """A limit over time."""

    quantity: str
    period: int
    limit: int
    meter: int


class Rule:
    """A rule that is ready to be asked about actions of one kind."""

    __slots__ = ("_metered", "_types", "_when_part", "_when_time", "approvers", "checks", "mark_max_age_ms", "name")

    def __init__(self, document: RuleDocument, kind: Kind, mark_max_age_ms: int, metered: Sequence[Metered]) -> None:
        self.name = document.name
        self.mark_max_age_ms = mark_max_age_ms
        when = None if isinstance(document.when, UnsetType) else document.when
        self._types = None if when is None or isinstance(when.actions, UnsetType) else frozenset(when.actions)
        self._when_time = None if when is None else Times.of(when)
        self._when_part = tuple(_part_conditions(when, mark_max_age_ms)) if when else ()
        self.approvers = approvers_of(document, "")
        """Whose approvals it asks for; none if it asks for none."""
        self.checks = tuple(checks_of(document, mark_max_age_ms, kind))
        of_kind = [one for one in metered if kind is _METERED_KIND[one.quantity]]
        quantities = dict.fromkeys(one.quantity for one in of_kind)
        self._metered = [(name, tuple(one for one in of_kind if one.quantity == name)) for name in quantities]

    @property
    def requires_nothing(self) -> bool:
        """Whether there is nothing in it for actions of this kind."""
        return not self.checks and not self._metered

    @property
    def is_checked_alone(self) -> bool:
        """Whether its checks are all there is to it: it applies always, and counts nothing."""
        applies_always = self._types is None and self._when_time is None and not self._when_part
        return applies_always and not self._metered

    def judge(self, asked: Asked, demands: list[Demand]) -> Refusal | None:
        """What this rule has against an action; what it must have left over time is added to the demands."""
        if self._types is not None and asked.action.type not in self._types:
            return None
        if self._when_time is not None and not self._when_time.holds(asked.now):
            return None
        try:
            parts: Sequence[Part] = asked.parts
            if self._when_part:
                parts = [part for part in parts if all(holds(part, asked) for holds in self._when_part)]
            for part in parts:
                for check in self.checks:
                    refusal = check(part, asked)
                    if refusal is not None:
                        return refusal
            return self._meter(parts, asked, demands) if self._metered and parts else None
        except Unjudged as unknown:
            return self.unjudged(unknown)

    def unjudged(self, unknown: Unjudged) -> Refusal:
        """The refusal where something that it needs is not known."""
        return Refusal(self.name, f"{unknown}, so the rule cannot be judged", "unknown", "", "action")

    def _meter(self, parts: Sequence[Part], asked: Asked, demands: list[Demand]) -> Refusal | None:
        for quantity, metered in self._metered:
            end = None
            if quantity == "max_outstanding":
                end = asked.expires_after
                if (refusal := _expiry_refusal(self.name, asked)) and any(not part.reduce_only for part in parts):
                    return refusal
            amount = self._amount(quantity, parts, asked)
            if amount:
                name = self.name
                demands += [Demand(name, quantity, one.meter, one.period, end, amount, one.limit) for one in metered]
        return None

    def _amount(self, quantity: str, parts: Sequence[Part], asked: Asked) -> int:
        if quantity == "max_orders":
            return len(parts)
        if quantity == "max_transfers":
            return micro(asked.usdc_moved())
        if quantity == "max_outstanding":
            parts = [part for part in parts if not part.reduce_only]
        if len(parts) == 1:
            return micro(asked.notional(parts[0], self.mark_max_age_ms))
        return micro(total(asked.notional(part, self.mark_max_age_ms) for part in parts))


def _part_conditions(when: WhenDocument, mark_max_age_ms: int) -> Iterator[Callable[[Part, Asked], bool]]:
    """What may not be known is asked for last: a rule that does not apply anyway needs nothing."""
    if not isinstance(when.sides, UnsetType):
        sides = frozenset(when.sides)
        yield lambda part, _: part.kind is ORDER and side_of(part) in sides
    if not isinstance(when.reduce_only, UnsetType):
        wanted = when.reduce_only
        yield lambda part, _: part.kind is ORDER and part.reduce_only is wanted
    if not isinstance(when.coins, UnsetType):
        coins = frozenset(when.coins)
        yield lambda part, asked: part.asset is not None and not coins.isdisjoint(asked.coins(part))
    if not isinstance(when.above, UnsetType):
        yield _above(amount_of(when.above, "above"), mark_max_age_ms)


def _above(amount: Decimal, mark_max_age_ms: int) -> Callable[[Part, Asked], bool]:
    def holds(part: Part, asked: Asked) -> bool:
        if part.kind is ORDER:
            return asked.notional(part, mark_max_age_ms) > amount
        return part.kind is TRANSFER and asked.usdc_moved() > amount

    return holds


def rules_of(document: RuleDocument, mark_max_age_ms: int, meter_of: MeterOf) -> Sequence[Rule]:
    """A rule made ready for each kind of actions."""
    metered = tuple(_metered(document, meter_of))
    return [Rule(document, kind, mark_max_age_ms, metered) for kind in Kind]


def _metered(document: RuleDocument, meter_of: MeterOf) -> Iterator[Metered]:
    def of(quantity: str, period: int, limit: int) -> Metered:
        span = "until" if quantity == "max_outstanding" else span_of(period)
        return Metered(quantity, period, limit, meter_of(f"{document.name} {quantity} {span}"))

    if not isinstance(document.max_notional, UnsetType):
        for span, amount in document.max_notional.items():
            yield of("max_notional", period_of(span, span), micro(amount_of(amount, span)))
    if not isinstance(document.max_orders, UnsetType):
        for span, count in document.max_orders.items():
            yield of("max_orders", period_of(span, span), count)
    if not isinstance(document.max_outstanding, UnsetType):
        amount = micro(amount_of(document.max_outstanding, "max_outstanding"))
        yield of("max_outstanding", OUTSTANDING_MS, amount)
    if not isinstance(document.max_transfers, UnsetType):
        for span, amount in document.max_transfers.items():
            yield of("max_transfers", period_of(span, span), micro(amount_of(amount, span)))


def _expiry_refusal(name: str, asked: Asked) -> Refusal | None:
    """An order that counts as outstanding needs an end in sight."""
    ends = asked.expires_after
    if ends is not None and ends - asked.now <= OUTSTANDING_MS:
        return None
    value, limit = "none" if ends is None else str(ends - asked.now), str(OUTSTANDING_MS)
    words = f"expiresAfter must be at most {limit} ms ahead, so that it is known how long an order is outstanding"
    return Refusal(name, words, value, limit, "expiresAfter")
