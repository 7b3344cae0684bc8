"""Who may do what: every operation, every role, every scope of wallets."""

import pytest

from hyperkms.access.clients import SIGNING, Client, Operation, Role, client
from hyperkms.errors import Forbidden, NotFound
from hyperkms.wallet import WalletId, no_such_wallet

O = Operation  # noqa: E741 (a table is read better narrow)
MINE, FOREIGN = WalletId("mine"), WalletId("foreign")
LEGACY_MAY = {O.SIGN_ORDER, O.SIGN_BYTES, O.SIGN_TEXT, O.READ, O.GENERATE, O.ROTATE, O.MIGRATE}
MAY = {
    "an administrator": (client("a", Role.ADMINISTRATOR), set(Operation)),
    "the legacy client": (client("l", Role.LEGACY), LEGACY_MAY),
    "a bot that is allowed nothing": (client("b", Role.BOT), set()),
    "trade": (client("b", Role.BOT, allowed=[O.TRADE]), {O.TRADE, O.SIGN_ORDER, O.READ}),
    "sign-order": (client("b", Role.BOT, allowed=[O.SIGN_ORDER]), {O.SIGN_ORDER, O.READ}),
    "sign-bytes": (client("b", Role.BOT, allowed=[O.SIGN_BYTES]), {O.SIGN_BYTES, O.READ}),
    "sign-text": (client("b", Role.BOT, allowed=[O.SIGN_TEXT]), {O.SIGN_TEXT, O.READ}),
    **{
        only.value: (client("b", Role.BOT, allowed=[only]), {only})
        for only in (O.READ, O.GENERATE, O.ROTATE, O.RETIRE, O.MIGRATE, O.METRICS)
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


@pytest.mark.parametrize("role", [Role.BOT, Role.LEGACY])
def test_a_foreign_wallet_is_refused_in_the_words_for_a_missing_one(role: Role) -> None:
    held = client("b", role, wallets=frozenset({MINE}), allowed=[O.TRADE, O.GENERATE])
    held.require_wallet(MINE)
    held.require_new_wallet(MINE)
    with pytest.raises(NotFound) as refused:
        held.require_wallet(FOREIGN)
    assert _words(refused.value) == _words(no_such_wallet(FOREIGN))
    with pytest.raises(Forbidden):
        held.require_new_wallet(FOREIGN)


@pytest.mark.parametrize("role", list(Role))
def test_without_a_list_every_wallet_is_meant(role: Role) -> None:
    everywhere: Client = client("b", role)
    everywhere.require_wallet(FOREIGN)
    everywhere.require_new_wallet(FOREIGN)


def _words(error: NotFound) -> tuple[str, str, object]:
    return error.code, error.message, dict(error.details)
