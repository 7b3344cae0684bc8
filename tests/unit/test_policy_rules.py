"""What each rule refuses, and in which words: rule, value, limit and place are what a program acts on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hyperkms.access.approvals import NONE_SHOWN, Conditions, Matter, Shown
from hyperkms.access.policy.checks import HOW_TO_APPROVE
from hyperkms.access.policy.document import limits_of, policy_of
from hyperkms.access.policy.facts import MOST_MICRO, Asked, micro, moved_by, total
from hyperkms.access.policy.judge import Judgement, Limits, Policy
from hyperkms.access.policy.rules import OUTSTANDING_MS
from hyperkms.hyperliquid.actions import Action
from hyperkms.wallet import Network
from support.approving import Approver
from support.books import BTC, ETH, LISTED, Book, action, order, orders

NOW = 1_780_000_000_000
HERE, THERE = "0x" + "a1" * 20, "0x" + "b2" * 20
ANYTHING = [
    "trade-only",
    "twapOrder",
    "usdSend",
    "spotSend",
    "vaultTransfer",
    "cDeposit",
    "approveBuilderFee",
    "usdClassTransfer",
    "sendAsset",
]
SELL = {"buy": False}
TRIGGER = {**order("1000"), "t": {"trigger": {"isMarket": True, "triggerPx": "1100", "tpsl": "tp"}}}


def judge(asked: Action, book: Book | None = None, **rule: Any) -> Judgement:
    """Under a policy of one rule."""
    members = {name: rule.pop(name) for name in ("now", "vault", "ends", "shown") if name in rule}
    document = policy_of({"format": 1, "allow": ANYTHING, "rules": [{"name": "r", **rule}]})
    policy = Policy("p", document, lambda _: 1)
    made = Asked(
        asked,
        book or Book(),
        now=members.get("now", NOW),
        vault_address=members.get("vault"),
        expires_after=members.get("ends"),
        approvals=members.get("shown", NONE_SHOWN),
    )
    return policy.judge(made)


def builder(fee: int, address: str = HERE) -> Action:
    placed = orders(order()).wire
    return Action("order", {**placed, "builder": {"b": address, "f": fee}})


def send(amount: str = "100", to: str = HERE) -> Action:
    return Action("usdSend", {"type": "usdSend", "destination": to, "amount": amount, "time": 1})


def fee_rate(rate: str, address: str = HERE) -> Action:
    return Action("approveBuilderFee", {"type": "approveBuilderFee", "maxFeeRate": rate, "builder": address})


LEVERED = action("updateLeverage", asset=BTC, isCross=True, leverage=5)
TWAP = Action("twapOrder", {"twap": {"a": BTC, "b": True, "s": "2", "r": False, "m": 5, "t": False}})
REFUSED: Mapping[str, tuple[Action, dict[str, Any], tuple[str, str, str], str]] = {
    "refuse": (orders(order()), {"refuse": True}, ("order", "none", "action.orders[0]"), "it refuses order"),
    "coins": (
        orders(order(), order(asset=ETH)),
        {"coins": ["BTC", "SOL"]},
        ("ETH", "BTC, SOL", "action.orders[1]"),
        "action.orders[1] is of ETH; allowed are BTC, SOL",
    ),
    "coins of leverage": (LEVERED, {"coins": ["ETH"]}, ("BTC", "ETH", "action"), "action is of BTC"),
    "sides": (
        orders(order(buy=False)),
        {"sides": ["buy"]},
        ("sell", "buy", "action.orders[0]"),
        "is a sell; allowed is buy",
    ),
    "no side": (orders(order()), {"sides": []}, ("buy", "none", "action.orders[0]"), "is a buy; allowed is none"),
    "tifs": (orders(order()), {"tifs": ["Alo", "Ioc"]}, ("Gtc", "Alo, Ioc", "action.orders[0]"), "time in force Gtc"),
    "no tif": (orders(order()), {"tifs": []}, ("Gtc", "none", "action.orders[0]"), "allowed are none"),
    "triggers": (orders(TRIGGER), {"triggers": False}, ("trigger", "none", "action.orders[0]"), "is a trigger order"),
    "reduce only": (
        orders(order()),
        {"reduce_only": True},
        ("false", "true", "action.orders[0]"),
        "is not reduce-only",
    ),
    "a vault": (
        orders(order()),
        {"vaults": [HERE], "vault": THERE},
        (THERE, HERE, "vaultAddress"),
        f"account {THERE} is none of {HERE}",
    ),
    "own account": (orders(order()), {"vaults": [HERE]}, ("own", HERE, "vaultAddress"), "account own is none of"),
    "a sub-account of an amount": (
        Action("usdClassTransfer", {"amount": f"3 subaccount:{THERE.upper().replace('X', 'x')}", "toPerp": True}),
        {"vaults": ["own", HERE], "vault": HERE},
        (THERE, f"{HERE}, own", "vaultAddress"),
        f"account {THERE} is none of",
    ),
    "a sub-account that sends": (
        Action("sendAsset", {"destination": HERE, "fromSubAccount": THERE, "amount": "3", "token": "USDC"}),
        {"vaults": ["own"]},
        (THERE, "own", "vaultAddress"),
        f"account {THERE} is none of own",
    ),
    "no vault": (orders(order()), {"vaults": []}, ("own", "none", "vaultAddress"), "is none of none"),
    "the size of an order": (
        orders(order("1000", "1.5")),
        {"max_order_notional": "1499.999999"},
        ("1500", "1499.999999", "action.orders[0]"),
        "is worth 1500 USD; at most 1499.999999 USD",
    ),
    "a price above the band": (
        orders(order("1051")),
        {"price_band_percent": 5},
        ("1051", "950 to 1050", "action.orders[0]"),
        "has the price 1051; the mark is 1000, and 5 % around it are allowed: 950 to 1050",
    ),
    "a price below the band": (
        orders(order("949")),
        {"price_band_percent": 5},
        ("949", "950 to 1050", "action.orders[0]"),
        "",
    ),
    "a trigger beyond it": (
        orders(TRIGGER),
        {"price_band_percent": 5},
        ("1100", "950 to 1050", "action.orders[0]"),
        "",
    ),
    "leverage": (LEVERED, {"max_leverage": 4}, ("5", "4", "action.leverage"), "leverage 5 is above 4"),
    "a builder's fee": (
        builder(11),
        {"max_builder_fee": 10},
        ("11", "10", "action.builder.f"),
        "fee of 11 tenths of a",
    ),
    "a builder": (builder(1, THERE), {"builders": [HERE]}, (THERE, HERE, "action.builder"), f"builder {THERE} is none"),
    "no builder": (builder(0), {"builders": []}, (HERE, "none", "action.builder"), "none of those allowed: none"),
    "a rate": (
        fee_rate("0.011%"),
        {"max_builder_fee": 10},
        ("0.011%", "10", "action.maxFeeRate"),
        "0.011% is above 10",
    ),
    "a builder to be": (fee_rate("0%", THERE), {"builders": [HERE]}, (THERE, HERE, "action.builder"), ""),
    "a destination": (send(to=THERE), {"destinations": [HERE]}, (THERE, HERE, "action"), f"the destination {THERE} is"),
    "no destination": (
        Action("usdSend", {"type": "usdSend", "amount": "1"}),
        {"destinations": []},
        ("unnamed", "none", "action"),
        "the destination unnamed is none of those allowed: none",
    ),
    "a transfer": (
        send("100.000001"),
        {"max_transfer": 100},
        ("100.000001", "100", "action"),
        "it moves 100.000001 USDC",
    ),
    "an end": (
        orders(order()),
        {"max_outstanding": 10**6, "ends": NOW + 60_001},
        ("60001", "60000", "expiresAfter"),
        "at most 60000 ms ahead",
    ),
    "no end": (orders(order()), {"max_outstanding": 10**6}, ("none", "60000", "expiresAfter"), "expiresAfter must be"),
    "an unlisted coin": (
        orders(order(asset=7)),
        {"coins": ["BTC"]},
        ("unknown", "", "action"),
        "action.orders[0]: the exchange's list has no asset 7, or was not read yet, so the rule cannot be judged",
    ),
    "a worth without a price": (
        orders({**TRIGGER, "s": "0", "r": True}),
        {"max_order_notional": 9},
        ("unknown", "", "action"),
        "size 0 means",
    ),
    "a market order in a band": (
        TWAP,
        {"price_band_percent": 5},
        ("unknown", "", "action"),
        "action.twap has no price",
    ),
    "another token": (
        Action("spotSend", {"destination": HERE, "token": "HYPE:0x1", "amount": "1"}),
        {"max_transfer": 9},
        ("unknown", "", "action"),
        "not known in USDC",
    ),
    "another token over time": (
        Action("spotSend", {"destination": HERE, "token": "HYPE:0x1", "amount": "1"}),
        {"max_transfers": {"1h": 9}},
        ("unknown", "", "action"),
        "not known in USDC",
    ),
}


@pytest.mark.parametrize("what", list(REFUSED))
def test_a_refusal_says_rule_value_limit_and_place(what: str) -> None:
    asked, rule, (value, limit, path), words = REFUSED[what]
    refusal = judge(asked, **rule).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.value, refusal.limit, refusal.path) == ("r", value, limit, path)
    assert words in refusal.words


ALLOWED: Mapping[str, tuple[Action, dict[str, Any]]] = {
    "the limit itself": (orders(order("1000", "1.5")), {"max_order_notional": 1500}),
    "both ends of the band": (orders(order("950"), order("1050")), {"price_band_percent": 5}),
    "the mark": (orders(order("1000")), {"price_band_percent": 0}),
    "the leverage": (LEVERED, {"max_leverage": 5}),
    "leverage that is not set": (Action("updateIsolatedMargin", {"asset": BTC, "ntli": 1}), {"max_leverage": 1}),
    "the fee": (builder(10), {"max_builder_fee": 10, "builders": [HERE.upper().replace("X", "x")]}),
    "no builder at all": (orders(order()), {"max_builder_fee": 0, "builders": []}),
    "the rate": (fee_rate("0.010%"), {"max_builder_fee": 10, "builders": [HERE]}),
    "the transfer": (send("100"), {"max_transfer": 100, "destinations": [HERE.replace("a", "A")]}),
    "one's own account": (Action("cDeposit", {"wei": 1}), {"destinations": []}),
    "its own vault": (orders(order()), {"vaults": [HERE.replace("a", "A")], "vault": HERE}),
    "a trigger without a time in force": (orders(TRIGGER), {"tifs": []}),
    "a limit order": (orders(order()), {"triggers": False}),
    "the furthest end": (orders(order()), {"max_outstanding": 10**6, "ends": NOW + 60_000}),
    "no end for what reduces": (orders(order(reduce_only=True)), {"max_outstanding": 1}),
    "a cancel": (
        action("cancel", cancels=[{"a": 7, "o": 1}]),
        {"coins": ["BTC"], "sides": [], "max_order_notional": 0},
    ),
}


@pytest.mark.parametrize("what", list(ALLOWED))
def test_what_is_within_a_rule_is_allowed(what: str) -> None:
    asked, rule = ALLOWED[what]
    members = {"updateIsolatedMargin"} & {asked.type}
    document = policy_of({"format": 1, "allow": [*ANYTHING, *members], "rules": []})
    assert document.allow
    if members:
        document = policy_of({"format": 1, "allow": [*members], "rules": [{"name": "r", **rule}]})
        made = Asked(asked, Book(), now=NOW, vault_address=None, expires_after=None)
        assert Policy("p", document, lambda _: 1).judge(made).refusal is None
        return
    assert judge(asked, **dict(rule)).refusal is None


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (None, ("expires_after", "none", "required", "expiresAfter")),
        (NOW + 5_001, ("expires_after", "5001", "5000", "expiresAfter")),
        (NOW + 5_000, None),
    ],
)
def test_the_end_of_an_order_is_there_and_not_too_far(ends: int | None, expected: tuple[str, ...] | None) -> None:
    document = policy_of({"format": 1, "allow": ANYTHING, "expires_after": {"required": True, "max_ms": 5_000}})
    policy = Policy("p", document, lambda _: 1)
    for asked, due in ((orders(order()), expected), (TWAP, expected), (action("noop"), None)):
        made = Asked(asked, Book(), now=NOW, vault_address=None, expires_after=ends)
        refusal = policy.judge(made).refusal
        assert (refusal and (refusal.rule, refusal.value, refusal.limit, refusal.path)) == due
        assert list(policy.objections(made)) == ([refusal] if refusal else [])


# ---- worth --------------------------------------------------------------------------------------------


def _amount(asked: Action, **rule: Any) -> int:
    (demand,) = judge(asked, max_notional={"1h": 10**11}, **rule).demands
    return demand.amount


def test_a_buy_is_worth_its_price_and_a_sell_the_highest_there_is() -> None:
    worth = {
        "a buy below the mark": orders(order("900", "2")),
        "a buy above it": orders(order("1100", "2")),
        "a sell below the mark": orders(order("900", "2", **SELL)),
        "a sell above it": orders(order("1100", "2", **SELL)),
        "a sell with a trigger": orders({**TRIGGER, "b": False, "s": "2"}),
        "a buy with a trigger": orders({**TRIGGER, "s": "2"}),
        "without a price": TWAP,
        "several": orders(order("900", "2"), order("100", "1", asset=ETH), order("900", "2", **SELL)),
    }
    assert {what: _amount(asked) // 10**6 for what, asked in worth.items()} == {
        "a buy below the mark": 1800,
        "a buy above it": 2200,
        "a sell below the mark": 2000,
        "a sell above it": 2200,
        "a sell with a trigger": 2200,
        "a buy with a trigger": 2000,
        "without a price": 2000,
        "several": 3900,
    }


def test_an_amount_is_rounded_up_to_a_millionth_and_never_more_than_a_meter_holds() -> None:
    assert [micro(Decimal(text)) for text in ("0", "0.0000001", "0.000001", "1.0000011")] == [0, 1, 1, 1_000_002]
    assert micro(Decimal(10) ** 40) == MOST_MICRO == 4_611_686_018_427_387_904
    assert micro(Decimal(10**12)) == 10**18 < MOST_MICRO
    assert total([Decimal(10) ** 30, Decimal(10) ** -16]) - Decimal(10) ** 30 != 1
    assert str(total([Decimal(10) ** 30, Decimal("1E-16")])).endswith("0000000000000001")


def test_each_part_that_a_rule_applies_to_is_counted_and_no_other() -> None:
    asked = orders(order(), order(buy=False), order(asset=ETH, price="100"), order(reduce_only=True))
    counted = {
        "all": judge(asked, max_orders={"1h": 9}),
        "sells": judge(asked, max_orders={"1h": 9}, when={"sides": ["sell"]}),
        "ETH": judge(asked, max_orders={"1h": 9}, when={"coins": ["ETH"]}),
        "opening": judge(asked, max_outstanding=10**6, ends=NOW + 5),
        "none": judge(asked, max_orders={"1h": 9}, when={"coins": ["SOL"]}),
    }
    assert {what: [one.amount for one in judged.demands] for what, judged in counted.items()} == {
        "all": [4],
        "sells": [1],
        "ETH": [1],
        "opening": [2_100_000_000],
        "none": [],
    }


def test_what_is_demanded_of_a_meter() -> None:
    (first, second) = judge(orders(order()), max_notional={"1m": 2000}, max_orders={"7d": 3}).demands
    assert (first.rule, first.quantity, first.period, first.end, first.amount, first.limit) == (
        "r",
        "max_notional",
        60_000,
        None,
        10**9,
        2 * 10**9,
    )
    assert (second.quantity, second.period, second.limit) == ("max_orders", 604_800_000, 3)
    (outstanding,) = judge(orders(order()), max_outstanding="2000.5", ends=NOW + 7).demands
    assert (outstanding.period, outstanding.end, outstanding.limit) == (OUTSTANDING_MS, NOW + 7, 2_000_500_000)
    (anew,) = judge(orders(order()), max_orders={"3600s": 3}).demands
    (before,) = judge(orders(order()), max_orders={"60m": 3}).demands
    assert anew == before
    (moved,) = judge(send("1.5"), max_transfers={"24h": 10}, max_orders={"1h": 1}).demands
    assert (moved.quantity, moved.amount) == ("max_transfers", 1_500_000)
    assert judge(LEVERED, max_transfers={"24h": 0}, max_orders={"1h": 0}, max_notional={"1h": 0}).demands == []


# ---- hours --------------------------------------------------------------------------------------------


def _holds(at: datetime, **when: Any) -> bool:
    now = int(at.timestamp() * 1000)
    return judge(orders(order()), refuse=True, when=when, now=now).refusal is not None


def test_hours_begin_with_their_first_minute_and_end_before_their_last() -> None:
    day = {text: _holds(datetime.fromisoformat(f"2026-06-01T{text}+00:00"), hours="09:00-17:00") for text in TIMES}
    assert day == dict(zip(TIMES, (False, True, True, False, False), strict=True))
    night = {text: _holds(datetime.fromisoformat(f"2026-06-01T{text}+00:00"), hours="17:00-09:00") for text in TIMES}
    assert night == {text: not holds for text, holds in day.items()}


TIMES = ("08:59:59.999", "09:00:00", "16:59:59.999", "17:00:00", "23:59:00")


def test_the_day_of_a_night_is_the_one_on_which_it_begins() -> None:
    friday = {"hours": "22:00-06:00", "days": ["fri"]}
    assert _holds(datetime(2026, 6, 5, 22, tzinfo=UTC), **friday)
    assert _holds(datetime(2026, 6, 6, 5, 59, tzinfo=UTC), **friday)
    assert not _holds(datetime(2026, 6, 5, 5, 59, tzinfo=UTC), **friday)
    assert not _holds(datetime(2026, 6, 6, 22, tzinfo=UTC), **friday)
    monday = {"hours": "22:00-06:00", "days": ["sun"]}
    assert _holds(datetime(2026, 6, 8, 1, tzinfo=UTC), **monday), "Monday morning is Sunday night"


def test_days_alone_are_whole_days_of_their_zone() -> None:
    zone = {"days": ["sat"], "zone": "Asia/Kolkata"}
    assert not _holds(datetime(2026, 6, 5, 18, 29, tzinfo=UTC), **zone)
    assert _holds(datetime(2026, 6, 5, 18, 30, tzinfo=UTC), **zone)
    assert _holds(datetime(2026, 6, 6, 18, 29, tzinfo=UTC), **zone)
    assert not _holds(datetime(2026, 6, 6, 18, 30, tzinfo=UTC), **zone)


def test_hours_follow_the_clocks_of_their_zone() -> None:
    zurich = {"hours": "22:00-06:00", "zone": "Europe/Zurich"}
    assert _holds(datetime(2026, 3, 28, 21, tzinfo=UTC), **zurich)
    assert _holds(datetime(2026, 3, 29, 3, 59, tzinfo=UTC), **zurich), "6 o'clock came an hour early"
    assert not _holds(datetime(2026, 3, 29, 4, tzinfo=UTC), **zurich)
    assert not _holds(datetime(2026, 10, 25, 5, tzinfo=UTC), **zurich)
    assert _holds(datetime(2026, 10, 25, 4, 59, tzinfo=UTC), **zurich)


def test_the_answer_of_a_minute_is_not_that_of_another() -> None:
    document = policy_of(
        {"format": 1, "allow": ANYTHING, "rules": [{"name": "r", "refuse": True, "when": {"hours": "09:00-17:00"}}]}
    )
    policy = Policy("p", document, lambda _: 1)
    moments = [datetime(2026, 6, 1, 8, 59, tzinfo=UTC), datetime(2026, 6, 1, 9, tzinfo=UTC)] * 2
    refused = []
    for at in moments:
        asked = Asked(orders(order()), Book(), now=int(at.timestamp() * 1000), vault_address=None, expires_after=None)
        refused.append(policy.judge(asked).refusal is not None)
    assert refused == [False, True, False, True]


# ---- accounts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("usdClassTransfer", {"amount": f"3 subaccount:{THERE.upper().replace('X', 'x')}", "toPerp": True}),
        ("sendAsset", {"destination": HERE, "token": "USDC", "amount": "4", "fromSubAccount": THERE}),
    ],
)
def test_a_sub_account_that_an_action_names_is_an_account_like_a_vault(kind: str, wire: Mapping[str, Any]) -> None:
    asked = Action(kind, {"type": kind, **wire})
    refusal = judge(asked, vaults=["own", HERE]).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.value) == ("r", THERE)
    assert judge(asked, vaults=[THERE]).refusal is None
    asked = Action(kind, {"type": kind, **wire, **dict.fromkeys({"fromSubAccount"} & set(wire), ""), "amount": "3"})
    assert judge(asked, vaults=["own"]).refusal is None


# ---- transfers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wire", "usdc", "destination", "stays"),
    [
        ("usdSend", {"destination": "0xAB", "amount": "1.5"}, "1.5", "0xab", False),
        ("withdraw3", {"destination": "0xab", "amount": "2"}, "2", "0xab", False),
        ("usdClassTransfer", {"amount": "3 subaccount:0xab", "toPerp": True}, "3", None, True),
        (
            "spotSend",
            {"destination": "0xab", "token": "USDC:0x6d1e7cde53ba9467b783cb7c530ce054", "amount": "4"},
            "4",
            "0xab",
            False,
        ),
        ("spotSend", {"destination": "0xab", "token": "USDC:0x0", "amount": "4"}, None, "0xab", False),
        ("sendAsset", {"destination": "0xab", "token": "USDC", "amount": "4"}, "4", "0xab", False),
        ("sendToEvmWithData", {"destinationRecipient": "0xab", "token": "USDC", "amount": "5"}, "5", "0xab", False),
        ("subAccountTransfer", {"subAccountUser": "0xab", "usd": 1_500_000}, "1.5", "0xab", False),
        ("subAccountSpotTransfer", {"subAccountUser": "0xab", "token": "HYPE:0x1", "amount": "5"}, None, "0xab", False),
        ("vaultTransfer", {"vaultAddress": "0xab", "usd": 1}, "0.000001", "0xab", False),
        ("createVault", {"initialUsd": 10**8}, "100", None, False),
        ("tokenDelegate", {"validator": "0xab", "wei": 1}, None, "0xab", False),
        ("cWithdraw", {"wei": 1}, None, None, True),
    ],
)
def test_what_a_transfer_moves_and_where_to(
    kind: str,
    wire: dict[str, Any],
    usdc: str | None,
    destination: str | None,
    stays: bool,  # noqa: FBT001 (a table)
) -> None:
    moved = moved_by(Action(kind, {"type": kind, **wire}))
    assert (moved.usdc, moved.destination, moved.stays) == (usdc and Decimal(usdc), destination, stays)


# ---- what an asset is ---------------------------------------------------------------------------------


def test_a_mark_may_be_as_old_as_the_policy_says() -> None:
    for age, refused in ((10_000, False), (10_001, True)):
        book = Book({BTC: replace(LISTED[BTC], age_ms=age)})
        assert (judge(orders(order()), book, price_band_percent=5).refusal is not None) is refused


def test_an_asset_is_of_a_coin_by_any_of_its_names() -> None:
    book = Book({BTC: replace(LISTED[BTC], names=("PURR/USDC", "@1"))})
    for coins in (["@1"], ["PURR/USDC"]):
        assert judge(orders(order()), book, coins=coins).refusal is None
        assert judge(orders(order()), book, refuse=True, when={"coins": coins}).refusal is not None
    refusal = judge(orders(order()), book, coins=["BTC"]).refusal
    assert refusal is not None
    assert refusal.value == "PURR/USDC"


# ---- amounts above which a rule applies ----------------------------------------------------------------

HYPE = Action("spotSend", {"destination": HERE, "token": "HYPE:0x1", "amount": "1"})
ABOVE: Mapping[str, tuple[Action, int | str, bool]] = {
    "an order": (orders(order("1000", "1.5")), "1499.999999", True),
    "an order of the amount": (orders(order("1000", "1.5")), 1500, False),
    "one of two orders": (orders(order("1000", "1"), order("1000", "2")), 1500, True),
    "two orders that are so together": (orders(order("1000", "1"), order("1000", "1")), 1500, False),
    "a sale below the mark": (orders(order("1", "1", buy=False)), 999, True),
    "an order over time": (TWAP, 1999, True),
    "a transfer": (send("100.000001"), 100, True),
    "a transfer of the amount": (send("100"), 100, False),
    "leverage": (LEVERED, 0, False),
    "a fee": (fee_rate("1%"), 0, False),
    "a cancel": (action("cancel", cancels=[{"a": BTC, "o": 1}]), 0, False),
}


@pytest.mark.parametrize("what", list(ABOVE))
def test_a_rule_may_apply_above_an_amount_alone(what: str) -> None:
    asked, amount, applies = ABOVE[what]
    refusal = judge(asked, refuse=True, when={"above": amount}).refusal
    assert (refusal is not None) is applies
    if refusal is not None:
        assert refusal.value == asked.type


@pytest.mark.parametrize("asked", [HYPE, orders(order(asset=7)), orders({**TRIGGER, "s": "0", "r": True})])
def test_what_an_action_is_worth_must_be_known_where_a_rule_applies_above_an_amount(asked: Action) -> None:
    refusal = judge(asked, refuse=True, when={"above": 10**11}).refusal
    assert refusal is not None
    assert (refusal.value, refusal.path) == ("unknown", "action")
    assert judge(asked, refuse=True, when={"above": 1, "actions": ["noop"]}).refusal is None


def test_a_mark_is_as_young_as_the_policy_asks_where_a_rule_applies_above_an_amount() -> None:
    sale = orders(order("1", "1", asset=ETH, buy=False))
    for most, known in ((5_000, True), (4_999, False)):
        rules = [{"name": "r", "when": {"above": 1000}, "refuse": True}]
        document = policy_of({"format": 1, "allow": ANYTHING, "mark_max_age_ms": most, "rules": rules})
        made = Asked(sale, Book(), now=NOW, vault_address=None, expires_after=None)
        assert (Policy("p", document, lambda _: 1).judge(made).refusal is None) is known


# ---- approvals -----------------------------------------------------------------------------------------

ANNA, BEN, CARL = (Approver.numbered(number) for number in range(3))
DESK = {"anna": ANNA.text, "ben": BEN.text}
ONE_ORDER = orders(order())


def shown(*approvers: Approver, of: Action = ONE_ORDER) -> Shown:
    texts = [one.approve("w", of.wire, time=NOW, until=NOW + 1) for one in approvers]
    conditions = Conditions(now=NOW, not_before=0, is_askers=lambda _: False, was_used=lambda *_: False)
    return Shown(texts, Matter("w", Network.TESTNET, None, of), conditions)


def test_as_many_approvers_as_a_rule_says_permit_what_it_applies_to() -> None:
    one: dict[str, Any] = {"approvals": 1, "approvers": DESK}
    two: dict[str, Any] = {"approvals": 2, "approvers": DESK}
    assert judge(ONE_ORDER, **one, shown=shown(BEN)).refusal is None
    assert judge(ONE_ORDER, **two, shown=shown(BEN, ANNA)).refusal is None
    for rule, given in ((one, shown()), (one, shown(CARL)), (two, shown(BEN)), (two, shown(BEN, BEN))):
        refusal = judge(ONE_ORDER, **rule, shown=given).refusal
        assert refusal is not None
        assert refusal.path == "approvals"


def test_a_refusal_for_want_of_approvals_says_how_many_came_of_whom_and_what_is_wrong_with_the_others() -> None:
    rule: dict[str, Any] = {"approvals": 2, "approvers": DESK}
    refusal = judge(orders(order(), order()), **rule).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.value, refusal.limit) == ("r", "0", "2")
    assert refusal.words == f"action.orders[0] needs 2 approvals of anna or ben; 0 count. {HOW_TO_APPROVE}"
    refusal = judge(ONE_ORDER, **rule, shown=shown(BEN, CARL, BEN)).refusal
    assert refusal is not None
    assert (refusal.value, refusal.limit) == ("1", "2")
    assert refusal.words == (
        "action.orders[0] needs 2 approvals of anna or ben; 1 counts (ben); "
        f"no. 2 is by key {CARL.fingerprint.hex()}, which is none of the approvers'; "
        f"no. 3 of ben is a further one, and each approver counts once. {HOW_TO_APPROVE}"
    )
    refusal = judge(ONE_ORDER, approvals=1, approvers={"anna": ANNA.text}).refusal
    assert refusal is not None
    assert refusal.words.startswith("action.orders[0] needs 1 approval of anna; 0 count. ")


@pytest.mark.parametrize("asked", [LEVERED, send(), fee_rate("1%"), action("noop"), TWAP])
def test_approvals_are_asked_for_whatever_kind_of_action_it_is(asked: Action) -> None:
    rule: dict[str, Any] = {"approvals": 1, "approvers": DESK}
    assert judge(asked, **rule).refusal is not None
    assert judge(asked, **rule, when={"actions": ["cancel"]}).refusal is None


def test_what_people_cannot_permit_is_refused_before_they_are_asked() -> None:
    refusal = judge(ONE_ORDER, approvals=1, approvers=DESK, max_order_notional=1).refusal
    assert refusal is not None
    assert refusal.path == "action.orders[0]"


def test_a_policy_knows_everybody_that_one_of_its_rules_may_ask() -> None:
    rules = [
        {"name": "a", "approvals": 1, "approvers": {"anna": ANNA.text}},
        {"name": "b", "max_leverage": 5},
        {"name": "c", "approvals": 1, "approvers": {"ben": BEN.text}, "when": {"actions": ["noop"]}},
    ]
    policy = Policy("p", policy_of({"format": 1, "allow": ANYTHING, "rules": rules}), lambda _: 1)
    assert {key: (one.name, one.public_key) for key, one in policy.approvers.items()} == {
        ANNA.fingerprint.hex(): ("anna", ANNA.public_key),
        BEN.fingerprint.hex(): ("ben", BEN.public_key),
    }
    assert Limits(limits_of({"format": 1, "rules": rules[:1]}), lambda _: 1).approvers.keys() == {
        ANNA.fingerprint.hex()
    }
