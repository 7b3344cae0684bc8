"""The database: durable, of one schema, of one mode."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hyperkms.errors import Refused, Tampered, Unavailable
from hyperkms.state import facts
from hyperkms.state.database import open_database
from hyperkms.state.migrating import SCHEMA
from hyperkms.state.schema import client_keys, clients, key_versions, metadata


def test_every_connection_is_durable(tmp_path: Path) -> None:
    with open_database(tmp_path / "state.db").read() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "delete", "synchronous": 3}


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    with open_database(tmp_path / "state.db").read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "state.db").close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Refused) as refused:
        open_database(tmp_path / "state.db")
    assert refused.value.code == "schema-too-new"
    assert SCHEMA in refused.value.message


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(Tampered):
        open_database(tmp_path / "state.db")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db")

    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("INSERT INTO facts VALUES ('a', 'b')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert facts.read(database, "a") is None


def test_a_database_that_cannot_be_written_is_found_out(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db")
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            database.check_writable()
        holder.execute("ROLLBACK")
    holder.close()
    database.check_writable()
    assert facts.read(database, "last_write_check")


def test_a_fact_is_settled_once(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db")
    assert facts.settle(database, "mode", "development") == "development"
    assert facts.settle(database, "mode", "production") == "development"


def test_a_database_of_the_first_schema_keeps_its_clients_and_wallets(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as old:
        old.executescript((Path(__file__).parents[1] / "golden" / "schema-0001.sql").read_text())
    old.close()
    with open_database(path).read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        client = connection.execute(sa.select(clients)).one()
        key = connection.execute(sa.select(client_keys)).one()
        version = connection.execute(sa.select(key_versions)).one()
    assert (client.name, client.number, key.client, key.prefix) == ("administrator", 1, client.id, "hk_0a1b2c3d")
    assert (version.wallet, version.state, version.activated_at) == ("old", "active", 1780000000000)
    assert path.with_name(f"state.db.before-{SCHEMA}").exists()
