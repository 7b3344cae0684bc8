"""SQLite in the data directory.

journal_mode=DELETE with synchronous=EXTRA: a commit survives the loss of power, and the WAL defect of
SQLite before 3.51.3 cannot occur. Writers take their lock at BEGIN, so none fails half-way.
"""

import shutil
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from hyperkms.errors import HyperkmsError, Tampered, Unavailable
from hyperkms.state.database import BUSY_TIMEOUT_MS, Database
from hyperkms.state.journal_ahead import JournalAhead
from hyperkms.state.migrating import SCHEMA, migrate_within, require_known, schema_of

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
"""The disk has no room for the journal; or cannot make the file of it."""

CACHE_KIB = 512
"""Of pages a connection: what another one changes empties it, and the operating system has the pages too."""


class Sqlite:
    """One writer at a time, who has taken the file's lock."""

    def __init__(self, path: Path) -> None:
        self._journal = JournalAhead(path)

    def begin_write(self, connection: sa.Connection) -> None:
        """Wait for the file's lock."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_read(self, connection: sa.Connection) -> None:
        """What is read first keeps writers from committing until the end."""
        connection.exec_driver_sql("BEGIN")

    def begin_beside(self, connection: sa.Connection) -> None:
        """Nothing is written without the file's lock."""
        self.begin_write(connection)

    def fault_of(self, error: DBAPIError) -> HyperkmsError:
        """A file that is locked, full or away is Unavailable; one that is no database is damaged."""
        cause = error.orig
        if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
            words = f"the database is damaged ({cause}): stop, and put a backup in its place"
            return Tampered("database-damaged", words)
        return Unavailable("database-unavailable", f"the database did not answer: {cause}")

    def room_after(self, error: BaseException | None) -> AbstractContextManager[None] | None:
        """The journal that lies ready, on a full disk."""
        cause = error.orig if isinstance(error, DBAPIError) else None
        is_full = isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF in _FULL
        return self._journal.in_place() if is_full else None


def open_sqlite(path: Path) -> Database:
    """Open or make it; one of an older release is copied beside itself and migrated."""
    database = Database(_engine(path), Sqlite(path), path)
    _bring_up(database, path)
    JournalAhead(path).provide()
    return database


def open_as_it_is(path: Path) -> Database:
    """A database that is there, without a migration; one of a newer release is refused."""
    database = Database(_engine(path), Sqlite(path), path)
    require_known(schema_of(database) or "")
    return database


def migrate_sqlite(path: Path) -> tuple[str | None, str]:
    """The same as a start does, for an operator who wants it done before: the schemas before and after."""
    database = Database(_engine(path), Sqlite(path), path)
    try:
        return _bring_up(database, path), SCHEMA
    finally:
        database.close()


def _bring_up(database: Database, path: Path) -> str | None:
    found = schema_of(database)
    if found == SCHEMA:
        return found
    if found is not None:
        require_known(found)
        shutil.copy2(path, path.with_name(f"{path.name}.before-{SCHEMA}"))
    with database.write() as connection:
        migrate_within(connection)
    return found


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite+pysqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions by its own rules
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("PRAGMA synchronous = EXTRA")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        cursor.execute("PRAGMA secure_delete = ON")  # a sealed key that is destroyed leaves zeros, not itself
        cursor.close()

    return engine
