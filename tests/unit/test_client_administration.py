"""Clients made, listed, revoked, rotated."""

from pathlib import Path

import pytest

from hyperkms.access.administration import NewClient
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.clients import ADMINISTRATOR, Operation, Role, parse_client_name
from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from hyperkms.wallet import WalletId
from support.access import Access

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path)


def _first_administrator(access: Access) -> str:
    published: list[str] = []
    assert access.clients.ensure_administrator(published.append, now=1)
    (key,) = published
    return key


def test_the_first_administrator_is_made_once(access: Access) -> None:
    key = _first_administrator(access)
    assert not access.clients.ensure_administrator(lambda _: pytest.fail("a second key"), now=2)
    found = access.api_keys.authenticate(key)
    assert (found.name, found.number, found.role, found.wallets) == (ADMINISTRATOR, 1, Role.ADMINISTRATOR, None)
    assert found.operations == frozenset(Operation)


def test_a_key_that_could_not_be_published_is_not_made(access: Access) -> None:
    def fail(_key: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        access.clients.ensure_administrator(fail, now=1)
    _first_administrator(access)


def test_a_name_is_never_used_twice(access: Access) -> None:
    access.make("bot")
    access.revoke("bot")
    with pytest.raises(Conflict) as refused:
        access.make("bot")
    assert refused.value.code == "client-exists"


def test_numbers_rise_and_stay(access: Access) -> None:
    _first_administrator(access)
    access.make("a")
    access.make("b")
    access.revoke("b")
    access.make("c")
    listed = [(record.client.name, record.client.number) for record in access.clients.list()]
    assert listed == [(ADMINISTRATOR, 1), ("a", 2), ("b", 3), ("c", 4)]


def test_what_is_listed_says_who_made_it_what_it_may_and_what_became_of_it(access: Access) -> None:
    new = NewClient(
        name="bot",
        role=Role.BOT,
        wallets=frozenset({WalletId("w7")}),
        allowed=frozenset({Operation.TRADE}),
        expires_at=access.clock() + 5,
    )
    issued = access.create(new, by="alex")
    found = access.clients.get("bot")
    assert found == issued.record
    assert found.created_by == "alex"
    assert found.client.wallets == new.wallets
    assert found.client.operations == {Operation.TRADE, Operation.SIGN_ORDER, Operation.READ}
    assert found.client.operations == {Operation.TRADE, Operation.SIGN_ORDER, Operation.READ}
    assert [key.prefix for key in found.keys] == [issued.key[:11]]
    now = access.clock()
    assert [found.state(now), found.state(now + 5)] == ["active", "expired"]
    assert access.revoke("bot").state(now) == "revoked"
    assert access.clients.get("bot").keys == ()


def test_the_last_administrator_is_not_revoked(access: Access) -> None:
    _first_administrator(access)
    with pytest.raises(Refused) as refused:
        access.revoke(ADMINISTRATOR)
    assert refused.value.code == "last-administrator"
    second = access.administrator("second")
    access.revoke(ADMINISTRATOR)
    assert access.api_keys.authenticate(second.key).name == "second"
    with pytest.raises(Refused):
        access.revoke("second")


def test_an_expired_administrator_does_not_count_as_another(access: Access) -> None:
    _first_administrator(access)
    soon = NewClient(name="second", role=Role.ADMINISTRATOR, expires_at=access.clock() + 5)
    access.create(soon)
    access.clock.now += 5
    with pytest.raises(Refused):
        access.revoke(ADMINISTRATOR)


def test_a_change_that_could_not_be_written_down_does_not_happen(access: Access) -> None:
    issued = access.make("bot")

    def fail(_changed: ClientRecord) -> None:
        raise Unavailable("record-unwritable", "the disk is full")

    for change in (
        lambda: access.clients.revoke("bot", now=access.clock(), before_commit=fail),
        lambda: access.clients.rotate("bot", overlap=0, now=access.clock(), before_commit=fail),
        lambda: access.clients.create(
            NewClient(name="other", role=Role.BOT), by="a test", now=access.clock(), before_commit=fail
        ),
    ):
        with pytest.raises(Unavailable):
            change()
    assert access.clients.list() == [issued.record]
    assert access.api_keys.authenticate(issued.key).name == "bot"


def test_to_revoke_twice_changes_nothing(access: Access) -> None:
    access.make("bot")
    first = access.revoke("bot")
    access.clock.now += 5
    assert access.revoke("bot") == first


def test_who_has_ended_gets_no_further_key(access: Access) -> None:
    access.make("revoked")
    access.revoke("revoked")
    access.make("expired", expires_at=access.clock())
    for name in ("revoked", "expired"):
        with pytest.raises(Conflict) as refused:
            access.rotate(name, overlap=0)
        assert refused.value.code == "client-ended"


def test_an_unknown_client_is_not_found(access: Access) -> None:
    with pytest.raises(NotFound):
        access.clients.get("nobody")
    with pytest.raises(NotFound):
        access.revoke("nobody")
    with pytest.raises(NotFound):
        access.rotate("nobody", overlap=0)


@pytest.mark.parametrize(
    ("role", "wallets", "allowed"),
    [
        (Role.ADMINISTRATOR, frozenset({WalletId("w")}), None),
        (Role.ADMINISTRATOR, None, frozenset({Operation.TRADE})),
        (Role.LEGACY, None, frozenset({Operation.TRADE})),
        (Role.BOT, None, frozenset({Operation.ADMINISTER})),
        (Role.BOT, frozenset[WalletId](), frozenset({Operation.TRADE})),
    ],
)
def test_what_does_not_go_together_is_malformed(
    role: Role, wallets: frozenset[WalletId] | None, allowed: frozenset[Operation] | None
) -> None:
    with pytest.raises(Malformed):
        NewClient(name="x", role=role, wallets=wallets, allowed=allowed)


@pytest.mark.parametrize("name", ["a", "7.b_c-D", "a" * 64, "Legacy"])
def test_a_name_within_the_grammar_is_one(name: str) -> None:
    assert parse_client_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a b", "a" * 65, "legacy", "API_KEY", "cli:uid-0", "\u0430bc", 7, None])
def test_a_name_outside_the_grammar_is_malformed(name: object) -> None:
    with pytest.raises(Malformed):
        parse_client_name(name)
