"""Which kind of database a test runs on: SQLite, or PostgreSQL where it or HYPERKMS_TEST_DATABASE says so."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms.state.database import Database, open_database
from hyperkms.state.postgresql_address import DatabaseAddress, PostgresAddress
from support.patience import START_S
from support.postgres import postgres

KIND = "HYPERKMS_TEST_DATABASE"
INSTANCES = "HYPERKMS_TEST_INSTANCES"
"""`several`: a service on PostgreSQL counts in the database, as if others were beside it."""
SQLITE, POSTGRESQL = "sqlite", "postgresql"
_opened: list[Database] = []


def kind() -> str:
    """The kind for tests that do not say."""
    return os.environ.get(KIND) or SQLITE


@contextmanager
def on(chosen: str) -> Iterator[None]:
    """Within this block tests run on this kind; what they opened is closed at its end."""
    if chosen == POSTGRESQL:
        postgres()  # before any process that the test starts
    before = os.environ.get(KIND)
    os.environ[KIND] = chosen
    try:
        yield
    finally:
        while _opened:
            _opened.pop().close()
        os.environ.pop(KIND)
        if before is not None:
            os.environ[KIND] = before


def needs(chosen: str, because: str) -> pytest.MarkDecorator:
    """A test that is about what this kind alone has."""
    return pytest.mark.skipif(kind() != chosen, reason=f"{because}; not with {KIND}={kind()}")


def database_at(path: Path) -> DatabaseAddress:
    """The database of this file's name: the file, or one of the PostgreSQL server that is this file's alone."""
    return path if kind() == SQLITE or is_of_a_cosigner(path.parent) else postgres().migrated(_name(path))


def is_of_a_cosigner(data: Path) -> bool:
    """Whether it is a cosigner's own directory: its state is a file in it, and so is its root key."""
    return (data / "identity").exists()


def open_at(path: Path) -> Database:
    """That database, opened as a process would."""
    database = open_database(database_at(path))
    _opened.append(database)
    return database


def setting_for(data: Path) -> dict[str, str]:
    """What tells a process which database belongs to the data directory."""
    if kind() == SQLITE or is_of_a_cosigner(data):
        return {}
    several = {"HYPERKMS_INSTANCES": os.environ[INSTANCES]} if os.environ.get(INSTANCES) else {}
    return {"HYPERKMS_DATABASE": str(postgres().migrated(_name(data / "hyperkms.db"))), **several}


def rows(data: Path, query: str, *values: object) -> list[Any]:
    """What another program reads in, or does to, the database of a data directory; values stand for `?`."""
    address = database_at(data / "hyperkms.db")
    if isinstance(address, PostgresAddress):
        return postgres().execute(address.name, query.replace("?", "%s"), *values)
    with closing(sqlite3.connect(address, timeout=START_S)) as database, database:
        return database.execute(query, values).fetchall()


@contextmanager
def no_rows_into(data: Path, *tables: str) -> Iterator[None]:
    """Within this block these tables of a data directory are read and take no rows; in SQLite no table does."""
    address = database_at(data / "hyperkms.db")
    if isinstance(address, PostgresAddress):
        with postgres().no_rows_into(address.name, *tables):
            yield
        return
    with closing(sqlite3.connect(address, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def _name(path: Path) -> str:
    return "t" + hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:20]
