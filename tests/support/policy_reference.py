"""What a policy means, said again as plainly as it can be: slowly, without compiling anything, in fractions.

Written from what the members of the documents promise. It shares no code with `access/policy` but the class of each
action type and the names that `trade-only` stands for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hyperkms.access.policy.judge import TRADE_ONLY_TYPES
from hyperkms.hyperliquid.classes import ActionClass, class_of

Document = Mapping[str, Any]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_OWN_ACCOUNT = ("usdClassTransfer", "cDeposit", "cWithdraw")


class Unknown(Exception):
    """It cannot be judged."""


@dataclass(frozen=True)
class Listed:
    """What is known of an asset."""

    names: Sequence[str]
    is_in_usd: bool
    mark: str | None
    age_ms: int


@dataclass(frozen=True)
class Given:
    """An approval that comes with an action."""

    by: str
    """The public key."""
    flaw: str | None
    """Why it counts for nobody, if it does not."""


@dataclass(frozen=True)
class Case:
    """An action that is asked for."""

    type: str
    wire: Mapping[str, Any]
    now: int
    vault: str | None
    expires_after: int | None
    listed: Mapping[int, Listed]
    given: Sequence[Given] = ()


@dataclass(frozen=True)
class Wanted:
    """What must be left of a limit over time."""

    rule: str
    quantity: str
    span: str
    end: int | None
    amount: int
    limit: int


@dataclass(frozen=True)
class Outcome:
    """The rule that refuses, or everything that must be left."""

    refusing: str | None
    wanted: tuple[Wanted, ...] = ()


def judge_policy(policy: Document, case: Case) -> tuple[Outcome, int | None]:
    """What it says, and the expiresAfter with which the action goes on."""
    allowed = {name for word in policy["allow"] for name in (TRADE_ONLY_TYPES if word == "trade-only" else (word,))}
    expiry: Document = policy.get("expires_after", {})
    ends = case.expires_after
    if _is_order(case) and ends is None and "default_ms" in expiry:
        ends = case.now + expiry["default_ms"]
    case = replace(case, expires_after=ends)
    if case.type not in allowed:
        return Outcome("allow"), ends
    if _is_order(case) and expiry.get("required", False) and ends is None:
        return Outcome("expires_after"), ends
    if _is_order(case) and ends is not None and "max_ms" in expiry and ends > case.now + expiry["max_ms"]:
        return Outcome("expires_after"), ends
    return judge_rules(policy, case), ends


def judge_rules(document: Document, case: Case) -> Outcome:
    """What the rules of a policy, or of a grant, say."""
    wanted: list[Wanted] = []
    for rule in document.get("rules", []):
        if not any(_kind(case) in _CONCERN[name] for name in rule if name not in ("name", "when")):
            continue
        try:
            oldest = document.get("mark_max_age_ms", 10_000)
            concerned = [part for part in _parts(case) if _applies(rule.get("when", {}), part, case, oldest)]
            if not all(_holds(rule, part, case, oldest) for part in concerned):
                return Outcome(rule["name"])
            wanted += _over_time(rule, concerned, case, oldest)
        except Unknown:
            return Outcome(rule["name"])
    return Outcome(None, tuple(wanted))


def grant_for(grants: Sequence[Document], case: Case) -> str | None:
    """The first grant that covers the action and whose limits hold."""
    for grant in grants:
        covers = grant["actions"] is None or class_of(case.type).value in grant["actions"]
        if not covers or case.now >= grant["ends"]:
            continue
        if grant["limits"] is None or _fits(judge_rules(grant["limits"], case)):
            return str(grant["id"])
    return None


_EVERY = frozenset({"order", "leverage", "transfer", "other"})
_CONCERN = {
    **dict.fromkeys(("refuse", "vaults", "approvals", "approvers"), _EVERY),
    "coins": frozenset({"order", "leverage"}),
    **dict.fromkeys(("max_builder_fee", "builders"), frozenset({"order", "other"})),
    "max_leverage": frozenset({"leverage"}),
    **dict.fromkeys(("destinations", "max_transfer", "max_transfers"), frozenset({"transfer"})),
    **dict.fromkeys(
        (
            "sides",
            "tifs",
            "triggers",
            "reduce_only",
            "max_order_notional",
            "price_band_percent",
            "max_notional",
            "max_orders",
            "max_outstanding",
        ),
        frozenset({"order"}),
    ),
}
"""Of which kinds of actions each member requires something; a rule that requires nothing of one is not asked."""


def _kind(case: Case) -> str:
    kind = class_of(case.type).value
    return kind if kind in _EVERY else "other"


def _fits(outcome: Outcome) -> bool:
    """Whether nothing refuses, where nothing was spent before."""
    return outcome.refusing is None and all(one.amount <= one.limit for one in outcome.wanted)


# ---- parts ---------------------------------------------------------------------------------------------


def _is_order(case: Case) -> bool:
    return class_of(case.type) is ActionClass.ORDER


def _parts(case: Case) -> list[Mapping[str, Any]]:
    """Each order; where there is none, the action."""
    match case.type:
        case "order":
            return [*case.wire["orders"]]
        case "modify":
            return [case.wire["order"]]
        case "batchModify":
            return [entry["order"] for entry in case.wire["modifies"]]
        case "twapOrder":
            return [case.wire["twap"]]
        case _:
            return [case.wire]


def _asset(part: Mapping[str, Any], case: Case) -> int | None:
    if _is_order(case):
        return int(part["a"])
    return int(part["asset"]) if class_of(case.type) is ActionClass.LEVERAGE else None


def _names(part: Mapping[str, Any], case: Case) -> Sequence[str]:
    asset = _asset(part, case)
    if asset is None or asset not in case.listed:
        raise Unknown
    return case.listed[asset].names


def _price(part: Mapping[str, Any]) -> Fraction | None:
    return Fraction(part["p"]) if "p" in part else None


def _terms(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a limit or a trigger order; in a twap `t` is a flag."""
    terms = part.get("t")
    return terms if isinstance(terms, Mapping) else {}


def _trigger(part: Mapping[str, Any]) -> Fraction | None:
    return Fraction(_terms(part)["trigger"]["triggerPx"]) if "trigger" in _terms(part) else None


def _mark(part: Mapping[str, Any], case: Case, oldest: int) -> Fraction:
    found = case.listed.get(part["a"])
    if found is None or found.mark is None or found.age_ms > oldest:
        raise Unknown
    return Fraction(found.mark)


def _worth(part: Mapping[str, Any], case: Case, oldest: int) -> Fraction:
    """A buy: its price times its size; a sell, or without a price: the highest of price, trigger and mark."""
    found = case.listed.get(part["a"])
    if found is None or not found.is_in_usd or Fraction(part["s"]) == 0:
        raise Unknown
    price = _price(part)
    if not part["b"] or price is None:
        price = max(one for one in (price, _trigger(part), _mark(part, case, oldest)) if one is not None)
    return price * Fraction(part["s"])


# ---- when ----------------------------------------------------------------------------------------------


def _applies(when: Document, part: Mapping[str, Any], case: Case, oldest: int) -> bool:
    """Each member must hold. One that does not is enough, whatever is not known of the others."""
    return all(_conditions(when, part, case, oldest))


def _conditions(when: Document, part: Mapping[str, Any], case: Case, oldest: int) -> Iterator[bool]:
    if "actions" in when:
        yield case.type in when["actions"]
    if "hours" in when or "days" in when:
        yield _is_time(when, case.now)
    if "sides" in when:
        yield _is_order(case) and ("buy" if part["b"] else "sell") in when["sides"]
    if "reduce_only" in when:
        yield _is_order(case) and part["r"] is when["reduce_only"]
    if "coins" in when:
        yield _asset(part, case) is not None and any(name in when["coins"] for name in _names(part, case))
    if "above" in when and _is_order(case):
        yield _worth(part, case, oldest) > Fraction(when["above"])
    elif "above" in when:
        yield class_of(case.type) is ActionClass.TRANSFER and _moved(case) > Fraction(when["above"])


def _is_time(when: Document, now: int) -> bool:
    """Whether the hours that begin today, or those that began yesterday, go on."""
    wall = datetime.fromtimestamp(now // 1000, ZoneInfo(when.get("zone", "UTC"))).replace(tzinfo=None)
    for day in (wall.date(), wall.date() - _DAY):
        if "hours" in when:
            words = when["hours"].split("-")
            begin, end = (datetime.combine(day, time.fromisoformat(word)) for word in words)
        else:
            begin = end = datetime.combine(day, time())
        end += _DAY if end <= begin else timedelta()
        if begin <= wall < end and DAYS[day.weekday()] in when.get("days", DAYS):
            return True
    return False


# ---- what must hold ------------------------------------------------------------------------------------


def _holds(rule: Document, part: Mapping[str, Any], case: Case, oldest: int) -> bool:
    return all(_each(rule, part, case, oldest))


def _each(rule: Document, part: Mapping[str, Any], case: Case, oldest: int) -> Iterator[bool]:
    kind = class_of(case.type)
    yield "refuse" not in rule
    if "vaults" in rule:
        allowed = {vault.lower() for vault in rule["vaults"]}
        yield all(account.lower() in allowed for account in _accounts(case))
    if "coins" in rule and kind in (ActionClass.ORDER, ActionClass.LEVERAGE):
        yield any(name in rule["coins"] for name in _names(part, case))
    if kind is ActionClass.ORDER:
        yield from _of_order(rule, part, case, oldest)
        yield from _of_builder(rule, case.wire.get("builder"))
    if kind is ActionClass.LEVERAGE and "max_leverage" in rule and "leverage" in part:
        yield Fraction(part["leverage"]) <= rule["max_leverage"]
    if kind is ActionClass.TRANSFER:
        yield from _of_transfer(rule, case)
    if case.type == "approveBuilderFee":
        tenths_of_a_basis_point = Fraction(part["maxFeeRate"].rstrip("%")) * 1000
        yield from _of_builder(rule, {"b": part["builder"], "f": tenths_of_a_basis_point})
    if "approvals" in rule:
        approvers = {one.by for one in case.given if one.flaw is None} & {*rule["approvers"].values()}
        yield len(approvers) >= rule["approvals"]


def _accounts(case: Case) -> Sequence[str]:
    """Vaults and sub-accounts that it is for; where it names none it is for the account itself."""
    of_amount = str(case.wire.get("amount", "")).partition(" subaccount:")[2]
    return [one for one in (case.vault, case.wire.get("fromSubAccount"), of_amount) if one] or ["own"]


def _of_order(rule: Document, part: Mapping[str, Any], case: Case, oldest: int) -> Iterator[bool]:
    if "sides" in rule:
        yield ("buy" if part["b"] else "sell") in rule["sides"]
    if "tifs" in rule and "limit" in _terms(part):
        yield _terms(part)["limit"]["tif"] in rule["tifs"]
    if rule.get("triggers") is False:
        yield "trigger" not in _terms(part)
    if "reduce_only" in rule:
        yield part["r"]
    if "max_order_notional" in rule:
        yield _worth(part, case, oldest) <= Fraction(rule["max_order_notional"])
    if "price_band_percent" in rule:
        mark, price = _mark(part, case, oldest), _price(part)
        if price is None:
            raise Unknown
        for one in (price, _trigger(part)):
            yield one is None or abs(one - mark) * 100 <= mark * Fraction(rule["price_band_percent"])


def _of_builder(rule: Document, builder: Mapping[str, Any] | None) -> Iterator[bool]:
    if builder is not None and "max_builder_fee" in rule:
        yield builder["f"] <= rule["max_builder_fee"]
    if builder is not None and "builders" in rule:
        yield builder["b"].lower() in {one.lower() for one in rule["builders"]}


def _of_transfer(rule: Document, case: Case) -> Iterator[bool]:
    if "destinations" in rule and case.type not in _OWN_ACCOUNT:
        to = next(
            (case.wire[name] for name in ("destination", "subAccountUser", "vaultAddress") if name in case.wire), ""
        )
        yield to.lower() in {one.lower() for one in rule["destinations"]}
    if "max_transfer" in rule:
        yield _moved(case) <= Fraction(rule["max_transfer"])


def _moved(case: Case) -> Fraction:
    """USDC; usdSend and its like write them as text, vaults and sub-accounts in millionths."""
    match case.type:
        case "usdSend" | "withdraw3" | "usdClassTransfer":
            return Fraction(case.wire["amount"].split(" ")[0])
        case "spotSend" if case.wire["token"].split(":")[0] == "USDC":
            return Fraction(case.wire["amount"])
        case "vaultTransfer" | "subAccountTransfer":
            return Fraction(case.wire["usd"], 10**6)
        case _:
            raise Unknown


# ---- limits over time ----------------------------------------------------------------------------------


def _over_time(rule: Document, concerned: Sequence[Mapping[str, Any]], case: Case, oldest: int) -> Iterator[Wanted]:
    for quantity in ("max_notional", "max_orders", "max_outstanding", "max_transfers"):
        if quantity not in rule or not concerned:
            continue
        limits = rule[quantity] if quantity != "max_outstanding" else {"until": rule[quantity]}
        amount, end = _amount(quantity, concerned, case, oldest)
        for span, limit in limits.items() if amount else ():
            most = limit if quantity == "max_orders" else _millionths(Fraction(limit))
            yield Wanted(rule["name"], quantity, span, end, amount, most)


def _amount(quantity: str, concerned: Sequence[Mapping[str, Any]], case: Case, oldest: int) -> tuple[int, int | None]:
    if quantity == "max_transfers":
        return (_millionths(_moved(case)) if class_of(case.type) is ActionClass.TRANSFER else 0), None
    if not _is_order(case):
        return 0, None
    if quantity == "max_orders":
        return len(concerned), None
    if quantity == "max_notional":
        return _millionths(sum((_worth(part, case, oldest) for part in concerned), Fraction(0))), None
    opening = [part for part in concerned if not part["r"]]
    if opening and (case.expires_after is None or case.expires_after > case.now + 60_000):
        raise Unknown
    return _millionths(sum((_worth(part, case, oldest) for part in opening), Fraction(0))), case.expires_after


def _millionths(amount: Fraction) -> int:
    """Rounded up; no limit is as high as the highest."""
    return min(math.ceil(amount * 10**6), 2**62)
