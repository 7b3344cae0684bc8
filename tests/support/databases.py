"""Which kind of database a test runs on: SQLite, or PostgreSQL where it or HYPERKMS_TEST_DATABASE says so."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hyperkms.state.database import Database, open_database
from hyperkms.state.postgresql_address import DatabaseAddress, PostgresAddress
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


def database_at(path: Path) -> DatabaseAddress:
    """The database of this file's name: the file, or one of the PostgreSQL server that is this file's alone."""
    return path if kind() == SQLITE else postgres().migrated(_name(path))


def open_at(path: Path) -> Database:
    """That database, opened as a process would."""
    database = open_database(database_at(path))
    _opened.append(database)
    return database


def setting_for(data: Path) -> dict[str, str]:
    """What tells a process which database belongs to the data directory."""
    if kind() == SQLITE:
        return {}
    several = {"HYPERKMS_INSTANCES": os.environ[INSTANCES]} if os.environ.get(INSTANCES) else {}
    return {"HYPERKMS_DATABASE": str(postgres().migrated(_name(data / "hyperkms.db"))), **several}


def rows(data: Path, query: str, *values: object) -> list[Any]:
    """What another program reads in, or does to, the database of a data directory; values stand for `?`."""
    address = database_at(data / "hyperkms.db")
    if isinstance(address, PostgresAddress):
        return postgres().execute(address.name, query.replace("?", "%s"), *values)
    with closing(sqlite3.connect(address, timeout=30)) as database, database:
        return database.execute(query, values).fetchall()


def _name(path: Path) -> str:
    return "t" + hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:20]
