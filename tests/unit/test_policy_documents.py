"""Policies as they are written: what is read, and what is refused with its place named."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from hyperkms.access.policy.document import (
    MAX_BYTES,
    PolicyDocument,
    amount_of,
    approvers_of,
    canonical_text,
    hours_of,
    limits_of,
    period_of,
    policy_of,
    read_limits,
    read_policy,
    schema,
    zone_of,
)
from hyperkms.access.policy.judge import TRADE_ONLY_TYPES, allowed_types
from hyperkms.errors import Malformed
from support.approving import Approver

ADDRESS = "0x" + "Ab" * 20
ANNA, BEN = Approver.numbered(0).text, Approver.numbered(1).text
NOTHING: Any = []
NO_TABLE: Any = {}
WHOLE = f"""
format = 1
description = "BTC and ETH, small, and reduce-only at night"
allow = ["trade-only", "usdSend"]
mark_max_age_ms = 5000

[expires_after]
default_ms = 10000
required = true
max_ms = 60000

[[rules]]
name = "night"
reduce_only = true
[rules.when]
hours = "22:00-06:00"
days = ["mon", "tue"]
zone = "Europe/Zurich"

[[rules]]
name = "what it trades"
coins = ["BTC", "ETH"]
sides = ["buy", "sell"]
tifs = ["Gtc", "Ioc", "Alo", "FrontendMarket"]
triggers = false
vaults = ["own", "{ADDRESS}"]
max_order_notional = "10000.5"
max_notional = {{ "1m" = 20000, "24h" = "100000.25" }}
max_orders = {{ "30s" = 10 }}
max_outstanding = 50000
price_band_percent = 5
max_leverage = 3
max_builder_fee = 10
builders = ["{ADDRESS}"]

[[rules]]
name = "sells of BTC"
refuse = true
when = {{ actions = ["order"], coins = ["BTC"], sides = ["sell"], reduce_only = false }}

[[rules]]
name = "where funds go"
destinations = ["{ADDRESS}"]
max_transfer = 1000
max_transfers = {{ "7d" = 5000 }}

[[rules]]
name = "large"
when = {{ above = "50000.5" }}
approvals = 2
approvers = {{ anna = "{ANNA}", "ben of the desk" = "{BEN}" }}
"""


def _policy(**members: Any) -> dict[str, Any]:
    return {"format": 1, "allow": ["order"], **members}


def _rule(**members: Any) -> dict[str, Any]:
    return _policy(rules=[{"name": "r", **members}])


def _when(**members: Any) -> dict[str, Any]:
    return _rule(refuse=True, when=members)


def _refusal(document: Mapping[str, Any]) -> str:
    with pytest.raises(Malformed) as refused:
        policy_of(document)
    assert refused.value.code == "malformed-policy"
    return refused.value.message


# ---- what is read --------------------------------------------------------------------------------------


def test_toml_and_json_say_the_same() -> None:
    by_toml = read_policy(WHOLE)
    by_json = read_policy("  \n" + json.dumps(tomllib.loads(WHOLE)))
    assert by_toml == by_json
    assert msgspec.to_builtins(by_toml) == tomllib.loads(WHOLE)


def test_its_text_is_read_as_the_same_policy() -> None:
    document = read_policy(WHOLE)
    assert read_policy(canonical_text(document)) == document
    assert canonical_text(policy_of(_policy())) == '{\n  "format": 1,\n  "allow": [\n    "order"\n  ]\n}\n'
    words = policy_of(_policy(description="Zürich"))
    assert "Zürich" in canonical_text(words)


def test_what_is_left_out_has_the_documented_value() -> None:
    document = policy_of(_policy())
    assert (document.rules, document.description, document.mark_max_age_ms) == ([], "", 10_000)
    assert document == PolicyDocument(format=1, allow=["order"])


def test_limits_are_rules_alone() -> None:
    rule = {"name": "size", "max_order_notional": 10}
    limits = limits_of({"format": 1, "rules": [rule]})
    assert (limits.rules[0].name, limits.rules[0].max_order_notional, limits.mark_max_age_ms) == ("size", 10, 10_000)
    for age, is_good in ((499, False), (500, True), (300_000, True), (300_001, False)):
        try:
            assert limits_of({"format": 1, "mark_max_age_ms": age, "rules": [rule]}).mark_max_age_ms == age
        except Malformed:
            assert not is_good
        else:
            assert is_good
    assert read_limits(json.dumps({"format": 1, "rules": [rule]})) == limits
    assert read_limits('format = 1\n[[rules]]\nname = "size"\nmax_order_notional = 10') == limits
    for wrong in ({"format": 1, "rules": []}, {"format": 1, "rules": [rule], "allow": ["order"]}, {"rules": [rule]}):
        with pytest.raises(Malformed):
            limits_of(wrong)
    with pytest.raises(Malformed, match="requires nothing"):
        limits_of({"format": 1, "rules": [{"name": "x"}]})


def test_trade_only_stands_for_its_types() -> None:
    assert tuple(allowed_types(["trade-only", "usdSend"])) == (*TRADE_ONLY_TYPES, "usdSend")


# ---- what is refused, and where -----------------------------------------------------------------------


TYPES_AND_BOUNDS: dict[str, list[dict[str, Any]]] = {
    "format": [_policy(format=value) for value in (0, 2, True, "1", None)],
    "allow": [_policy(allow=value) for value in (NOTHING, "order", None)],
    "allow[0]": [_policy(allow=value) for value in ([1], [None])],
    "description": [_policy(description=value) for value in ("x" * 1001, 1, None)],
    "mark_max_age_ms": [_policy(mark_max_age_ms=value) for value in (499, 300_001, "500", 1e3, True)],
    "expires_after.default_ms": [_policy(expires_after={"default_ms": value}) for value in (99, 86_400_001, "1s")],
    "expires_after.max_ms": [_policy(expires_after={"max_ms": value}) for value in (99, 86_400_001, None)],
    "expires_after.required": [_policy(expires_after={"required": value}) for value in (1, "true")],
    "rules": [_policy(rules=value) for value in (NO_TABLE, [{"name": f"r{n}", "refuse": True} for n in range(101)])],
    "rules[0].name": [
        _policy(rules=[{"name": value, "refuse": True}])
        for value in ("", " a", "-a", "a" * 65, "a\n", "a/b", "é", 1, None)
    ],
    "rules[0].refuse": [_rule(refuse=value) for value in (False, 1, "yes", None)],
    "rules[0].coins": [_rule(coins=value) for value in (NOTHING, "BTC")],
    "rules[0].coins[0]": [_rule(coins=[value]) for value in ("", "x" * 65, 1)],
    "rules[0].sides[0]": [_rule(sides=[value]) for value in ("Buy", "both", True)],
    "rules[0].tifs[0]": [_rule(tifs=[value]) for value in ("gtc", "", 1)],
    "rules[0].triggers": [_rule(triggers=value) for value in (True, 0, "no")],
    "rules[0].reduce_only": [_rule(reduce_only=value) for value in (False, 1)],
    "rules[0].vaults[0]": [_rule(vaults=[value]) for value in ("Own", "own\n", ADDRESS[:-1], ADDRESS + "0", None)],
    "rules[0].max_order_notional": [_rule(max_order_notional=value) for value in (1.5, 10.0, True, None, NOTHING)],
    "rules[0].max_leverage": [_rule(max_leverage=value) for value in (0, 1001, 3.0, "3")],
    "rules[0].max_builder_fee": [_rule(max_builder_fee=value) for value in (-1, 1001, "1")],
    "rules[0].builders[0]": [_rule(builders=[value]) for value in (ADDRESS + "\n", "0X" + "a" * 40, "own")],
    "rules[0].destinations[0]": [_rule(destinations=[value]) for value in (ADDRESS[2:], f" {ADDRESS}")],
    "rules[0].max_notional": [_rule(max_notional=value) for value in (NO_TABLE, 10)],
    "rules[0].max_orders": [_rule(max_orders={"1h": value}) for value in (-1, 2**32 + 1, "1", 1.0)],
    "rules[0].when.actions": [_when(actions=value) for value in (NOTHING, "order")],
    "rules[0].when.coins": [_when(coins=[])],
    "rules[0].when.sides": [_when(sides=[])],
    "rules[0].when.days": [_when(days=[])],
    "rules[0].when.days[0]": [_when(days=["monday"])],
    "rules[0].when.reduce_only": [_when(reduce_only=0)],
}


@pytest.mark.parametrize("place", list(TYPES_AND_BOUNDS))
def test_a_value_of_another_type_or_out_of_its_bounds_is_refused_at_its_place(place: str) -> None:
    for document in TYPES_AND_BOUNDS[place]:
        with pytest.raises(Malformed) as refused:
            policy_of(document)
        assert refused.value.details == {"field": place}, document
        assert refused.value.message.startswith(place), document


@pytest.mark.parametrize(
    ("place", "document"),
    [
        ("allow[1]", _policy(allow=["order", "unknown"])),
        ("allow[0]", _policy(allow=["Order"])),
        ("rules[0].when.actions[1]", _when(actions=["order", "trade-only"])),
        ("rules[0].max_order_notional", _rule(max_order_notional="1e3")),
        ("rules[0].max_outstanding", _rule(max_outstanding="-1")),
        ("rules[0].price_band_percent", _rule(price_band_percent="5%")),
        ("rules[0].max_transfer", _rule(max_transfer="")),
        ("rules[0].max_notional", _rule(max_notional={"1y": 1})),
        ("rules[0].max_notional.1h", _rule(max_notional={"1h": -1})),
        ("rules[0].max_transfers", _rule(max_transfers={"8d": 1})),
        ("rules[0].max_transfers.7d", _rule(max_transfers={"7d": "1.0000001"})),
        ("rules[0].max_orders", _rule(max_orders={"999ms": 1})),
        ("rules[0].approvals", _rule(approvals=2, approvers={"anna": ANNA})),
        ("rules[0].approvals", _rule(approvals=1)),
        ("rules[0].approvers", _rule(approvers={"anna": ANNA})),
        ("rules[0].approvers", _rule(approvals=1, approvers={"": ANNA})),
        ("rules[0].approvers", _rule(approvals=1, approvers={"ben": BEN, "anna\n": ANNA})),
        ("rules[0].approvers.ben", _rule(approvals=1, approvers={"anna": ANNA, "ben": ANNA})),
        ("rules[0].approvers.nobody", _rule(approvals=1, approvers={"nobody": f"ed25519:{'00' * 32}"})),
        ("rules[0].when.above", _when(above="1e3")),
        ("rules[0].when.hours", _when(hours="24:00-06:00")),
        ("rules[0].when.zone", _when(hours="22:00-06:00", zone="Zurich")),
        ("rules[0].when.zone", _when(coins=["BTC"], zone="UTC")),
        ("rules[0].when", _when()),
        ("rules[0]", _rule()),
        ("rules[0]", _rule(when={"coins": ["BTC"]})),
        ("rules[1]", _policy(rules=[{"name": "r", "refuse": True}, {"name": "r", "reduce_only": True}])),
        ("expires_after.default_ms", _policy(expires_after={"default_ms": 5_001, "max_ms": 5_000})),
    ],
)
def test_what_no_policy_can_mean_is_refused_at_its_place(place: str, document: Mapping[str, Any]) -> None:
    with pytest.raises(Malformed) as refused:
        policy_of(document)
    assert (refused.value.code, refused.value.details) == ("malformed-policy", {"field": place})
    assert refused.value.message.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (_policy(alow=["order"]), "there is no member alow; allow is one"),
        ({"allow": ["order"]}, "the member format is missing"),
        ({"format": 1}, "the member allow is missing"),
        ([], "Expected `object`, got `array`"),
        (None, "Expected `object`, got `null`"),
        ("format = 1", "Expected `object`, got `str`"),
    ],
)
def test_a_document_that_is_none_says_what_is_wrong_with_it(document: Any, words: str) -> None:
    assert _refusal(document) == f"the policy is not of the documented form: {words}"


_FRACTION = "an amount with a fraction is written as text: "
_KEY = "a public key is due: ed25519: and 64 hex digits, as `hyperkms identity create` prints it"
_ADDRESS = "an address is due: 0x and 40 hex digits"


@pytest.mark.parametrize(
    ("place", "rule", "words"),
    [
        ("", {"max_order_notinal": 1}, "there is no member max_order_notinal; max_order_notional is one"),
        ("", {"zzzz": 1}, "there is no member zzzz"),
        (".when", {"when": {"coin": ["BTC"]}}, "there is no member coin; coins is one"),
        (".tifs[0]", {"tifs": ["GTC"]}, "one of Gtc, Ioc, Alo, FrontendMarket is due"),
        (".sides[1]", {"sides": ["buy", "Sell"]}, "one of buy, sell is due"),
        (".when.sides[0]", {"when": {"sides": ["Buy"]}}, "one of buy, sell is due"),
        (".when.days[0]", {"when": {"days": ["Mon"]}}, "one of mon, tue, wed, thu, fri, sat, sun is due"),
        (".tifs", {"tifs": "Gtc"}, "a list is due"),
        (".coins", {"coins": []}, "is empty; one entry at least is due"),
        (".max_order_notional", {"max_order_notional": 10000.5}, f'{_FRACTION}"10000.5"'),
        (".price_band_percent", {"price_band_percent": 5.5}, f'{_FRACTION}"5.5"'),
        (".max_notional", {"max_notional": {"1h": 1, "24h": 7.25}}, f'{_FRACTION}"7.25"'),
        (".max_order_notional", {"max_order_notional": 1e300}, f'{_FRACTION}"1250.5"'),
        (".max_order_notional", {"max_order_notional": None}, 'an amount is due, such as 10000 or "1250.5"'),
        (".max_notional", {"max_notional": 5000}, 'amounts by period are due: { "1h" = 5000 }'),
        (".max_orders", {"max_orders": 5}, 'counts by period are due: { "1s" = 10 }'),
        (".max_orders", {"max_orders": {"1s": 1.5}}, "a whole number from 0 to 4294967296 is due"),
        (".reduce_only", {"reduce_only": False}, "only true can be required; leave it out"),
        (".when.reduce_only", {"when": {"reduce_only": 1}}, "true or false is due"),
        (".destinations[0]", {"destinations": ["0x12"]}, _ADDRESS),
        (".builders[0]", {"builders": ["bob"]}, _ADDRESS),
        (".max_leverage", {"max_leverage": 0}, "a whole number from 1 to 1000 is due"),
        (".approvals", {"approvals": 0}, "a whole number from 1 to 20 is due"),
        (".approvals", {"approvals": 21}, "a whole number from 1 to 20 is due"),
        (".approvers", {"approvals": 1, "approvers": [ANNA]}, 'public keys by name are due: { anna = "ed25519:..." }'),
        (".approvers", {"approvals": 1, "approvers": {}}, 'public keys by name are due: { anna = "ed25519:..." }'),
        (".approvers", {"approvals": 1, "approvers": {"anna": ANNA[:-1]}}, _KEY),
        (".approvers", {"approvals": 1, "approvers": {"anna": ANNA.upper()}}, _KEY),
        (".approvers", {"approvals": 1, "approvers": {"anna": 7}}, _KEY),
        (".when.above", {"when": {"above": 1.5}, "refuse": True}, f'{_FRACTION}"1.5"'),
    ],
)
def test_a_fault_of_a_rule_names_place_rule_and_what_is_due(place: str, rule: Mapping[str, Any], words: str) -> None:
    with pytest.raises(Malformed) as refused:
        policy_of(_policy(rules=[{"name": "a", **rule}]))
    assert refused.value.message == f"rules[0]{place} ('a'): {words}"
    assert refused.value.details == {"field": f"rules[0]{place}"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_policy(format=2), "format: 1 is the only format there is"),
        (_policy(expires_after={"requird": True}), "expires_after: there is no member requird; required is one"),
        (_policy(rules=[{"refuse": True}]), "rules[0]: the member name is missing"),
        (
            _policy(allow=["trade_only"]),
            "allow[0]: trade_only is no action type that can be signed (trade-only is written with a hyphen)",
        ),
    ],
)
def test_other_faults_name_their_place_too(document: Mapping[str, Any], message: str) -> None:
    assert _refusal(document) == message


def test_json_that_cannot_be_read_is_called_a_policy() -> None:
    with pytest.raises(Malformed, match=r"^The policy has a number outside the range of a double\."):
        read_policy('{"format": 1e400}')


@pytest.mark.parametrize(
    ("approvers", "words"),
    [
        ({"anna": ANNA, "ben": ANNA}, "ben: is the key of anna too, and one person approves once"),
        ({"x": f"ed25519:{'00' * 32}"}, f"x: {_KEY}"),
        ({".x": ANNA}, "rules[0].approvers: 1 to 64 letters, digits, spaces, dots, underscores and hyphens are due"),
    ],
)
def test_approvers_are_named_and_each_key_is_one_persons(approvers: Mapping[str, str], words: str) -> None:
    assert words in _refusal(_rule(approvals=1, approvers=approvers))
    assert "2 approvals are asked for, and `approvers` names 1" in _refusal(_rule(approvals=2, approvers={"a": ANNA}))
    assert "`approvals` does not say how many" in _refusal(_rule(approvers={"a": ANNA}))


def test_as_many_approvers_may_be_asked_as_are_named_and_twenty_at_most() -> None:
    keys = [Approver.numbered(number).text for number in range(21)]
    named = {f"n{number}": key for number, key in enumerate(keys)}
    twenty = dict(list(named.items())[:20])
    for count, approvers in ((1, {"A" * 64: ANNA}), (2, {"a.b c_d-9": ANNA, "ben": BEN}), (20, twenty)):
        (rule,) = policy_of(_rule(approvals=count, approvers=approvers)).rules
        assert [(one.name, f"ed25519:{one.public_key.hex()}") for one in approvers_of(rule, "").values()] == [
            *approvers.items()
        ]
    with pytest.raises(Malformed):
        policy_of(_rule(approvals=1, approvers=named))
    with pytest.raises(Malformed):
        policy_of(_rule(approvals=1, approvers={"A" * 65: ANNA}))


def test_a_default_end_may_be_as_far_as_the_furthest() -> None:
    assert policy_of(_policy(expires_after={"default_ms": 5_000, "max_ms": 5_000}))
    assert policy_of(_policy(expires_after={"default_ms": 100, "max_ms": 100}))
    assert policy_of(_policy(expires_after={"default_ms": 5_000}))
    assert policy_of(_policy(expires_after={}))


def test_bounds_belong_to_what_they_bound() -> None:
    for whole in (
        _policy(mark_max_age_ms=500, description="x" * 1000),
        _policy(mark_max_age_ms=300_000, rules=[{"name": f"r{n}", "refuse": True} for n in range(100)]),
        _rule(coins=["S"], max_leverage=1, max_builder_fee=0, max_orders={"1s": 0, "7d": 2**32}),
        _rule(max_leverage=1000, max_builder_fee=1000, builders=[], destinations=[], sides=[], tifs=[], vaults=[]),
        _policy(expires_after={"default_ms": 100, "max_ms": 86_400_000}),
        _when(days=["mon"], zone="UTC"),
        _when(hours="22:00-06:00", zone="UTC"),
        _policy(rules=[{"name": "A" * 64, "coins": ["x" * 64]}, {"name": "a", "refuse": True}]),
    ):
        assert policy_of(whole)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format = ", "the policy is no TOML: Invalid value"),
        ("format = 1\nformat = 1", "the policy is no TOML: Cannot overwrite"),
        ("\x00", "the policy is no TOML"),
        ("x=" + "[" * 9999, "the policy is no TOML: it is too deep"),
        ("{", "JSON"),
        ('{"format":1,"format":1,"allow":["order"]}', "duplicate key"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read_policy(text)


def test_a_text_has_a_most_of_bytes() -> None:
    text = json.dumps(_policy())
    assert MAX_BYTES == 65_536
    assert read_policy(text + " " * (MAX_BYTES - len(text)))
    with pytest.raises(Malformed, match=f"at most {MAX_BYTES} bytes"):
        read_policy(text + " " * (MAX_BYTES - len(text) + 1))
    with pytest.raises(Malformed, match="at most"):
        read_policy(text + "# é" * (MAX_BYTES // 3))


@pytest.mark.parametrize("number", ["10.5", "10.0", "1e2", "inf", "nan"])
def test_a_number_with_a_fraction_is_refused_by_toml_and_json_alike(number: str) -> None:
    toml = f'format = 1\nallow = ["order"]\n[[rules]]\nname = "r"\nmax_order_notional = {number}'
    texts = (
        [toml]
        if number in {"inf", "nan"}
        else [toml, json.dumps(_rule(max_order_notional=0)).replace("0}", f"{number}}}")]
    )
    for text in texts:
        with pytest.raises(Malformed, match=r"rules\[0\]\.max_order_notional \('r'\): .* fraction is written as text"):
            read_policy(text)


# ---- amounts, periods, hours --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "0.000001", "999999999999.999999", "7", "1.50"])
def test_an_amount_has_twelve_digits_and_six_decimals_at_most(text: str) -> None:
    assert str(amount_of(text, "x")) == text
    assert amount_of(10**12 - 1, "x") == 10**12 - 1
    assert amount_of(0, "x") == 0
    for wrong in (10**12, -1, "1000000000000", "0.0000001", "1.", ".5", "+1", " 1", "1\n", "1_0", "\u0661"):
        with pytest.raises(Malformed):
            amount_of(wrong, "x")


def test_a_period_is_one_second_to_seven_days() -> None:
    read = {"1s": 1_000, "30s": 30_000, "1m": 60_000, "1h": 3_600_000, "24h": 86_400_000, "1d": 86_400_000}
    assert {text: period_of(text, "x") for text in read} == read
    assert period_of("7d", "x") == period_of("168h", "x") == 604_800_000
    for wrong in ("0s", "8d", "169h", "604801s", "1", "1w", "s", "1 h", "1h\n", "-1h", "1H"):
        with pytest.raises(Malformed, match="a period is due from 1s to 7d"):
            period_of(wrong, "x")


def test_one_period_is_not_limited_twice_in_two_spellings() -> None:
    rule = {"name": "r", "max_orders": {"60m": 1, "1h": 2}}
    with pytest.raises(Malformed, match="there already, in another spelling"):
        policy_of({"format": 1, "allow": ["trade-only"], "rules": [rule]})


def test_hours_are_minutes_of_the_day() -> None:
    assert hours_of("22:15-06:30", "x") == (22 * 60 + 15, 6 * 60 + 30)
    assert hours_of("00:00-23:59", "x") == (0, 24 * 60 - 1)
    for wrong in ("22-06", "22:00-22:00", "22:60-06:00", "24:00-01:00", "22:00 - 06:00", "1:00-2:00", "22:00-06:00\n"):
        with pytest.raises(Malformed):
            hours_of(wrong, "x")


@pytest.mark.parametrize("zone", ["Nowhere/City", "", "../../etc/passwd", "/etc/localtime", "UTC\x00", "Europe"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    assert zone_of("Europe/Zurich", "x").key == "Europe/Zurich"
    with pytest.raises(Malformed, match="no time zone of this name"):
        zone_of(zone, "x")


# ---- the schema ---------------------------------------------------------------------------------------


def test_the_schema_takes_what_is_read_and_refuses_what_has_no_place_in_it() -> None:
    validator = jsonschema_rs.validator_for(schema())
    good = (tomllib.loads(WHOLE), _policy(), *[json.loads(canonical_text(read_policy(WHOLE)))])
    assert all(validator.is_valid(document) for document in good)
    for place, documents in TYPES_AND_BOUNDS.items():
        for document in documents:
            if "." in place:
                # JSON Schema knows no difference between 10 and 10.0.
                assert not validator.is_valid(document) or 10.0 in _numbers(document), document
    for document in (_policy(alow=[]), _rule(max_order_notinal=10), _when(coin=["BTC"]), {"format": 1}):
        assert not validator.is_valid(document)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [number for one in (value.values() if isinstance(value, dict) else value) for number in _numbers(one)]
    return [10.0] if isinstance(value, float) and value.is_integer() else []
