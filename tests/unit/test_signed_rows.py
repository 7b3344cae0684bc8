"""Who can write the database and has not the store key changes nothing of a wallet, a client or a policy unseen."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import DataError, IntegrityError

from hyperkms._core import SharedCounters
from hyperkms.access.administration import Change, NewClient, NewGrants
from hyperkms.access.client_records import read_identities, read_keys
from hyperkms.access.clients import Operation, Role
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy
from hyperkms.cli.layout import SHARED
from hyperkms.errors import HyperkmsError, Tampered
from hyperkms.operations.changing import Actor
from hyperkms.operations.fence import Behind, fence
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.row_bytes import Subject, encode_table
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import client_keys, clients, grants, key_versions, row_signatures, store_keys, wallets
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import KeyType, WalletId
from support.in_process import ACTOR, Here, here, resolve
from support.record_reader import read_logs
from support.row_attacker import (
    EVERY_SIGNED,
    SIGNED,
    attacker,
    copy_all,
    key_of,
    others_of,
    put_back,
    rows_in,
    subject_of,
)

pytestmark = pytest.mark.usefixtures("each_database")

A, B = WalletId("a"), WalletId("b")


class _Undone(Exception):
    """A change that was allowed, and is not made."""


def _undone(_standing: object) -> None:
    raise _Undone


@dataclass
class Held:
    """A service with two of everything, and somebody who writes its database."""

    opened: Here
    engine: sa.Engine
    close: Callable[[], None] = lambda: None
    """Stops the service."""

    @property
    def data(self) -> Path:
        return self.opened.data

    def wrong(self) -> dict[Subject, str]:
        """What is found, by subject."""
        _, wrong = self.opened.parts.rows.examine(self.opened.parts.database)
        return {subject: why.code for subject, why in wrong.items()}

    def decides(self, subject: Subject) -> bool:
        """Whether the subject still decides anything, through the doors by which the service reads it."""
        parts = self.opened.parts
        if subject.kind == "client":
            return subject.id in self._clients_in_force()
        wallet, _, version = subject.id.partition("/")
        try:
            parts.wallets.history(WalletId(wallet))
            number = int(version) if version else None
            parts.policies.choose(WalletId(wallet), number, Effect.SHADOW, before_commit=_undone)
        except _Undone:
            return True
        except Tampered:
            return False
        raise AssertionError("nothing undid the choice")

    def _clients_in_force(self) -> set[str]:
        parts = self.opened.parts
        read = [one.client for one in read_keys(parts.rows, parts.database)]
        read += [one.client for one in read_identities(parts.rows, parts.database).values()]
        names = {one.name for one in read if one is not None}
        with self.engine.begin() as connection:
            return {row["id"] for row in rows_in(connection, clients) if row["name"] in names}


def fill(opened: Here) -> None:
    """Two wallets with policies, one rotated; two bots with grants, keys and identities."""
    parts = opened.parts
    for wallet in (A, B):
        opened.wallet(wallet, KeyType.SECP256K1)
        for allow in ("order", "cancel"):
            new = NewPolicy(
                wallet=wallet,
                document=policy_of({"format": 1, "allow": [allow]}),
                effect=Effect.ENFORCED,
                reason="why",
                expected=None,
            )
            parts.policies.apply(new, by="alex", now=7, before_commit=lambda _: None)
    rotate(parts, ACTOR, RotateRequest(wallet=A, reason="age"))
    for number, name in enumerate(("bot-a", "bot-b"), start=1):
        new_client = NewClient(
            name=name, role=Role.BOT, allowed=frozenset({Operation.TRADE}), wallets=frozenset({A, B})
        )
        parts.clients.create(new_client, by="alex", now=7, before_commit=lambda _: None)
        public_key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key().public_bytes_raw()
        identity = IdentityKey.parse(f"ed25519:{public_key.hex()}")
        parts.clients.add_identity(name, identity, now=8, before_commit=lambda _: None)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with ExitStack() as service, attacker(tmp_path / "data") as engine:
        opened = service.enter_context(here(tmp_path / "data"))
        fill(opened)
        yield Held(opened, engine, service.close)


def test_what_was_signed_is_found_to_be_so(held: Held) -> None:
    assert held.wrong() == {}
    with held.engine.begin() as connection:
        subjects = {subject_of(table, row) for table in SIGNED for row in rows_in(connection, table)}
    assert len(subjects) == 2 + 4 + 3
    assert all(held.decides(subject) for subject in subjects)


def test_every_value_of_every_signed_row_that_is_changed_is_found(held: Held) -> None:
    """Each column of each row, each other value: 100 % of them, and nobody else is touched."""
    tried, missed = 0, []
    before = copy_all(held.engine)
    for table in EVERY_SIGNED:
        for row in before[table.name]:
            subject = Subject(row["kind"], row["subject"]) if table is row_signatures else None
            for column in table.c:
                for value in others_of(row[column.name], column):
                    try:
                        with held.engine.begin() as connection:
                            changed = table.update().where(key_of(table, row)).values({column.name: value})
                            connection.execute(changed)
                    except (IntegrityError, DataError):  # the database itself takes no such value
                        continue
                    if sorted(map(repr, copy_all(held.engine)[table.name])) == sorted(map(repr, before[table.name])):
                        continue  # PostgreSQL cuts off spaces for which a column has no room
                    tried += 1
                    whose = subject or subject_of(table, row)
                    found = held.wrong()
                    if whose not in found or held.decides(whose):
                        missed.append((table.name, column.name, row[column.name], value))
                    strangers = {one for one in found if one != whose and column.name not in NAMES}
                    assert strangers == set(), (table.name, column.name, value)
                    put_back(held.engine, before, (table,))
    assert missed == []
    assert tried > 300
    assert held.wrong() == {}


NAMES = {"id", "wallet", "client", "number", "version", "kind", "subject", "prefix", "fingerprint"}
"""Columns that say whose a row is: another may come to look as if it had it."""


def test_every_row_that_is_removed_is_found(held: Held) -> None:
    before = copy_all(held.engine)
    for table in EVERY_SIGNED:
        for row in before[table.name]:
            with held.engine.begin() as connection:
                connection.execute(table.delete().where(key_of(table, row)))
            whose = Subject(row["kind"], row["subject"]) if table is row_signatures else subject_of(table, row)
            assert set(held.wrong()) == {whose}, (table.name, row)
            assert not held.decides(whose)
            put_back(held.engine, before, (table,))
    assert held.wrong() == {}


@pytest.mark.parametrize("table", SIGNED, ids=lambda table: table.name)
def test_rows_that_two_subjects_exchange_are_found_at_both(held: Held, table: sa.Table) -> None:
    """Their whole content but for whose they are, their times and their signatures' places."""
    with held.engine.begin() as connection:
        mine, yours = [row for row in rows_in(connection, table) if row.get("role") != "administrator"][-2:]
        kept = {column.name for column in table.primary_key.columns} | {"wallet", "client"}
        exchanged = {name for name in mine if name not in kept and mine[name] != yours[name]}
        if not exchanged:
            pytest.skip("the two rows are alike but for whose they are")
        unique = {"name", "number"} & exchanged
        for name in unique:
            hidden = "hidden" if name == "name" else 999
            connection.execute(table.update().where(key_of(table, yours)).values({name: hidden}))
        connection.execute(table.update().where(key_of(table, mine)).values({name: yours[name] for name in exchanged}))
        connection.execute(table.update().where(key_of(table, yours)).values({name: mine[name] for name in exchanged}))
    assert set(held.wrong()) == {subject_of(table, mine), subject_of(table, yours)}


def test_signatures_that_two_subjects_exchange_are_found(held: Held) -> None:
    with held.engine.begin() as connection:
        rows = {row["subject"]: row for row in rows_in(connection, row_signatures) if row["kind"] == "wallet"}
        for mine, yours in ((A, B), (B, A)):
            given = {name: rows[yours][name] for name in ("sequence", "signature")}
            connection.execute(row_signatures.update().where(key_of(row_signatures, rows[mine])).values(given))
    assert set(held.wrong()) == {Subject("wallet", A), Subject("wallet", B)}


def test_a_grant_or_a_key_that_is_put_in_is_found(held: Held) -> None:
    before = copy_all(held.engine)
    whose = before["clients"][-1]["id"]
    grant = {**before["grants"][-1], "id": "f" * 16, "operation": "administer", "wallet": None}
    key = {**before["client_keys"][-1], "prefix": "hk_00000000", "sha256": bytes(32)}
    for table, row in ((grants, grant), (client_keys, key)):
        with held.engine.begin() as connection:
            connection.execute(table.insert().values(row))
        assert held.wrong() == {Subject("client", whose): "row-altered"}
        put_back(held.engine, before, (table,))


def test_a_client_that_is_put_in_is_as_unknown_as_its_key(held: Held) -> None:
    before = copy_all(held.engine)
    made = {**before["clients"][-1], "id": "e" * 32, "number": 77, "name": "mallory", "role": "administrator"}
    key = {**before["client_keys"][-1], "prefix": "hk_00000000", "client": "e" * 32, "sha256": b"\1" * 32}
    with held.engine.begin() as connection:
        connection.execute(clients.insert().values(made))
        connection.execute(client_keys.insert().values(key))
    assert held.wrong() == {Subject("client", "e" * 32): "row-altered"}
    parts = held.opened.parts
    assert "mallory" not in {one.client.name for one in read_keys(parts.rows, parts.database) if one.client}


def test_a_wallet_that_was_retired_and_a_client_that_was_revoked_do_not_come_back(held: Held) -> None:
    """The rows of before, with the very signatures that they had."""
    parts, before = held.opened.parts, copy_all(held.engine)
    retire(parts, ACTOR, RetireRequest(wallet=A, reason=None))
    parts.clients.revoke("bot-a", now=9, before_commit=lambda _: None)
    put_back(held.engine, before, EVERY_SIGNED)
    revoked = next(row["id"] for row in before["clients"] if row["name"] == "bot-a")
    rolled_back = {Subject("wallet", A): "row-rolled-back", Subject("client", revoked): "row-rolled-back"}
    assert held.wrong() == rolled_back
    assert not any(held.decides(subject) for subject in rolled_back)
    held.close()
    with here(held.data) as again:
        restarted = Held(again, held.engine)
        assert restarted.wrong() == rolled_back
        with pytest.raises(Tampered):
            resolve(again.parts, A, None)
        resolve(again.parts, B, None)
    lines = [line for log in read_logs(held.data / "records").values() for line in log.lines]
    told = {line["record"]["subject"] for line in lines if line["record"].get("operation") == "row-altered"}
    assert told >= {subject.words for subject in rolled_back}


def test_a_wallet_of_which_nothing_is_left_is_missed_after_a_restart_too(held: Held) -> None:
    held.close()
    with held.engine.begin() as connection:
        for table in EVERY_SIGNED:
            for row in rows_in(connection, table):
                whose = Subject(row["kind"], row["subject"]) if table is row_signatures else subject_of(table, row)
                if whose == Subject("wallet", B):
                    connection.execute(table.delete().where(key_of(table, row)))
    with here(held.data) as again:
        assert Held(again, held.engine).wrong() == {Subject("wallet", B): "row-missing"}
        with pytest.raises(Tampered) as refused:
            again.wallet(B, KeyType.SECP256K1)
        assert refused.value.code == "row-missing"
        resolve(again.parts, A, None)


def test_nobody_signs_anew_what_somebody_else_wrote(held: Held) -> None:
    """A change of an altered wallet or client is refused: it would make the alteration good."""
    parts = held.opened.parts
    with held.engine.begin() as connection:
        connection.execute(wallets.update().where(wallets.c.id == A).values(metadata='{"x": 1}'))
        connection.execute(clients.update().where(clients.c.name == "bot-a").values(expires_at=None, created_by="eve"))
    more = NewGrants(allowed=frozenset({Operation.TRADE}))
    with pytest.raises(Tampered):
        retire(parts, ACTOR, RetireRequest(wallet=A, reason=None))
    with pytest.raises(Tampered):
        parts.clients.grant("bot-a", more, Change("alex", 9), before_commit=lambda _: None)
    assert len(held.wrong()) == 2
    parts.clients.grant("bot-b", more, Change("alex", 9), before_commit=lambda _: None)
    retire(parts, ACTOR, RetireRequest(wallet=B, reason=None))
    assert len(held.wrong()) == 2


def test_rows_of_another_database_are_none_of_this_one(held: Held, tmp_path: Path) -> None:
    """Signed by another store key under the same root key, at the same sequence, of the same names."""
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy(held.data / "root.key", other / "root.key")
    with here(other) as opened, attacker(other) as engine:
        fill(opened)
        copied = copy_all(engine)
    with held.engine.begin() as connection:
        for table in (key_versions, wallets, row_signatures):
            for row in copied[table.name]:
                if A in (row.get("id"), row.get("wallet"), row.get("subject")):
                    connection.execute(table.delete().where(key_of(table, row)))
                    connection.execute(table.insert().values(row))
    assert held.wrong() == {Subject("wallet", A): "row-altered"}
    held.close()
    put_back(held.engine, copied)
    with pytest.raises(HyperkmsError) as refused, here(held.data):
        pass
    assert refused.value.code in {"store-key-replaced", "wrong-database", "wrong-key-store"}


def test_what_was_adopted_once_is_not_adopted_again(held: Held) -> None:
    held.close()
    with held.engine.begin() as connection:
        connection.execute(clients.update().values(role="administrator"))
        connection.execute(store_keys.delete())
        connection.execute(row_signatures.delete())
    with pytest.raises(Tampered) as refused, here(held.data):
        pass
    assert refused.value.code == "store-key-missing"


def test_a_database_of_a_release_before_is_adopted_as_it_stands_once(held: Held) -> None:
    held.close()
    shutil.rmtree(held.data / "records")
    with held.engine.begin() as connection:
        connection.execute(store_keys.delete())
        connection.execute(row_signatures.delete())
    with here(held.data) as adopted:
        assert Held(adopted, held.engine).wrong() == {}
        resolve(adopted.parts, A, None)
    lines = [line["record"] for log in read_logs(held.data / "records").values() for line in log.lines]
    assert [one["adoption"] for one in lines if one.get("operation") == "rows-adopted"] == [1]
    with here(held.data) as again:
        with held.engine.begin() as connection:
            connection.execute(row_signatures.delete())
        assert "row-altered" in set(Held(again, held.engine).wrong().values())


def test_a_fence_accepts_what_was_put_back_and_voids_what_was_signed_before(held: Held) -> None:
    parts, old = held.opened.parts, copy_all(held.engine)
    retire(parts, ACTOR, RetireRequest(wallet=A, reason=None))
    newest = copy_all(held.engine)
    held.close()
    put_back(held.engine, old, EVERY_SIGNED)
    with held.engine.begin() as connection:  # and this is no rollback
        connection.execute(wallets.update().where(wallets.c.id == B).values(network="mainnet"))
    with here(held.data) as opened:
        fenced = fence(opened.parts, Behind(data=held.data, record=None), Actor("desk", "0"))
        assert fenced.rows == len(old["row_signatures"]) - 1
    with here(held.data) as again:
        assert Held(again, held.engine).wrong() == {Subject("wallet", B): "row-altered"}
        resolve(again.parts, A, None)
    put_back(held.engine, newest, EVERY_SIGNED)
    with here(held.data) as again:
        assert Subject("wallet", A) in Held(again, held.engine).wrong()
    put_back(held.engine, newest, (*EVERY_SIGNED, store_keys))
    with pytest.raises(Tampered) as refused, here(held.data):
        pass
    assert refused.value.code == "store-key-replaced"


def test_a_change_that_its_process_did_not_live_to_tell_is_told_by_the_next_start(held: Held) -> None:
    """The signature is in the database, and the record has no line of it yet."""
    held.close()
    with here(held.data) as opened:
        untold = RowSignatures(opened.parts.rows.key)
        changes = Generation(SharedCounters.open(held.data / SHARED), WALLET_CHANGES)
        wallets_alone = WalletRecords(opened.parts.database, changes, untold)
        with wallets_alone.changing(A) as connection:
            connection.execute(wallets.update().where(wallets.c.id == A).values(metadata="{}", revision=99))
        before = copy_all(held.engine)
    with here(held.data) as again:
        again.parts.examine_rows()  # as a service does, once it serves
        assert Held(again, held.engine).wrong() == {}
        reached = next(row["sequence"] for row in before["row_signatures"] if row["subject"] == A)
    lines = [line["record"] for log in read_logs(held.data / "records").values() for line in log.lines]
    told = [one for line in lines for one in line.get("subjects", ()) if one["id"] == A]
    assert max(one["sequence"] for one in told) == reached


TABLES: dict[str, tuple[Any, Any]] = {
    "a text and a number": ([{"a": "1"}], [{"a": 1}]),
    "a text and bytes": ([{"a": "x"}], [{"a": b"x"}]),
    "two columns and one": ([{"a": "x", "b": "y"}], [{"a": "x\1bs\0\0\0\1y"}]),
    "two rows and one": ([{"a": "x"}, {"a": "y"}], [{"a": "xy"}]),
    "a true value and one": ([{"a": 1.0}], [{"a": 1}]),
    "nothing and empty": ([{}], [{"a": ""}]),
    "the same twice and once": ([{"a": 1}, {"a": 1}], [{"a": 1}]),
}


@pytest.mark.parametrize("name", TABLES)
def test_no_two_tables_have_the_same_bytes(name: str) -> None:
    one, other = TABLES[name]
    assert encode_table("t", one) != encode_table("t", other)
    assert encode_table("t", one) == encode_table("t", one[::-1])
