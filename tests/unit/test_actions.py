"""Actions are read strictly, and what is signed is what the exchange hashes."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.access.policy.judge import TRADE_ONLY_TYPES
from hyperkms.errors import Malformed
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS, parse_action
from hyperkms.hyperliquid.classes import CLASSES, ActionClass, class_of
from hyperkms.hyperliquid.market import Asset, check_order
from hyperkms.hyperliquid.user_signed import completed, typed_values
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.wallet import Network
from support.good_actions import ADDRESS, CLOID, GOOD, NONCE, ORDER, TRIGGER, USERS

VARIANTS = ("CSignerAction", "spotDeploy", "perpDeploy")
TEXTS = ("", "x")
NOT_WRONG: dict[tuple[str, str], tuple[Any, ...]] = {
    ("twapOrder", "details.t"): (None,),
    ("twapOrder", "details.s"): (None,),
    ("updateIsolatedMargin", "ntli"): (-1,),
    ("createSubAccount", "name"): ("x",),
    ("subAccountModify", "name"): ("x",),
    ("subAccountSpotTransfer", "token"): ("x",),
    ("vaultModify", "allowDeposits"): (None,),
    ("vaultModify", "alwaysCloseOnWithdraw"): (None,),
    ("agentSendAsset", "sourceDex"): TEXTS,
    ("agentSendAsset", "destinationDex"): TEXTS,
    ("agentSendAsset", "token"): ("x",),
    ("agentSendAsset", "fromSubAccount"): ("",),
    ("borrowLend", "amount"): (None,),
    ("hip3LiquidatorTransfer", "dex"): TEXTS,
    ("setReferrer", "code"): ("x",),
    ("registerReferrer", "code"): ("x",),
    ("setDisplayName", "displayName"): TEXTS,
    ("CSignerAction", "jailSelf"): (None,),
    ("spotSend", "token"): ("x",),
    ("sendAsset", "sourceDex"): TEXTS,
    ("sendAsset", "destinationDex"): TEXTS,
    ("sendAsset", "token"): ("x",),
    ("sendAsset", "fromSubAccount"): ("",),
    ("sendToEvmWithData", "token"): ("x",),
    ("sendToEvmWithData", "sourceDex"): TEXTS,
    ("sendToEvmWithData", "destinationRecipient"): ("x",),
    ("approveAgent", "agentName"): TEXTS,
    ("perpDeploy", "setOracle.dex"): TEXTS,
    ("perpDeploy", "setOracle.oraclePxs"): ([],),
    ("perpDeploy", "setOracle.markPxs"): ([],),
    ("perpDeploy", "setOracle.externalPerpPxs"): ([],),
    ("perpDeploy", "setOracle.markPxs[0]"): ([],),
    ("perpDeploy", "setOracle.markPxs[0][0][0]"): ("x",),
    ("perpDeploy", "setOracle.externalPerpPxs[0][0]"): ("x",),
    ("perpDeploy", "setOracle.oraclePxs[1][0]"): ("x",),
}
"""What stands at a place of this name although it looks wrong: names may be short, some members may be null."""


def _parse(action: object) -> Any:
    return parse_action(action, Numbers.CANONICAL).wire


def _refusal(action: object) -> Malformed:
    with pytest.raises(Malformed) as refused:
        parse_action(action, Numbers.CANONICAL)
    return refused.value


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return here + [place for name, member in members for place in _places(member, (*path, name))]


def _replaced(action: Any, place: tuple[Any, ...], new: object) -> Any:
    changed = copy.deepcopy(action)
    target = changed
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = new
    return changed


def _shown(place: tuple[Any, ...]) -> str:
    """A place as a refusal names it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]


EVERY_PLACE = [(name, place) for name, action in GOOD.items() for place in _places(action)]


def test_every_type_of_this_release_has_an_example_here() -> None:
    assert set(GOOD) == set(ACTIONS)


@pytest.mark.parametrize("name", GOOD)
def test_members_may_come_in_any_order_and_leave_in_the_hashed_one(name: str) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(entry) for entry in value] if isinstance(value, list) else value

    read = _parse(backwards(GOOD[name]))
    assert repr(read) == repr(_parse(GOOD[name]))
    assert next(iter(read)) == "type"


@pytest.mark.parametrize(("name", "place"), EVERY_PLACE)
@pytest.mark.parametrize("wrong", [None, 1.5, [], {}, "", "x", -1, 2**64, b"x"], ids=repr)
def test_a_wrong_value_anywhere_is_refused_and_named(name: str, place: tuple[Any, ...], wrong: object) -> None:
    if wrong in NOT_WRONG.get((name, _shown(place)), ()):
        _parse(_replaced(GOOD[name], place, wrong))
        return
    refused = _refusal(_replaced(GOOD[name], place, wrong))
    assert str(refused.details["field"]).startswith("action")


def _at(action: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        action = action[step]
    return action


EVERY_OBJECT = [
    (name, place)
    for name, action in GOOD.items()
    for place in [(), *_places(action)]
    if isinstance(_at(action, place), dict)
]


@pytest.mark.parametrize(("name", "place"), EVERY_OBJECT)
def test_an_unknown_member_anywhere_is_refused_and_named(name: str, place: tuple[Any, ...]) -> None:
    changed = copy.deepcopy(GOOD[name])
    _at(changed, place)["surprise"] = 1
    here = ".surprise"
    if place[-1:] == ("t",) and name != "twapOrder":
        here = ".t"  # an object with exactly one member is named itself
    elif place == () and name in VARIANTS:
        here = "action"
    assert str(_refusal(changed).details["field"]).endswith(here)


@pytest.mark.parametrize(
    "action", [None, [], "order", 1, {}, {"type": 1}, {"type": "userOutcome"}, {"type": "multiSig"}]
)
def test_what_is_no_known_action_is_refused(action: object) -> None:
    _refusal(action)


def test_addresses_and_cloids_are_signed_in_lower_case_and_false_flags_left_out() -> None:
    read = _parse({**GOOD["order"]})
    assert read["orders"][0]["c"] == CLOID.lower()
    assert read["builder"]["b"] == GOOD["order"]["builder"]["b"].lower()
    assert "f" not in _parse({**GOOD["cancel"], "f": False})
    assert _parse(GOOD["cancel"])["f"] is True


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("2000.0", "2000"), ("0.10", "0.1"), ("007", "7"), ("1.00000000000", "1"), ("00.5", "0.5"), ("-0", "0")],
)
def test_a_number_that_is_not_canonical_is_refused_with_the_canonical_text(text: str, canonical: str) -> None:
    refused = _refusal({**GOOD["order"], "orders": [{**ORDER, "p": text}]})
    assert (refused.code, refused.details["canonical"]) == ("not-canonical", canonical)
    assert refused.details["field"] == "action.orders[0].p"


@pytest.mark.parametrize(
    "text", ["1e5", "+1", ".5", "5.", "NaN", "inf", "1_0", " 1", "1 ", "٣", "0x10", "1" * 41, "--1"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    _refusal({**GOOD["order"], "orders": [{**ORDER, "p": text}]})


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        ("12345.6", "12346"),
        ("1234.56", "1234.6"),
        ("0.00001234567", None),
        ("0.1234567", "0.12346"),
        ("0.0000012", "0.000001"),
    ],
)
def test_a_price_with_too_many_figures_is_refused_with_the_nearest(price: str, nearest: str | None) -> None:
    refused = _refusal({**GOOD["order"], "orders": [{**ORDER, "p": price}]})
    if nearest:
        assert (refused.code, refused.details["nearest"]) == ("invalid-price", nearest)


@pytest.mark.parametrize("price", ["123456", "1234567", "99999", "0.000001", "1234.5", "0.12345", "100000000"])
def test_a_price_the_exchange_takes_passes(price: str) -> None:
    _parse({**GOOD["order"], "orders": [{**ORDER, "p": price}]})


@pytest.mark.parametrize(("member", "value"), [("p", "0"), ("p", "-1"), ("s", "0"), ("s", "-1")])
def test_prices_and_sizes_are_above_0(member: str, value: str) -> None:
    _refusal({**GOOD["order"], "orders": [{**ORDER, member: value}]})


def test_size_0_means_the_whole_position_on_a_reduce_only_trigger() -> None:
    whole = {**ORDER, "s": "0", "r": True, "t": {"trigger": TRIGGER}}
    _parse({**GOOD["order"], "orders": [whole], "grouping": "positionTpsl"})


@pytest.mark.parametrize(
    ("order", "field", "nearest"),
    [
        ({**ORDER, "s": "0.000015"}, "action.orders[0].s", "0.00002"),
        ({**ORDER, "p": "0.0123"}, "action.orders[0].p", "0"),
        ({**ORDER, "p": "0.1234"}, "action.orders[0].p", "0.1"),
    ],
)
def test_the_decimals_of_a_market_bound_price_and_size(order: dict[str, Any], field: str, nearest: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_order(Asset("BTC", 0, 5), order, "action.orders[0]")
    assert refused.value.details["field"] == field
    assert refused.value.details["nearest"] == (nearest if nearest != "0" else "0.1")


@given(st.decimals(min_value="0.000001", max_value="10000000", places=6))
def test_the_nearest_price_of_a_refusal_is_itself_accepted(price: Any) -> None:
    text = format(price.normalize(), "f")
    action = {**GOOD["order"], "orders": [{**ORDER, "p": text}]}
    nearest = _nearest(action)
    if nearest is not None:
        _parse(_replaced(action, ("orders", 0, "p"), nearest))


def _nearest(action: object) -> object:
    """What a refused price should have been; None if it was accepted."""
    try:
        _parse(action)
    except Malformed as refused:
        return refused.details["nearest"]
    return None


@pytest.mark.parametrize(
    "action",
    [
        {"type": "userOutcome"},
        {"type": "CValidatorAction", "unregister": None},
        {"type": "CSignerAction", "jailSelf": None, "unjailSelf": None},
        {"type": "CSignerAction", "jailSelf": True},
        {"type": "spotDeploy", "genesis": {"token": 1, "maxSupply": "1"}},
        {"type": "spotDeploy", "registerSpot": {"tokens": [1, 0, 0]}},
        {"type": "perpDeploy", "registerAsset": {}},
        {"type": "finalizeEvmContract"},
    ],
)
def test_what_no_published_vector_pins_of_deployers_and_validators_is_refused(action: object) -> None:
    _refusal(action)


def test_the_prices_of_an_oracle_stand_in_the_order_in_which_they_are_hashed() -> None:
    place = ("setOracle", "oraclePxs")
    for prices in [[["b", "1"], ["a", "1"]], [["a", "1"], ["a", "1"]]]:
        assert _refusal(_replaced(GOOD["perpDeploy"], place, prices)).details["field"] == "action.setOracle.oraclePxs"


@pytest.mark.parametrize("amount", ["0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1,5", "", "1" * 31, 1, 1.5, None])
def test_what_is_no_amount_above_0_is_refused(amount: object) -> None:
    _refusal({**GOOD["subAccountSpotTransfer"], "amount": amount})


def test_an_amount_of_a_sub_account_is_hashed_as_it_is_written() -> None:
    assert _parse({**GOOD["subAccountSpotTransfer"], "amount": "100.0"})["amount"] == "100.0"
    assert _refusal({**GOOD["agentSendAsset"], "amount": "100.0"}).code == "not-canonical"


def test_a_member_that_may_be_null_may_not_be_missing() -> None:
    for name, member in [("vaultModify", "allowDeposits"), ("borrowLend", "amount")]:
        assert _parse({**GOOD[name], member: None})[member] is None
        without = {key: value for key, value in GOOD[name].items() if key != member}
        assert _refusal(without).code == "missing-field"


NUMBERED = [name for name, one in ACTIONS.items() if one.numbered_by]


@pytest.mark.parametrize("name", NUMBERED)
def test_an_inner_nonce_is_the_request_s_and_the_last_member(name: str) -> None:
    one, member = ACTIONS[name], str(ACTIONS[name].numbered_by)
    inner = GOOD[name][member]
    with_it, without = _parse(GOOD[name]), _parse({k: v for k, v in GOOD[name].items() if k != member})
    assert member not in without
    assert repr(one.numbered(without, inner)) == repr(one.numbered(with_it, inner)) == repr(with_it)
    assert list(with_it)[-1] == member
    one.require_fitting(with_it, nonce=inner, vault_address=None, expires_after=None)
    one.require_fitting(without, nonce=None, vault_address=None, expires_after=None)
    for nonce in (None, inner + 1):
        with pytest.raises(Malformed) as refused:
            one.require_fitting(with_it, nonce=nonce, vault_address=None, expires_after=None)
        assert (refused.value.code, refused.value.details["field"]) == ("nonce-mismatch", f"action.{member}")


def test_a_vault_address_is_refused_where_it_is_not_hashed() -> None:
    never = {
        "setReferrer",
        "createSubAccount",
        "subAccountTransfer",
        "subAccountSpotTransfer",
        "vaultTransfer",
        "spotDeploy",
        "perpDeploy",
        "CSignerAction",
        "evmUserModify",
    }
    assert not any(ACTIONS[name].hashes_vault for name in never)
    for name, one in ACTIONS.items():
        if not one.hashes_vault:
            with pytest.raises(Malformed) as refused:
                one.require_fitting(_parse(GOOD[name]), nonce=None, vault_address=ADDRESS, expires_after=None)
            assert (refused.value.code, refused.value.details["field"]) == ("member-not-signed", "vaultAddress")


def test_every_action_that_can_be_read_has_a_class() -> None:
    assert set(ACTIONS) == set(CLASSES)
    assert {name for name in CLASSES if class_of(name) in (ActionClass.ORDER, ActionClass.CANCEL)} | {
        "updateLeverage"
    } == {*TRADE_ONLY_TYPES} | {"twapOrder", "twapCancel"}


USER_SIGNED = [name for name, one in ACTIONS.items() if one.kind is ActionKind.USER]


@pytest.mark.parametrize("name", USER_SIGNED)
def test_a_user_signed_action_is_completed_with_chain_and_network(name: str) -> None:
    one = ACTIONS[name]
    bare = {k: v for k, v in GOOD[name].items() if k not in {"signatureChainId", "hyperliquidChain", one.numbered_by}}
    assert repr(completed(one, _parse(bare), Network.TESTNET, NONCE)) == repr(_parse(GOOD[name]))
    mainnet = completed(one, _parse({**bare, "signatureChainId": "0xA4B1"}), Network.MAINNET, NONCE)
    assert list(mainnet)[:3] == ["type", "signatureChainId", "hyperliquidChain"]
    assert (mainnet["signatureChainId"], mainnet["hyperliquidChain"]) == ("0xa4b1", "Mainnet")


@pytest.mark.parametrize("name", USER_SIGNED)
def test_an_expiry_is_refused_where_it_is_not_signed(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        ACTIONS[name].require_fitting(_parse(GOOD[name]), nonce=NONCE, vault_address=None, expires_after=NONCE)
    assert (refused.value.code, refused.value.details["field"]) == ("member-not-signed", "expiresAfter")


def test_a_destination_keeps_its_case_because_it_is_hashed_as_a_text() -> None:
    assert _parse(GOOD["usdSend"])["destination"] == ADDRESS
    assert _parse(GOOD["sendAsset"])["fromSubAccount"] == ADDRESS
    assert _parse(GOOD["approveAgent"])["agentAddress"] == ADDRESS.lower()


def test_an_agent_without_a_name_has_no_such_member_and_signs_the_empty_one() -> None:
    one = ACTIONS["approveAgent"]
    unnamed = {key: value for key, value in GOOD["approveAgent"].items() if key != "agentName"}
    assert _parse({**unnamed, "agentName": ""}) == _parse(unnamed)
    assert "agentName" not in _parse(unnamed)
    assert typed_values(one, _parse(unnamed)) == [ADDRESS.lower(), "", NONCE]


@pytest.mark.parametrize(
    "name", ["", "a" * 16, "b valid_until 1", "valid_until 1", "ü" * 16, "a" * 16 + " valid_until 1"]
)
def test_a_name_of_an_agent_may_say_until_when(name: str) -> None:
    _parse({**GOOD["approveAgent"], "agentName": name})


@pytest.mark.parametrize("name", ["a" * 17, "a" * 17 + " valid_until 1", "a" * 10 + " valid_until x"])
def test_a_name_of_an_agent_that_is_too_long_is_refused(name: str) -> None:
    _refusal({**GOOD["approveAgent"], "agentName": name})


@pytest.mark.parametrize("amount", ["50 subaccount:" + ADDRESS, "0.5 subaccount:" + ADDRESS])
def test_a_class_transfer_may_name_a_sub_account(amount: str) -> None:
    assert _parse({**GOOD["usdClassTransfer"], "amount": amount})["amount"] == amount


@pytest.mark.parametrize("amount", ["50  subaccount:" + ADDRESS, "0 subaccount:" + ADDRESS, "1 subaccount:0x", "1 x"])
def test_what_is_no_amount_of_a_class_transfer_is_refused(amount: str) -> None:
    _refusal({**GOOD["usdClassTransfer"], "amount": amount})


@pytest.mark.parametrize(
    "signers",
    [
        "nul",
        "{}",
        "[]",
        '{"authorizedUsers": [], "threshold": 1}',
        USERS.replace("2}", "3}"),
        USERS.replace("2}", "0}"),
        USERS.replace("cd", "AB"),
        USERS.replace("}", ', "x": 1}'),
        USERS + " x",
        "null" + " " * 2000,
        '{"threshold": 1, "threshold": 1, "authorizedUsers": ["0x' + "ab" * 20 + '"]}',
    ],
)
def test_signers_that_are_no_signers_are_refused(signers: str) -> None:
    assert _refusal({**GOOD["convertToMultiSigUser"], "signers": signers}).details["field"] == "action.signers"


def test_signers_are_hashed_as_they_are_written() -> None:
    for signers in (USERS, USERS.replace(", ", ","), "null", " null"):
        assert _parse({**GOOD["convertToMultiSigUser"], "signers": signers})["signers"] == signers


@pytest.mark.parametrize("chain", ["66eee", "0x", "0x" + "f" * 17, "421614", 421614, "0xg", ""])
def test_a_chain_that_is_no_hex_number_is_refused(chain: object) -> None:
    _refusal({**GOOD["usdSend"], "signatureChainId": chain})


FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


def _rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading, by the type that they begin with."""
    _, _, text = FORMATS.read_text().partition(f"\n{heading}\n")
    table = text[text.index("\n| type |") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return {row[0].split("`")[1]: row for row in rows}


def test_the_formats_page_lists_every_type_as_the_table_has_it() -> None:
    l1, user = _rows("### L1 actions"), _rows("### User-signed actions")
    assert set(l1) == {name for name, one in ACTIONS.items() if one.kind is ActionKind.L1}
    assert set(user) == set(USER_SIGNED)
    for name, row in (l1 | user).items():
        assert row[1] == class_of(name).value, name
    for name, row in l1.items():
        assert (row[2] == "yes") == ACTIONS[name].hashes_vault, name
        assert row[0].endswith("*") == (name in TRADE_ONLY_TYPES), name
        described = row[3].replace("[order]", "").replace(" or null", "")
        for member in GOOD[name].keys() - {"type"}:
            assert re.search(rf"\b{member}\b", described), (name, member)
    for name, row in user.items():
        primary, _, members = row[2].partition(": ")
        assert primary == ACTIONS[name].primary_type
        assert [one.split(" ")[1] for one in members.split(", ")] == list(GOOD[name])[3:]
