"""Who may do what: every operation, every role, every scope of wallets."""

import re

import pytest

from hyperkms.access.clients import SIGNING, UNNUMBERED, Client, Operation, Role, client
from hyperkms.access.grants import NEVER, Grant, granted
from hyperkms.access.policy.document import limits_of
from hyperkms.errors import Forbidden, Malformed, NotFound
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.wallet import WalletId, no_such_wallet

O = Operation  # noqa: E741 (a table is read better narrow)
MINE, FOREIGN = WalletId("mine"), WalletId("foreign")
LEGACY_MAY = {O.SIGN_ORDER, O.SIGN_BYTES, O.SIGN_TEXT, O.READ, O.GENERATE, O.ROTATE, O.MIGRATE}
MAY = {
    "an administrator": (client("a", Role.ADMINISTRATOR), set(Operation)),
    "the legacy client": (client("l", Role.LEGACY), LEGACY_MAY),
    "an operator": (client("o", Role.OPERATOR), {O.READ, O.GENERATE, O.ROTATE, O.RETIRE, O.MIGRATE, O.METRICS}),
    "an auditor": (client("u", Role.AUDITOR), {O.READ, O.AUDIT, O.METRICS}),
    "a bot that is allowed nothing": (client("b", Role.BOT), set()),
    "trade": (client("b", Role.BOT, allowed=[O.TRADE]), {O.TRADE, O.SIGN_ORDER, O.READ}),
    "sign-order": (client("b", Role.BOT, allowed=[O.SIGN_ORDER]), {O.SIGN_ORDER, O.READ}),
    "sign-bytes": (client("b", Role.BOT, allowed=[O.SIGN_BYTES]), {O.SIGN_BYTES, O.READ}),
    "sign-text": (client("b", Role.BOT, allowed=[O.SIGN_TEXT]), {O.SIGN_TEXT, O.READ}),
    **{
        only.value: (client("b", Role.BOT, allowed=[only]), {only})
        for only in (O.READ, O.GENERATE, O.ROTATE, O.RETIRE, O.MIGRATE, O.METRICS, O.AUDIT)
    },
}


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("who", list(MAY))
def test_a_client_may_what_its_role_or_its_grant_says_and_nothing_else(who: str, operation: Operation) -> None:
    asking, may = MAY[who]
    if operation in may:
        asking.require(operation)
        return
    with pytest.raises(Forbidden) as refused:
        asking.require(operation)
    assert refused.value.code == "scope-missing"
    assert operation.value in refused.value.message


def test_one_of_several_operations_is_enough() -> None:
    client("b", Role.BOT, allowed=[O.SIGN_TEXT]).require(*SIGNING)
    with pytest.raises(Forbidden):
        client("b", Role.BOT, allowed=[O.METRICS]).require(*SIGNING)


def test_a_foreign_wallet_is_refused_in_the_words_for_a_missing_one() -> None:
    held = client("b", Role.BOT, wallets=frozenset({MINE}), allowed=[O.TRADE, O.GENERATE])
    held.require_wallet(MINE)
    held.require_wallet(MINE, O.TRADE)
    held.require_new_wallet(MINE)
    for operations in ((), (O.TRADE,), (O.RETIRE,)):
        with pytest.raises(NotFound) as refused:
            held.require_wallet(FOREIGN, *operations)
        assert _words(refused.value) == _words(no_such_wallet(FOREIGN))
    with pytest.raises(Forbidden):
        held.require_new_wallet(FOREIGN)


def test_what_is_granted_for_one_wallet_does_not_hold_for_another() -> None:
    """Each grant is of one wallet and one operation; they do not add up to all of both."""
    grants = (*granted([MINE], [O.ROTATE]), *granted([FOREIGN], [O.READ]))
    held = Client(name="b", number=1, role=Role.BOT, grants=grants)
    held.require(O.ROTATE)
    held.require_wallet(MINE, O.ROTATE)
    held.require_wallet(FOREIGN, O.READ)
    for wallet, operation in ((FOREIGN, O.ROTATE), (MINE, O.READ)):
        with pytest.raises(Forbidden, match=f"may not {operation.value} with wallet {wallet}") as refused:
            held.require_wallet(wallet, operation)
        assert refused.value.code == "scope-missing"
    assert held.wallets_for(O.READ) == frozenset({FOREIGN})


def test_a_grant_that_has_ended_is_none() -> None:
    ending = granted([MINE], [O.TRADE], expires_at=1_000)
    held = Client(name="b", number=1, role=Role.BOT, grants=(*ending, *granted([MINE], [O.READ])))
    assert held.first_end == 1_000
    held.at(999).require_wallet(MINE, O.TRADE)
    with pytest.raises(Forbidden):
        held.at(1_000).require_wallet(MINE, O.TRADE)
    assert held.at(1_000).first_end == NEVER


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.BOT])
def test_a_role_is_for_every_wallet(role: Role) -> None:
    client("b", role).require_wallet(FOREIGN)


def test_without_a_list_every_wallet_is_meant() -> None:
    everywhere = client("b", Role.BOT, allowed=[O.GENERATE])
    everywhere.require_wallet(FOREIGN)
    everywhere.require_new_wallet(FOREIGN)


def test_who_is_granted_nothing_knows_of_no_wallet() -> None:
    with pytest.raises(NotFound):
        client("b", Role.BOT).require_wallet(MINE)


def test_limits_are_for_what_signs_actions() -> None:
    limits = limits_of({"format": 1, "rules": [{"name": "size", "max_order_notional": 10}]})
    actions = frozenset({ActionClass.ORDER})
    made = granted([MINE], [O.TRADE, O.METRICS], actions=actions, limits=limits, expires_at=5)
    by_operation = {grant.operation: grant for grant in made}
    assert (by_operation[O.TRADE].limits, by_operation[O.TRADE].actions) == (limits, actions)
    assert (by_operation[O.METRICS].limits, by_operation[O.METRICS].actions) == (None, None)
    assert {grant.expires_at for grant in made} == {5}
    for members in ({"limits": limits}, {"actions": actions}):
        with pytest.raises(Malformed) as refused:
            Grant(id="0" * 16, wallet=None, operation=O.READ, **members)
        assert refused.value.details["field"] == "allow"
        Grant(id="0" * 16, wallet=None, operation=O.SIGN_ORDER, **members)


@pytest.mark.parametrize(
    "asked", [[O.TRADE], [O.TRADE, O.SIGN_ORDER], [O.READ, O.TRADE], [O.TRADE, O.SIGN_ORDER, O.READ]]
)
def test_what_is_granted_together_is_one_grant_so_that_both_routes_have_one_limit(asked: list[Operation]) -> None:
    """Two grants had two meters: a bot could spend its limit by /hyperliquid/sign and again by /wallets/sign-order."""
    (only,) = granted([MINE], asked)
    held = Client(name="b", number=1, role=Role.BOT, grants=(only,))
    assert (
        held.grants_for(MINE, O.TRADE)
        == held.grants_for(MINE, O.SIGN_ORDER)
        == held.grants_for(MINE, O.READ)
        == (only,)
    )
    assert held.grants_for(MINE, O.SIGN_TEXT) == held.grants_for(FOREIGN, O.TRADE) == ()


def test_a_refusal_says_what_may_be_done_instead() -> None:
    with pytest.raises(Forbidden, match=r"client b may not trade or rotate; it may: nothing\. Ask with another key"):
        client("b", Role.BOT).require(O.TRADE, O.ROTATE)
    with pytest.raises(Forbidden, match=r"client b may not trade; it may: metrics, read\. Ask"):
        client("b", Role.BOT, allowed=[O.READ, O.METRICS]).require(O.TRADE)
    held = Client(
        name="b", number=1, role=Role.BOT, grants=(*granted([MINE], [O.READ]), *granted([FOREIGN], [O.ROTATE]))
    )
    with pytest.raises(Forbidden, match=r"may not rotate with wallet mine; with that one it may: read\. Ask"):
        held.require_wallet(MINE, O.ROTATE)


def test_who_is_in_no_database_has_the_number_of_none() -> None:
    assert client("b", Role.BOT).number == UNNUMBERED == 0


def test_who_may_sign_orders_alone_may_not_trade() -> None:
    held = Client(name="b", number=1, role=Role.BOT, grants=granted([MINE], [O.SIGN_ORDER]))
    with pytest.raises(Forbidden, match="with that one it may: read, sign-order"):
        held.require_wallet(MINE, O.TRADE)


def test_each_wallet_and_each_operation_has_a_grant_with_an_id_of_its_own() -> None:
    made = granted([MINE, FOREIGN], [O.SIGN_TEXT, O.SIGN_BYTES])
    assert [(one.wallet, one.operation) for one in made] == [
        (wallet, operation) for wallet in (FOREIGN, MINE) for operation in (O.SIGN_BYTES, O.SIGN_TEXT)
    ]
    assert len({one.id for one in made}) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", one.id) for one in made)


def _words(error: NotFound) -> tuple[str, str, object]:
    return error.code, error.message, dict(error.details)
