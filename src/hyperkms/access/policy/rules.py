"""Rules made ready: each policy and each grant's limits are compiled once, and asked many times. Pure.

A rule applies to a part of an action (an order, or the whole) if its `when` does; then each of its requirements must
hold. What counts over time becomes a demand on a meter, which is reserved before anything is signed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import UnsetType

from hyperkms.access.policy.document import (
    Day,
    RuleDocument,
    WhenDocument,
    amount_of,
    hours_of,
    period_of,
    span_of,
    zone_of,
)
from hyperkms.access.policy.facts import (
    LEVERAGE,
    ORDER,
    TRANSFER,
    WIDE,
    Asked,
    Kind,
    Part,
    Unjudged,
    accounts_of,
    micro,
    total,
)
from hyperkms.hyperliquid.wire import canonical

OUTSTANDING_MS = 60_000
"""An order that counts as outstanding has its expiresAfter no further ahead."""
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_MINUTE_MS = 60_000
_PERCENT = Decimal(100)
_WHOLE_PERCENT_OF_A_TENTH = Decimal("0.001")


class Source(NamedTuple):
    """Where a rule stands."""

    kind: Literal["policy", "grant"]
    name: str

    @property
    def member(self) -> dict[str, str]:
        """For a problem document: which policy or grant it is."""
        return {self.kind: self.name}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Refusal(NamedTuple):
    """Why a rule refuses."""

    rule: str
    words: str
    """What broke it, and the limit, as a sentence goes on."""
    value: str
    limit: str
    path: str
    wait_ms: int | None = None
    """How long until it would be granted, where time brings it."""


class Demand(NamedTuple):
    """An amount that a meter must have left."""

    rule: str
    quantity: str
    """max_notional, max_orders, max_outstanding, max_transfers."""
    meter: int
    period: int
    """Milliseconds."""
    end: int | None
    """None: it counts for the period."""
    amount: int
    """Millionths of a USD, or orders."""
    limit: int


_METERED_KIND = {
    "max_notional": ORDER,
    "max_orders": ORDER,
    "max_outstanding": ORDER,
    "max_transfers": TRANSFER,
}
"""Of which kind of actions each limit over time is."""

Check: TypeAlias = Callable[[Part, Asked], Refusal | None]
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
    """A rule that is ready to be asked."""

    __slots__ = ("_checks", "_metered", "_types", "_when_part", "_when_time", "mark_max_age_ms", "name")

    def __init__(self, document: RuleDocument, mark_max_age_ms: int, meter_of: MeterOf) -> None:
        self.name = document.name
        self.mark_max_age_ms = mark_max_age_ms
        when = None if isinstance(document.when, UnsetType) else document.when
        self._types = None if when is None or isinstance(when.actions, UnsetType) else frozenset(when.actions)
        self._when_time = None if when is None else _Times.of(when)
        self._when_part = tuple(_part_conditions(when)) if when else ()
        self._checks = [tuple(_checks(document, self, kind)) for kind in Kind]
        metered = tuple(_metered(document, meter_of))
        self._metered = [tuple(one for one in metered if kind is _METERED_KIND[one.quantity]) for kind in Kind]

    def requires(self, kind: Kind) -> bool:
        """Whether it requires anything of actions of this kind."""
        return bool(self._checks[kind] or self._metered[kind])

    def judge(self, asked: Asked, demands: list[Demand]) -> Refusal | None:
        """What this rule has against an action; what it must have left over time is added to the demands."""
        checks, metered = self._checks[asked.kind], self._metered[asked.kind]
        if self._types is not None and asked.action.type not in self._types:
            return None
        if self._when_time is not None and not self._when_time.holds(asked.now):
            return None
        try:
            parts: Sequence[Part] = asked.parts
            if self._when_part:
                parts = [part for part in parts if all(holds(part, asked) for holds in self._when_part)]
            for part in parts:
                for check in checks:
                    refusal = check(part, asked)
                    if refusal is not None:
                        return refusal
            return self._meter(metered, parts, asked, demands) if metered and parts else None
        except Unjudged as unknown:
            return Refusal(self.name, f"{unknown}, so the rule cannot be judged", "unknown", "", "action")

    def _meter(
        self, metered: Sequence[Metered], parts: Sequence[Part], asked: Asked, demands: list[Demand]
    ) -> Refusal | None:
        amounts: dict[str, int] = {}
        for one in metered:
            end = None
            if one.quantity == "max_outstanding":
                end = asked.expires_after
                if (refusal := _expiry_refusal(self.name, asked)) and any(not part.reduce_only for part in parts):
                    return refusal
            amount = amounts.get(one.quantity)
            if amount is None:
                amount = amounts[one.quantity] = self._amount(one.quantity, parts, asked)
            if amount:
                demands.append(Demand(self.name, one.quantity, one.meter, one.period, end, amount, one.limit))
        return None

    def _amount(self, quantity: str, parts: Sequence[Part], asked: Asked) -> int:
        if quantity == "max_orders":
            return len(parts)
        if quantity == "max_transfers":
            if asked.moved.usdc is None:
                raise Unjudged("action: what it moves is not known in USDC")
            return micro(asked.moved.usdc)
        if quantity == "max_outstanding":
            parts = [part for part in parts if not part.reduce_only]
        if len(parts) == 1:
            return micro(asked.notional(parts[0], self.mark_max_age_ms))
        return micro(total(asked.notional(part, self.mark_max_age_ms) for part in parts))


class _Times:
    """Hours and days of a zone."""

    __slots__ = ("_begin", "_days", "_end", "_last", "_zone")

    def __init__(self, hours: tuple[int, int] | None, days: frozenset[Day] | None, zone: ZoneInfo) -> None:
        self._begin, self._end = hours or (0, _DAY_MINUTES)
        self._days = days
        self._zone = zone
        self._last = -1, False
        """A minute and its answer; one value, since several threads ask."""

    @classmethod
    def of(cls, when: WhenDocument) -> "_Times | None":
        if isinstance(when.hours, UnsetType) and isinstance(when.days, UnsetType):
            return None
        hours = None if isinstance(when.hours, UnsetType) else hours_of(when.hours, "hours")
        days = None if isinstance(when.days, UnsetType) else frozenset(when.days)
        return cls(hours, days, zone_of("UTC" if isinstance(when.zone, UnsetType) else when.zone, "zone"))

    def holds(self, now: int) -> bool:
        """Whether this moment is within them; worked out once a minute."""
        minute = now // _MINUTE_MS
        last, answer = self._last
        if minute != last:
            answer = self._holds_in(minute)
            self._last = minute, answer
        return answer

    def _holds_in(self, minute: int) -> bool:
        local = datetime.fromtimestamp(minute * 60, self._zone)
        of_day, day = local.hour * 60 + local.minute, local.weekday()
        if self._begin < self._end:
            within = self._begin <= of_day < self._end
        else:
            within = of_day >= self._begin or of_day < self._end
            if of_day < self._end:
                day = (day - 1) % 7  # it began the evening before
        return within and (self._days is None or _DAYS[day] in self._days)


def _part_conditions(when: WhenDocument) -> Iterator[Callable[[Part, Asked], bool]]:
    """Coins last: what they need may not be known, and a rule that does not apply anyway asks for nothing."""
    if not isinstance(when.sides, UnsetType):
        sides = frozenset(when.sides)
        yield lambda part, _: part.kind is ORDER and _side(part) in sides
    if not isinstance(when.reduce_only, UnsetType):
        wanted = when.reduce_only
        yield lambda part, _: part.kind is ORDER and part.reduce_only is wanted
    if not isinstance(when.coins, UnsetType):
        coins = frozenset(when.coins)
        yield lambda part, asked: part.asset is not None and not coins.isdisjoint(asked.coins(part))


def _checks(document: RuleDocument, rule: Rule, kind: Kind) -> Iterator[Check]:
    """The requirements that concern parts of this kind, in the order of the document's members."""
    name = document.name
    if not isinstance(document.refuse, UnsetType):
        yield lambda part, asked: Refusal(
            name, f"{part.path}: it refuses {asked.action.type}", asked.action.type, "none", part.path
        )
    if not isinstance(document.vaults, UnsetType):
        yield _vaults(name, frozenset(vault.lower() for vault in document.vaults))
    if kind in {ORDER, LEVERAGE} and not isinstance(document.coins, UnsetType):
        yield _coins(name, document.coins)
    if kind is ORDER:
        yield from _order_checks(document, rule)
        yield from _builder_checks(document)
    if kind is LEVERAGE and not isinstance(document.max_leverage, UnsetType):
        yield _max_leverage(name, document.max_leverage)
    if kind is TRANSFER:
        yield from _transfer_checks(document)
    if kind is Kind.OTHER:
        yield from _builder_approval_checks(document)


def _order_checks(document: RuleDocument, rule: Rule) -> Iterator[Check]:
    name = document.name
    if not isinstance(document.sides, UnsetType):
        yield _sides(name, document.sides)
    if not isinstance(document.tifs, UnsetType):
        yield _tifs(name, document.tifs)
    if document.triggers is False:
        yield _no_triggers(name)
    if not isinstance(document.reduce_only, UnsetType):
        yield _reduce_only(name)
    if not isinstance(document.max_order_notional, UnsetType):
        limit = amount_of(document.max_order_notional, "max_order_notional")
        yield _max_order_notional(name, limit, rule.mark_max_age_ms)
    if not isinstance(document.price_band_percent, UnsetType):
        percent = amount_of(document.price_band_percent, "price_band_percent")
        yield _price_band(name, percent, rule.mark_max_age_ms)


def _vaults(name: str, vaults: frozenset[str]) -> Check:
    limit = ", ".join(sorted(vaults)) or "none"

    def check(_part: Part, asked: Asked) -> Refusal | None:
        for account in accounts_of(asked.action, asked.vault_address) or ("own",):
            if account not in vaults:
                return Refusal(name, f"account {account} is none of {limit}", account, limit, "vaultAddress")
        return None

    return check


def _coins(name: str, allowed: Sequence[str]) -> Check:
    coins, limit = frozenset(allowed), ", ".join(allowed)

    def check(part: Part, asked: Asked) -> Refusal | None:
        names = asked.coins(part)
        if not coins.isdisjoint(names):
            return None
        return Refusal(name, f"{part.path} is of {names[0]}; allowed are {limit}", names[0], limit, part.path)

    return check


def _sides(name: str, allowed: Sequence[str]) -> Check:
    sides, limit = frozenset(allowed), ", ".join(allowed) or "none"

    def check(part: Part, _asked: Asked) -> Refusal | None:
        side = _side(part)
        if side in sides:
            return None
        return Refusal(name, f"{part.path} is a {side}; allowed is {limit}", side, limit, part.path)

    return check


def _tifs(name: str, allowed: Sequence[str]) -> Check:
    tifs, limit = frozenset(allowed), ", ".join(allowed) or "none"

    def check(part: Part, _asked: Asked) -> Refusal | None:
        if part.tif is None or part.tif in tifs:
            return None
        return Refusal(
            name, f"{part.path} has time in force {part.tif}; allowed are {limit}", part.tif, limit, part.path
        )

    return check


def _no_triggers(name: str) -> Check:
    def check(part: Part, _asked: Asked) -> Refusal | None:
        if part.trigger is None:
            return None
        return Refusal(name, f"{part.path} is a trigger order, and none is allowed", "trigger", "none", part.path)

    return check


def _reduce_only(name: str) -> Check:
    def check(part: Part, _asked: Asked) -> Refusal | None:
        if part.reduce_only:
            return None
        return Refusal(name, f"{part.path} is not reduce-only, and must be", "false", "true", part.path)

    return check


def _max_order_notional(name: str, limit: Decimal, max_age_ms: int) -> Check:
    most = canonical(limit)

    def check(part: Part, asked: Asked) -> Refusal | None:
        worth = asked.notional(part, max_age_ms)
        if worth <= limit:
            return None
        value = canonical(worth)
        return Refusal(
            name, f"{part.path} is worth {value} USD; at most {most} USD are allowed", value, most, part.path
        )

    return check


def _price_band(name: str, percent: Decimal, max_age_ms: int) -> Check:
    low, high = 1 - percent / _PERCENT, 1 + percent / _PERCENT

    def check(part: Part, asked: Asked) -> Refusal | None:
        if part.price is None:
            raise Unjudged(f"{part.path} has no price of its own")
        mark = asked.mark(part, max_age_ms)
        least, most = WIDE.multiply(mark, low), WIDE.multiply(mark, high)
        for price in (part.price, part.trigger):
            if price is not None and not least <= price <= most:
                limit = f"{canonical(least)} to {canonical(most)}"
                words = f"{part.path} has the price {canonical(price)}; the mark is {canonical(mark)}"
                words = f"{words}, and {canonical(percent)} % around it are allowed: {limit}"
                return Refusal(name, words, canonical(price), limit, part.path)
        return None

    return check


def _max_leverage(name: str, most: int) -> Check:
    def check(_part: Part, asked: Asked) -> Refusal | None:
        asks = asked.action.wire.get("leverage")
        if asks is None or Decimal(asks) <= most:
            return None
        return Refusal(name, f"leverage {asks} is above {most}", str(asks), str(most), "action.leverage")

    return check


def _builder_checks(document: RuleDocument) -> Iterator[Check]:
    name = document.name
    if not isinstance(document.max_builder_fee, UnsetType):
        most = document.max_builder_fee

        def check_fee(_part: Part, asked: Asked) -> Refusal | None:
            fee = asked.action.wire.get("builder", {}).get("f", 0)
            if fee <= most:
                return None
            words = f"the builder fee of {fee} tenths of a basis point is above {most}"
            return Refusal(name, words, str(fee), str(most), "action.builder.f")

        yield check_fee
    if not isinstance(document.builders, UnsetType):
        allowed = frozenset(builder.lower() for builder in document.builders)

        def check_builder(_part: Part, asked: Asked) -> Refusal | None:
            builder = asked.action.wire.get("builder", {}).get("b")
            return None if builder is None or builder in allowed else _wrong_builder(name, builder, allowed)

        yield check_builder


def _builder_approval_checks(document: RuleDocument) -> Iterator[Check]:
    """approveBuilderFee: who may take how much from now on."""
    name = document.name
    if not isinstance(document.max_builder_fee, UnsetType):
        most = document.max_builder_fee

        def check_rate(_part: Part, asked: Asked) -> Refusal | None:
            if asked.action.type != "approveBuilderFee":
                return None
            rate = str(asked.action.wire["maxFeeRate"])
            if Decimal(rate.removesuffix("%")) <= most * _WHOLE_PERCENT_OF_A_TENTH:
                return None
            words = f"the builder fee of {rate} is above {most} tenths of a basis point"
            return Refusal(name, words, rate, str(most), "action.maxFeeRate")

        yield check_rate
    if not isinstance(document.builders, UnsetType):
        allowed = frozenset(builder.lower() for builder in document.builders)

        def check_builder(_part: Part, asked: Asked) -> Refusal | None:
            if asked.action.type != "approveBuilderFee":
                return None
            builder = str(asked.action.wire["builder"]).lower()
            return None if builder in allowed else _wrong_builder(name, builder, allowed)

        yield check_builder


def _wrong_builder(name: str, builder: str, allowed: frozenset[str]) -> Refusal:
    limit = ", ".join(sorted(allowed)) or "none"
    return Refusal(name, f"builder {builder} is none of those allowed: {limit}", builder, limit, "action.builder")


def _transfer_checks(document: RuleDocument) -> Iterator[Check]:
    name = document.name
    if not isinstance(document.destinations, UnsetType):
        destinations = frozenset(address.lower() for address in document.destinations)
        limit = ", ".join(sorted(destinations)) or "none"

        def check_destination(_part: Part, asked: Asked) -> Refusal | None:
            destination = asked.moved.destination
            if destination in destinations or asked.moved.stays:
                return None
            shown = destination or "unnamed"
            return Refusal(name, f"the destination {shown} is none of those allowed: {limit}", shown, limit, "action")

        yield check_destination
    if not isinstance(document.max_transfer, UnsetType):
        most = amount_of(document.max_transfer, "max_transfer")

        def check_amount(_part: Part, asked: Asked) -> Refusal | None:
            usdc = asked.moved.usdc
            if usdc is None:
                raise Unjudged("action: what it moves is not known in USDC")
            if usdc <= most:
                return None
            value, limit = canonical(usdc), canonical(most)
            return Refusal(name, f"it moves {value} USDC; at most {limit} are allowed", value, limit, "action")

        yield check_amount


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


def _side(part: Part) -> str:
    return "buy" if part.is_buy else "sell"
