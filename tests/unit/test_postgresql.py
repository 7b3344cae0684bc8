"""What PostgreSQL has to be told, and what becomes of a process whose connection or lease is lost."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hyperkms._core import SharedCounters
from hyperkms.errors import Refused, Tampered, Unavailable
from hyperkms.state import facts
from hyperkms.state.database import Database, migrate_database, open_database
from hyperkms.state.generation import Generation
from hyperkms.state.instances import Lease
from hyperkms.state.migrating import SCHEMA
from hyperkms.state.postgresql_address import PostgresAddress
from hyperkms.state.schema import metadata, wallets
from support.postgres import postgres
from support.until import until


@pytest.fixture
def address(tmp_path: Path) -> PostgresAddress:
    return postgres().migrated("t" + tmp_path.name[:40] + str(abs(hash(tmp_path)) % 10**8))


@pytest.fixture
def database(address: PostgresAddress) -> Iterator[Database]:
    with closing(open_database(address)) as opened:
        yield opened


def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    assert [one for one in found if "comment" not in str(one[0] if isinstance(one, tuple) else one[0][0])] == []


def test_every_text_compares_by_byte(database: Database) -> None:
    with database.write() as connection:
        for name in ("b", "A", "a", "B", "_", "0"):
            connection.execute(
                wallets.insert().values(
                    id=name, key_type="ed25519", current_version=1, created_at=0, metadata="{}", custody="standard"
                )
            )
    with database.read() as connection:
        in_order = connection.execute(sa.select(wallets.c.id).order_by(wallets.c.id)).scalars().all()
        others = connection.exec_driver_sql(
            "SELECT attrelid::regclass, attname FROM pg_attribute a JOIN pg_collation l ON l.oid = attcollation"
            " JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND NOT attisdropped AND collname <> 'C'"
        ).all()
    assert in_order == ["0", "A", "B", "_", "a", "b"]
    assert others == []


def test_an_empty_database_is_refused_until_it_is_migrated(tmp_path: Path) -> None:
    empty = postgres().empty(f"empty{abs(hash(tmp_path)) % 10**8}")
    with pytest.raises(Refused) as refused:
        open_database(empty)
    assert refused.value.code == "schema-too-old"
    assert "hyperkms migrate" in refused.value.message
    assert migrate_database(empty) == (None, SCHEMA)
    assert migrate_database(empty) == (SCHEMA, SCHEMA)
    open_database(empty).close()


@pytest.mark.parametrize("oldest", [SCHEMA, "0001", "9998"])
def test_a_newer_schema_that_bears_this_release_is_worked_with(address: PostgresAddress, oldest: str) -> None:
    """As an instance of this release is, while the others are being replaced by those of the next."""
    postgres().execute(address.name, "UPDATE alembic_version SET version_num = '9999'")
    postgres().execute(address.name, "UPDATE facts SET value = %s WHERE name = 'oldest_schema'", oldest)
    if oldest <= SCHEMA:
        open_database(address).close()
        assert migrate_database(address) == ("9999", "9999")
        return
    for work in (open_database, migrate_database):
        with pytest.raises(Refused) as refused:
            work(address)
        assert refused.value.code == "schema-too-new"


@pytest.mark.parametrize(("schema", "code"), [("0001", "schema-too-old"), ("9999", "schema-too-new")])
def test_another_schema_is_refused(address: PostgresAddress, schema: str, code: str) -> None:
    postgres().execute(address.name, "DELETE FROM facts WHERE name = 'oldest_schema'")
    postgres().execute(address.name, "UPDATE alembic_version SET version_num = %s", schema)
    with pytest.raises(Refused) as refused:
        open_database(address)
    assert refused.value.code == code


def test_a_server_that_would_lose_commits_is_refused(address: PostgresAddress) -> None:
    postgres().execute(address.name, f'ALTER DATABASE "{address.name}" SET synchronous_commit = off')
    with pytest.raises(Unavailable) as refused:
        open_database(address)
    assert refused.value.code == "database-not-durable"


def test_a_table_that_is_gone_is_damage_and_a_server_that_takes_no_writes_is_away(address: PostgresAddress) -> None:
    with closing(open_database(address)) as database:
        postgres().execute(address.name, "DROP TABLE signers")
        with pytest.raises(Tampered), database.read() as connection:
            connection.execute(sa.text("SELECT * FROM signers"))
    postgres().execute(address.name, f'ALTER DATABASE "{address.name}" SET default_transaction_read_only = on')
    with closing(open_database(address)) as database, pytest.raises(Unavailable):
        database.check_writable()


def test_a_writer_sees_what_was_committed_while_it_waited(database: Database) -> None:
    waiting, seen = threading.Event(), []

    def add() -> None:
        waiting.set()
        with database.write() as connection:
            seen.append(facts.read_within(connection, "a"))

    with database.write() as connection:
        thread = threading.Thread(target=add)
        thread.start()
        waiting.wait()
        facts.write_within(connection, "a", "first")
    thread.join()
    assert seen == ["first"]


def test_of_many_writers_none_loses_what_another_wrote(database: Database) -> None:
    facts.settle(database, "count", "0")

    def count() -> None:
        for _ in range(25):
            with database.write() as connection:
                facts.write_within(connection, "count", str(1 + int(facts.read_within(connection, "count") or 0)))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert facts.read(database, "count") == "200"


def test_who_waits_too_long_for_the_write_lock_is_refused(database: Database) -> None:
    with database.write(), pytest.raises(Unavailable) as refused, database.write():
        pass
    assert refused.value.code == "database-unavailable"


def test_a_statement_that_failed_and_was_passed_over_is_not_committed(database: Database) -> None:
    def pass_over() -> None:
        with database.write() as connection:
            facts.write_within(connection, "a", "b")
            with pytest.raises(sa.exc.IntegrityError):
                connection.execute(sa.text("INSERT INTO facts VALUES ('a', 'b')"))

    with pytest.raises(RuntimeError, match="has failed"):
        pass_over()
    assert facts.read(database, "a") is None


def test_a_change_whose_connection_is_cut_off_is_settled(
    database: Database, address: PostgresAddress, tmp_path: Path
) -> None:
    generation = Generation(SharedCounters.open(tmp_path / "shared"), 0)
    before = generation.current()

    def change() -> None:
        with generation.change(database) as connection:
            facts.write_within(connection, "a", "b")
            cut_off(address)

    with pytest.raises(Unavailable):
        change()
    assert generation.current() not in (None, before)
    assert facts.read(database, "a") is None


def test_a_connection_that_was_cut_off_is_replaced(database: Database, address: PostgresAddress) -> None:
    facts.settle(database, "a", "b")
    cut_off(address)
    assert facts.read(database, "a") == "b"


def test_a_second_instance_is_refused_until_the_first_gives_its_lease_back(
    database: Database, address: PostgresAddress, tmp_path: Path
) -> None:
    another = open_database(address)
    first, second = lease(database, "first", tmp_path), lease(another, "second", tmp_path)
    first.acquire()
    first.keep()
    with pytest.raises(Refused) as refused:
        second.acquire()
    assert refused.value.code == "another-instance"
    assert "host of first" in refused.value.message
    second.close()
    first.close()
    third = lease(another, "third", tmp_path)
    third.acquire()
    third.require()
    third.close()
    another.close()


def test_processes_of_one_instance_share_its_lease_until_the_last_ends(database: Database, tmp_path: Path) -> None:
    one, two = lease(database, "same", tmp_path), lease(database, "same", tmp_path)
    one.acquire()
    two.acquire()
    one.close()
    two.require()
    other = lease(database, "other", tmp_path)
    with pytest.raises(Refused):
        other.acquire()
    other.close()
    two.close()


def test_who_could_not_renew_signs_nothing_until_it_can(database: Database, tmp_path: Path) -> None:
    held = lease(database, "held", tmp_path, lease_s=0.2)
    held.acquire()
    until(lambda: is_over(held))
    with pytest.raises(Unavailable) as refused:
        held.require()
    assert refused.value.code == "lease-expired"
    until(lambda: is_renewed(held))
    held.close()


def test_who_was_replaced_writes_nothing_any_more(address: PostgresAddress, tmp_path: Path) -> None:
    with closing(open_database(address)) as old, closing(open_database(address)) as new:
        replaced = lease(old, "old", tmp_path, lease_s=0.2)
        replaced.acquire()
        until(lambda: is_over(replaced))
        successor = lease(new, "new", tmp_path)
        until(lambda: is_taken(successor))  # who had it lets go a little before the database does
        with pytest.raises(Unavailable) as refused:
            facts.settle(old, "a", "b")
        assert refused.value.code == "lease-lost"
        with pytest.raises(Unavailable):
            replaced.renew()
        with pytest.raises(Unavailable, match="restart"):
            replaced.require()
        facts.settle(new, "a", "of the successor")
        replaced.close()
        successor.require()
        successor.close()


def lease(database: Database, name: str, folder: Path, *, lease_s: float = 15.0) -> Lease:
    """The lease of a process of this instance."""
    return Lease(database, instance=name, host=f"host of {name}", lock=folder / f"{name}.lock", lease_s=lease_s)


def is_taken(wanted: Lease) -> bool:
    """Whether another instance's lease has ended."""
    try:
        wanted.acquire()
    except Refused:
        return False
    return True


def is_renewed(held: Lease) -> bool:
    """Whether it could be renewed, and that took less than it lasts."""
    held.renew()
    return not is_over(held)


def is_over(held: Lease) -> bool:
    """Whether a lease that nobody renews has ended."""
    try:
        held.require()
    except Unavailable:
        return True
    return False


def cut_off(address: PostgresAddress) -> None:
    """End every connection to the database, as a restart of the server does."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    postgres().execute("postgres", others, address.name)


def test_a_renewal_that_fails_is_told_once_and_so_is_the_next_that_does_not(
    database: Database, address: PostgresAddress, tmp_path: Path
) -> None:
    told: list[str | None] = []
    lease = Lease(
        database,
        instance="a",
        host="a",
        lock=tmp_path / "lock",
        shares="a",
        lease_s=0.5,
        told=lambda failure: told.append(None if failure is None else failure.code),
    )
    lease.acquire()
    lease.keep()
    postgres().execute(address.name, "ALTER TABLE instances RENAME TO gone")
    until(lambda: told == ["database-damaged"])
    postgres().execute(address.name, "ALTER TABLE gone RENAME TO instances")
    until(lambda: told == ["database-damaged", None])
    lease.close()
