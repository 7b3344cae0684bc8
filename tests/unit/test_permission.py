"""What a client may do with a wallet, by what is asked and the kind of its key."""

from collections.abc import Iterator
from itertools import product

import pytest

from hyperkms.access.clients import Client, Operation, Role, client
from hyperkms.access.grants import granted
from hyperkms.errors import Forbidden, NotFound
from hyperkms.operations.permission import grants_to_sign, history_for, wallet_for
from hyperkms.wallet import KeyType, WalletId
from support.in_process import Here, here

ACTIONS, BYTES, NOBODY = WalletId("actions"), WalletId("bytes"), WalletId("nobody")
O = Operation  # noqa: E741 (a table is read better narrow)
NEEDED = {
    (ACTIONS, "sign-action"): O.TRADE,
    (ACTIONS, "sign-order"): O.SIGN_ORDER,
    (ACTIONS, "sign-message"): O.SIGN_TEXT,
    (BYTES, "sign-action"): O.TRADE,
    (BYTES, "sign-order"): O.SIGN_BYTES,
    (BYTES, "sign-message"): O.SIGN_BYTES,
}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with here(tmp_path_factory.mktemp("permission") / "data") as opened:
        opened.wallet(ACTIONS, KeyType.SECP256K1)
        opened.wallet(BYTES, KeyType.ED25519)
        yield opened


def bot(*allowed: Operation, wallets: tuple[WalletId, ...] = (ACTIONS, BYTES)) -> Client:
    return Client(name="bot", number=1, role=Role.BOT, grants=granted(wallets, allowed))


@pytest.mark.parametrize(("wallet", "operation"), list(NEEDED))
def test_each_way_to_sign_needs_its_own_grant(at: Here, wallet: WalletId, operation: str) -> None:
    needed = NEEDED[wallet, operation]
    found = at.parts.wallets.get(wallet)
    enough = {needed, O.TRADE} if needed is O.SIGN_ORDER else {needed}
    for only in (O.TRADE, O.SIGN_ORDER, O.SIGN_BYTES, O.SIGN_TEXT, O.READ):
        held = bot(only)
        if only in enough:
            (grant,) = grants_to_sign(held, found, operation)
            assert (grant.operation, grant.wallet) == (only, wallet)
        else:
            with pytest.raises(Forbidden, match=f"may not {needed.value} with wallet {wallet}"):
                grants_to_sign(held, found, operation)


def test_every_grant_that_allows_it_is_answered(at: Here) -> None:
    grants = (
        *granted([ACTIONS], [O.TRADE]),
        *granted([ACTIONS], [O.SIGN_ORDER]),
        *granted(None, [O.TRADE]),
        *granted([BYTES], [O.TRADE]),
    )
    held = Client(name="bot", number=1, role=Role.BOT, grants=grants)
    found = at.parts.wallets.get(ACTIONS)
    assert grants_to_sign(held, found, "sign-order") == grants[:3]
    assert grants_to_sign(held, found, "sign-action") == (grants[0], grants[2])


@pytest.mark.parametrize(("find", "operation"), list(product((wallet_for, history_for), (O.READ, O.ROTATE))))
def test_a_wallet_is_found_by_who_may(at: Here, find: object, operation: Operation) -> None:
    assert callable(find)
    found = find(at.parts, bot(operation), ACTIONS, operation)
    assert getattr(found, "wallet", found).id == ACTIONS
    with pytest.raises(Forbidden):
        find(at.parts, bot(O.METRICS), ACTIONS, operation)
    for held, wallet in ((bot(operation, wallets=(BYTES,)), ACTIONS), (client("desk", Role.ADMINISTRATOR), NOBODY)):
        with pytest.raises(NotFound) as refused:
            find(at.parts, held, wallet, operation)
        assert refused.value.code == "wallet-not-found"
