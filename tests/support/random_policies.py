"""Random actions, and policies that are made to be near their limits: what is equal, one unit above, one unit below."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from random import Random
from typing import Any

from hyperkms.hyperliquid.classes import class_of
from support.approving import Approver
from support.policy_reference import Case, Given, Listed

OWN, OTHER, BUILDER = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "Cc" * 20
SOON = 60_000
ZONES = ("UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COINS = ("BTC", "ETH", "SOL", "PURR/USDC", "@1", "HYPE")
TIFS = ("Gtc", "Ioc", "Alo", "FrontendMarket")
_TURNS = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Zurich goes from 2 to 3
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # and from 3 back to 2
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, by half an hour
    datetime(2026, 6, 1, tzinfo=UTC),
    datetime(2026, 12, 31, 22, tzinfo=UTC),
)
_TYPES = ("order",) * 8 + ("modify", "batchModify", "twapOrder", "cancel", "noop", "updateLeverage", "scheduleCancel")
_RARE = ("usdSend", "withdraw3", "spotSend", "usdClassTransfer", "vaultTransfer", "subAccountTransfer")
_OTHERS = ("approveBuilderFee", "approveAgent")
_MEMBERS = [
    "refuse",
    "coins",
    "sides",
    "tifs",
    "triggers",
    "reduce_only",
    "vaults",
    "max_order_notional",
    "max_notional",
    "max_orders",
    "max_outstanding",
    "price_band_percent",
    "max_leverage",
    "max_builder_fee",
    "builders",
    "destinations",
    "max_transfer",
    "max_transfers",
]
APPROVERS = {name: Approver.numbered(number) for number, name in enumerate(("anna", "ben", "carl", "dora"))}
FLAWS = (None, None, None, "another wallet", "ended", "too long", "ahead", "used")
_OVER_TIME = ["max_notional", "max_orders", "max_outstanding", "max_transfers"]


def case_of(random: Random) -> Case:
    """An action, its moment, and what is known of the exchange then."""
    kind = random.choice(_TYPES if random.random() < 0.8 else _RARE + _OTHERS)
    turn = int(random.choice(_TURNS).timestamp() * 1000)
    now = turn + random.choice((0, -1, 1, 59_999, -60_000, random.randint(-(10**8), 10**8)))
    ahead = random.choice((None, None, 1, SOON - 1, SOON, SOON + 1, 5_000, 5_001, random.randint(1, 10**6)))
    return Case(
        type=kind,
        wire=_wire(random, kind),
        now=now,
        vault=random.choice((None, None, OWN, OTHER)),
        expires_after=None if ahead is None else now + ahead,
        listed=_listed(random),
        given=_given(random),
    )


def _given(random: Random) -> list[Given]:
    count = random.choice((0, 0, 1, 2, 3, 4))
    return [Given(random.choice([*APPROVERS.values()]).text, random.choice(FLAWS)) for _ in range(count)]


def policy_for(random: Random, case: Case) -> dict[str, Any]:
    """A policy that is near to what the action asks for."""
    made = limits_for(random, case)
    allow = {random.choice(_TYPES + _RARE) for _ in range(2)} | {"trade-only"}
    if random.random() < 0.95:
        allow.add(case.type)
    made["allow"] = sorted(allow)
    if random.random() < 0.5:
        made["expires_after"] = _expiry(random, case)
    return made


def limits_for(random: Random, case: Case) -> dict[str, Any]:
    """The limits of a grant, likewise."""
    rules = [_rule(random, case, f"rule {number}") for number in range(random.randint(1, 4))]
    return {"format": 1, "mark_max_age_ms": random.choice((500, 10_000, 300_000)), "rules": rules}


def grants_for(random: Random, case: Case) -> list[dict[str, Any]]:
    """Grants of which some cover the action."""
    return [
        {
            "id": f"{number:016x}",
            "actions": random.choice((None, None, [class_of(case.type).value], ["cancel", "leverage"])),
            "limits": limits_for(random, case) if random.random() < 0.7 else None,
            "ends": case.now + random.choice((-1, 0, 1, 10**6)),
        }
        for number in range(random.randint(1, 3))
    ]


# ---- actions -------------------------------------------------------------------------------------------


def _listed(random: Random) -> Mapping[int, Listed]:
    age = random.choice((0, 499, 500, 501, 10_000, 10_001, 300_000, 300_001))
    every = {
        0: Listed(("BTC",), is_in_usd=True, mark=_price(random), age_ms=age),
        1: Listed(("ETH",), is_in_usd=True, mark=random.choice((None, "1000")), age_ms=age),
        10_000: Listed(("PURR/USDC", "@1"), is_in_usd=True, mark="0.5", age_ms=age),
        10_001: Listed(("HYPE",), is_in_usd=random.random() < 0.5, mark="2", age_ms=age),
    }
    return {asset: one for asset, one in every.items() if random.random() < 0.95}


def _price(random: Random) -> str:
    return random.choice(
        ("1000", "999", "1001", "950", "1050", "1049.9", "1050.1", "0.5", str(random.randint(1, 99_999)))
    )


def _order(random: Random) -> dict[str, Any]:
    is_trigger, reduces = random.random() < 0.25, random.random() < 0.5
    terms: dict[str, Any] = {"limit": {"tif": random.choice(TIFS)}}
    if is_trigger:
        terms = {"trigger": {"isMarket": random.random() < 0.5, "triggerPx": _price(random), "tpsl": "sl"}}
    size = random.choice(("1", "10", "0.00000001", "9.999999", "10.000001", str(random.randint(1, 10**6))))
    whole_position = is_trigger and reduces and random.random() < 0.3
    return {
        "a": random.choice((0, 0, 0, 1, 1, 10_000, 10_001, 7)),
        "b": random.random() < 0.5,
        "p": _price(random),
        "s": "0" if whole_position else size,
        "r": reduces,
        "t": terms,
    }


def _wire(random: Random, kind: str) -> dict[str, Any]:
    orders = [_order(random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    amount = random.choice(("100", "99.999999", "100.000001", "0.5", str(random.randint(1, 10**6))))
    to = random.choice((OWN, OTHER))
    members: dict[str, dict[str, Any]] = {
        "order": {"orders": orders, "grouping": "na", **_builder(random)},
        "modify": {"oid": 1, "order": orders[0]},
        "batchModify": {"modifies": [{"oid": number, "order": one} for number, one in enumerate(orders)]},
        "twapOrder": {"twap": {"a": 0, "b": orders[0]["b"], "s": "10", "r": orders[0]["r"], "m": 5, "t": False}},
        "cancel": {"cancels": [{"a": 0, "o": 1}]},
        "updateLeverage": {
            "asset": random.choice((0, 1, 7)),
            "isCross": True,
            "leverage": random.choice((1, 4, 5, 6, 40)),
        },
        "usdSend": {"destination": to, "amount": amount, "time": 1},
        "withdraw3": {"destination": to, "amount": amount, "time": 1},
        "spotSend": {"destination": to, "token": random.choice(("USDC", "HYPE:0x1")), "amount": amount, "time": 1},
        "usdClassTransfer": {"amount": f"{amount} subaccount:{OWN}", "toPerp": True, "nonce": 1},
        "vaultTransfer": {"vaultAddress": to, "isDeposit": True, "usd": random.choice((10**8, 10**8 + 1, 5))},
        "subAccountTransfer": {"subAccountUser": to, "isDeposit": True, "usd": random.choice((10**8, 10**8 + 1))},
        "approveBuilderFee": {"maxFeeRate": random.choice(("0.001%", "0.01%", "0.011%", "1%")), "builder": BUILDER},
    }
    return {"type": kind, **members.get(kind, {})}


def _builder(random: Random) -> dict[str, Any]:
    fee = random.choice((0, 1, 9, 10, 11, 1000))
    return {"builder": {"b": random.choice((BUILDER, OTHER)).lower(), "f": fee}} if random.random() < 0.3 else {}


# ---- rules ---------------------------------------------------------------------------------------------


def _expiry(random: Random, case: Case) -> dict[str, Any]:
    most = _near(random, (case.expires_after or case.now + 5_000) - case.now)
    made: dict[str, Any] = {"required": random.random() < 0.3}
    if random.random() < 0.6:
        made["max_ms"] = min(max(most, 100), 86_400_000)
    if random.random() < 0.6:
        made["default_ms"] = min(random.choice((100, 5_000, SOON, SOON + 1)), made.get("max_ms", SOON + 1))
    return made


def _rule(random: Random, case: Case, name: str) -> dict[str, Any]:
    values = _values(random, case)
    chosen = {*random.sample(_MEMBERS, random.randint(0, 2)), random.choice(_MEMBERS + 9 * _OVER_TIME)}
    if "refuse" in chosen and random.random() < 0.7:
        chosen = {"coins"}
    rule: dict[str, Any] = {"name": name, **{member: values[member] for member in sorted(chosen)}}
    if random.random() < 0.07:
        rule["approvals"] = random.choice((1, 1, 2))
        rule["approvers"] = {who: APPROVERS[who].text for who in random.sample(sorted(APPROVERS), random.randint(2, 4))}
    when = _when(random, case)
    return {**rule, "when": when} if when else rule


def _values(random: Random, case: Case) -> dict[str, Any]:
    worth = _guess(random, case)
    amount = {random.choice(("1m", "60s", "1h", "7d")): _text(worth)}
    near = 10**8 + random.choice((-1, 0, 1, 10**9))
    return {
        "refuse": True,
        "coins": random.choice((["BTC", "ETH"], ["BTC"], ["PURR/USDC"], ["@1", "ETH", "BTC"], [*COINS])),
        "sides": random.choice((["buy"], ["sell"], ["buy", "sell"], ["buy", "sell"], [])),
        "tifs": random.choice((["Gtc"], ["Gtc", "Alo"], [*TIFS], [*TIFS], [])),
        "triggers": False,
        "reduce_only": True,
        "vaults": random.choice((["own"], ["own", OWN], [OWN.upper().replace("X", "x"), "own", OTHER])),
        "max_order_notional": _text(worth),
        "max_notional": amount,
        "max_orders": {random.choice(("1s", "24h")): random.randint(0, 3)},
        "max_outstanding": _text(worth),
        "price_band_percent": random.choice((0, 5, "4.999999", "0.1", 50, 100, 1000)),
        "max_leverage": random.choice((1, 4, 5, 6, 40)),
        "max_builder_fee": random.choice((0, 1, 9, 10, 11)),
        "builders": random.choice(([BUILDER], [OTHER], [BUILDER, OTHER], [])),
        "destinations": random.choice(([OWN.replace("a", "A")], [OTHER], [OWN, OTHER])),
        "max_transfer": _text(Fraction(near, 10**6)),
        "max_transfers": {"24h": _text(Fraction(near, 10**6))},
    }


def _guess(random: Random, case: Case) -> Fraction:
    """What an order of it is worth, or all are, or a millionth more or less; an amount has six decimals."""
    orders: Sequence[Mapping[str, Any]] = case.wire.get("orders", ({"p": "1000", "s": "10", "a": 0},))
    marks = {asset: Fraction(one.mark or 0) for asset, one in case.listed.items()}
    worths = [
        max(Fraction(one["p"]), random.choice((0, marks.get(one["a"], 0)))) * Fraction(one["s"]) for one in orders
    ]
    worth = random.choice((worths[0], max(worths), sum(worths, Fraction(0))))
    whole = _near(random, math.floor(worth * 10**6))
    return Fraction(min(max(whole, 0), 10**18 - 1), 10**6) if random.random() < 0.8 else Fraction(10**11)


def _near(random: Random, whole: int) -> int:
    return whole + random.choice((-1, 0, 0, 1))


def _text(amount: Fraction) -> str:
    whole, rest = divmod(int(amount * 10**6), 10**6)
    return f"{whole}.{rest:06d}"


def _when(random: Random, case: Case) -> dict[str, Any]:
    if random.random() < 0.4:
        return {}
    at = datetime.fromtimestamp(case.now // 1000, UTC)
    begin = f"{at.hour:02d}:{at.minute:02d}"
    hours = random.choice((f"{begin}-06:00", f"21:00-{begin}", f"{begin}-23:59", "22:00-06:00", "01:00-03:30"))
    values: dict[str, Any] = {
        "actions": sorted({case.type, "order"} if random.random() < 0.7 else {"cancel"}),
        "coins": random.sample(COINS, 2),
        "sides": random.choice((["buy"], ["sell"])),
        "reduce_only": random.random() < 0.5,
        "days": random.sample(DAYS, random.randint(1, 6)),
    }
    chosen = random.sample(sorted(values), random.randint(0, 2))
    when = {member: values[member] for member in chosen}
    if random.random() < 0.1:
        when["above"] = random.choice((_text(_guess(random, case)), "100", "99.999999"))
    begin_and_end = hours.split("-")
    if random.random() < 0.3 and begin_and_end[0] != begin_and_end[1]:
        when["hours"] = hours
    if when.keys() & {"hours", "days"} and random.random() < 0.6:
        when["zone"] = random.choice(ZONES)
    return when
