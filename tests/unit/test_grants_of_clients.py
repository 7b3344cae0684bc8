"""Grants given, ended and expired, as each process has them at hand."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.access.administration import Change, NewClient, NewGrants
from hyperkms.access.api_keys import ConfiguredKey
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.client_terms import parse_grant_id
from hyperkms.access.clients import Client, Operation, Role, client
from hyperkms.access.networks import Networks
from hyperkms.access.policy.document import limits_of
from hyperkms.errors import Conflict, Forbidden, Malformed, NotFound, Tampered, Unavailable
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.row_bytes import client_subject
from hyperkms.state.schema import clients, grants
from hyperkms.wallet import WalletId
from support.access import Access

pytestmark = pytest.mark.usefixtures("each_database")

W, OTHER = WalletId("w"), WalletId("other")
LIMITS = limits_of({"format": 1, "rules": [{"name": "size", "max_order_notional": "10.5"}]})


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path)


def _new(*allowed: Operation, **members: Any) -> NewGrants:
    return NewGrants(wallets=frozenset({W}), allowed=frozenset(allowed), **members)


def _give(access: Access, new: NewGrants, name: str = "bot") -> ClientRecord:
    change = Change("alex", access.clock())
    return access.clients.grant(name, new, change, before_commit=access.noted.append)


def _end(access: Access, grant: str, name: str = "bot") -> ClientRecord:
    return access.clients.end_grant(name, grant, now=access.clock(), before_commit=access.noted.append)


def _known(access: Access, key: str) -> Client:
    found = access.api_keys.known(key)
    assert isinstance(found, Client)
    return found


# ---- given and ended ----------------------------------------------------------------------------------


def test_what_is_granted_holds_in_every_process_until_it_is_ended(access: Access) -> None:
    key, other = access.make("bot").key, access.another()
    assert other.api_keys.authenticate(key).operations == frozenset()
    given = _give(access, _new(Operation.TRADE, actions=frozenset({ActionClass.CANCEL}), limits=LIMITS))
    (only,) = other.api_keys.authenticate(key).grants
    assert (only,) == given.client.grants
    assert (only.wallet, only.actions, only.limits) == (W, frozenset({ActionClass.CANCEL}), LIMITS)
    ended = _end(access, only.id)
    assert ended.client.grants == other.api_keys.authenticate(key).grants == ()
    assert [len(one.client.grants) for one in access.noted[-2:]] == [1, 0], "noted as it will stand"


def test_one_grant_is_ended_and_the_others_stay(access: Access) -> None:
    key = access.make("bot", Operation.METRICS).key
    _give(access, _new(Operation.TRADE))
    held = access.api_keys.authenticate(key)
    trade = next(one for one in held.grants if one.operation is Operation.TRADE)
    left = _end(access, trade.id).client
    assert left.operations == {Operation.METRICS}
    with pytest.raises(NotFound) as refused:
        _end(access, trade.id)
    assert refused.value.code == "grant-not-found"


def test_nobody_ends_the_grant_of_another(access: Access) -> None:
    access.make("bot")
    access.make("other")
    (given,) = _give(access, _new(Operation.READ)).client.grants
    with pytest.raises(NotFound):
        _end(access, given.id, "other")
    assert access.clients.get("bot").client.grants == (given,)


def test_who_has_a_role_or_has_ended_is_granted_nothing(access: Access) -> None:
    access.administrator("boss")
    with pytest.raises(Conflict) as refused:
        _give(access, _new(Operation.TRADE), "boss")
    assert refused.value.code == "client-has-role"
    access.make("revoked")
    access.revoke("revoked")
    access.make("expired", expires_at=access.clock())
    for name in ("revoked", "expired"):
        with pytest.raises(Conflict) as refused:
            _give(access, _new(Operation.TRADE), name)
        assert refused.value.code == "client-ended"


def test_a_grant_that_could_not_be_written_down_is_none(access: Access) -> None:
    key = access.make("bot").key

    def fail(_changed: ClientRecord) -> None:
        raise Unavailable("record-unwritable", "the disk is full")

    with pytest.raises(Unavailable):
        access.clients.grant("bot", _new(Operation.TRADE), Change("x", 1), before_commit=fail)
    assert access.api_keys.authenticate(key).grants == ()
    (given,) = _give(access, _new(Operation.TRADE)).client.grants
    with pytest.raises(Unavailable):
        access.clients.end_grant("bot", given.id, now=1, before_commit=fail)
    assert access.api_keys.authenticate(key).grants == (given,)


@pytest.mark.parametrize(
    "members",
    [
        {"allowed": frozenset({Operation.ADMINISTER})},
        {"wallets": frozenset[WalletId](), "allowed": frozenset({Operation.READ})},
        {"allowed": frozenset({Operation.READ}), "limits": LIMITS},
        {"allowed": frozenset({Operation.SIGN_TEXT}), "actions": frozenset({ActionClass.ORDER})},
        {"limits": LIMITS},
    ],
)
def test_what_does_not_go_together_is_malformed(members: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        NewGrants(**members)


@pytest.mark.parametrize("text", ["", "1" * 15, "1" * 17, "G" * 16, "A" * 16, "role:bot", "1" * 16 + "\n"])
def test_an_id_of_a_grant_is_16_hex_digits(text: str) -> None:
    assert parse_grant_id("0123456789abcdef") == "0123456789abcdef"
    with pytest.raises(Malformed):
        parse_grant_id(text)


# ---- expiry -------------------------------------------------------------------------------------------


def test_a_grant_ends_by_itself_without_a_look_into_the_database(access: Access) -> None:
    end = access.clock() + 10
    key = access.make("bot").key
    _give(access, _new(Operation.TRADE, expires_at=end))
    _give(access, _new(Operation.READ, expires_at=end + 5))
    access.api_keys.authenticate(key)
    access.database.close()
    access.clock.now = end - 1
    early = _known(access, key)
    early.require_wallet(W, Operation.TRADE)
    assert _known(access, key) is early, "signers are remembered by the client object"
    access.clock.now = end
    late = _known(access, key)
    assert late.operations == {Operation.READ}
    with pytest.raises(Forbidden):
        late.require_wallet(W, Operation.TRADE)
    assert _known(access, key) is late
    access.clock.now = end + 5
    assert _known(access, key).grants == ()


def test_the_client_ends_with_its_own_end_whatever_its_grants_say(access: Access) -> None:
    end = access.clock() + 10
    key = access.make("bot", Operation.TRADE, expires_at=end).key
    _give(access, _new(Operation.READ, expires_at=end + 100))
    access.api_keys.authenticate(key)
    access.clock.now = end - 1
    assert _known(access, key).operations >= {Operation.TRADE}
    access.clock.now = end
    assert access.api_keys.known(key) is None


def test_a_wrong_key_learns_nothing_of_an_end_and_changes_none(access: Access) -> None:
    end = access.clock() + 10
    key = access.make("bot").key
    _give(access, _new(Operation.TRADE, expires_at=end))
    access.api_keys.authenticate(key)
    access.clock.now = end
    assert access.api_keys.known(key + "x") is None
    access.clock.now = end - 1
    assert _known(access, key).operations >= {Operation.TRADE}


def test_the_configured_key_has_no_end(tmp_path: Path) -> None:
    configured = ConfiguredKey("a configured key", client("API_KEY", Role.ADMINISTRATOR))
    held = Access(tmp_path, configured)
    assert held.api_keys.authenticate("a configured key").role is Role.ADMINISTRATOR


# ---- as it is stored ----------------------------------------------------------------------------------


def test_networks_and_grants_come_back_as_they_were_made(access: Access) -> None:
    new = NewClient(
        name="bot",
        role=Role.BOT,
        wallets=frozenset({W, OTHER}),
        allowed=frozenset({Operation.TRADE}),
        actions=frozenset({ActionClass.ORDER, ActionClass.CANCEL}),
        limits=LIMITS,
        networks=Networks.read(["10.0.0.0/8", "unix"]),
        expires_at=access.clock() + 9,
    )
    issued = access.create(new)
    held = access.api_keys.authenticate(issued.key)
    assert held == issued.record.client == access.clients.list()[0].client
    assert held.networks == new.networks
    assert sorted(str(one.wallet) for one in held.grants) == [OTHER, W]
    for one in held.grants:
        assert (one.operation, one.actions, one.limits) == (Operation.TRADE, new.actions, LIMITS)
    assert held.first_end == 2**63 - 1, "they end with the client"


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (grants, {"operation": "everything"}),
        (grants, {"actions": '["anything"]'}),
        (grants, {"actions": "order"}),
        (grants, {"limits": "{}"}),
        (grants, {"operation": "read", "limits": None, "actions": '["order"]'}),
        (clients, {"role": "king"}),
        (clients, {"networks": '["nowhere"]'}),
        (clients, {"networks": "nowhere"}),
    ],
)
def test_what_this_release_cannot_read_lets_nobody_in(
    access: Access, table: sa.Table, values: dict[str, str | None]
) -> None:
    key = access.make("bot").key
    _give(access, _new(Operation.TRADE, actions=frozenset({ActionClass.ORDER}), limits=LIMITS))
    with access.database.read() as connection:
        client_id = connection.execute(sa.select(clients.c.id)).scalar_one()
    changes = Generation(SharedCounters.open(access.folder / "shared"), CLIENT_CHANGES)
    with access.rows.changing(changes, access.database, client_subject(client_id)) as connection:  # by a newer release
        assert connection.execute(table.update().values(values)).rowcount == 1
    for ask in (lambda: access.api_keys.authenticate(key), lambda: access.clients.get("bot"), access.clients.list):
        with pytest.raises(Tampered) as refused:
            ask()
        assert refused.value.code == "client-damaged"
