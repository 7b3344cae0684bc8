"""What a rule requires, member by member of docs/policy.md: each says what it has against a part of an action."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import UnsetType

from hyperkms.access.approvals import Approvers
from hyperkms.access.policy.document import RuleDocument, amount_of, approvers_of
from hyperkms.access.policy.facts import LEVERAGE, ORDER, TRANSFER, WIDE, Asked, Kind, Part, Unjudged, accounts_of
from hyperkms.access.policy.verdicts import APPROVALS, Refusal
from hyperkms.hyperliquid.wire import canonical

_PERCENT = Decimal(100)
_WHOLE_PERCENT_OF_A_TENTH = Decimal("0.001")

HOW_TO_APPROVE = (
    "An approver gives one with `hyperkms approve FILE --wallet ID --network NETWORK --key KEY`; FILE has the action"
)

Check: TypeAlias = Callable[[Part, Asked], Refusal | None]


def checks_of(document: RuleDocument, mark_max_age_ms: int, kind: Kind) -> Iterator[Check]:
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
        yield from _order_checks(document, mark_max_age_ms)
        yield from _builder_checks(document)
    if kind is LEVERAGE and not isinstance(document.max_leverage, UnsetType):
        yield _max_leverage(name, document.max_leverage)
    if kind is TRANSFER:
        yield from _transfer_checks(document)
    if kind is Kind.OTHER:
        yield from _builder_approval_checks(document)
    if not isinstance(document.approvals, UnsetType):
        yield _approvals(name, document.approvals, approvers_of(document, ""))


def _order_checks(document: RuleDocument, mark_max_age_ms: int) -> Iterator[Check]:
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
        yield _max_order_notional(name, limit, mark_max_age_ms)
    if not isinstance(document.price_band_percent, UnsetType):
        percent = amount_of(document.price_band_percent, "price_band_percent")
        yield _price_band(name, percent, mark_max_age_ms)


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
        side = side_of(part)
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
            usdc = asked.usdc_moved()
            if usdc <= most:
                return None
            value, limit = canonical(usdc), canonical(most)
            return Refusal(name, f"it moves {value} USDC; at most {limit} are allowed", value, limit, "action")

        yield check_amount


def _approvals(name: str, needed: int, approvers: Approvers) -> Check:
    """Last of a rule's requirements: what people cannot permit is refused before they are asked."""
    limit = str(needed)
    whose = " or ".join(one.name for one in approvers.values())

    def check(part: Part, asked: Asked) -> Refusal | None:
        counted = asked.approvals.by(approvers)
        if len(counted.approved) >= needed:
            return None
        who = ", ".join(one.name for one in counted.approved)
        value = str(len(counted.approved))
        words = f"{part.path} needs {needed} approval{'' if needed == 1 else 's'} of {whose}; {value}"
        words = f"{words} count{'s' if value == '1' else ''}{f' ({who})' if who else ''}"
        for fault in counted.faults:
            words = f"{words}; {fault}"
        return Refusal(name, f"{words}. {HOW_TO_APPROVE}", value, limit, APPROVALS)

    return check


def side_of(part: Part) -> str:
    """Buy or sell."""
    return "buy" if part.is_buy else "sell"
