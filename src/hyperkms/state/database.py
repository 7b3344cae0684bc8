"""The database behind the service: SQLite in the data directory, durable on commit.

journal_mode=DELETE with synchronous=EXTRA: a commit survives the loss of power, and the WAL defect of
SQLite before 3.51.3 cannot occur. Writers take their lock at BEGIN, so none fails half-way.
"""

import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, OperationalError

from hyperkms.errors import Refused, Tampered, Unavailable
from hyperkms.state.schema import facts
from hyperkms.state.waiting import about_to_wait

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

SCHEMA = "0007"
"""The newest migration; a database with another one that is not older is refused."""

BUSY_TIMEOUT_MS = 5000
_CHECKED_S = 5.0
_PROBE = "last_write_check"


class Database:
    """Connections with the promises above; every database error leaves as Unavailable."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._checking = threading.Lock()
        self._writable_until = 0.0

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that holds the write lock from its start; durable when the block ends.

        IntegrityError passes through: the caller knows what it collided with.
        """
        with self._connection("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view."""
        with self._connection("BEGIN") as connection:
            yield connection

    def check_writable(self) -> None:
        """Unavailable if nothing can be written now; writes and fsyncs, at most once in 5 s."""
        with self._checking:
            if time.monotonic() < self._writable_until:
                return
            with self.write() as connection:
                connection.execute(facts.delete().where(facts.c.name == _PROBE))
                connection.execute(facts.insert().values(name=_PROBE, value=secrets.token_hex(8)))
            self._writable_until = time.monotonic() + _CHECKED_S

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @contextmanager
    def _connection(self, begin: str) -> Iterator[sa.Connection]:
        about_to_wait()
        try:
            with self._engine.connect().execution_options(hyperkms_begin=begin) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            cause = error.orig
            if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
                words = f"the database is damaged ({cause}): stop, and put a backup in its place"
                raise Tampered("database-damaged", words) from error
            raise Unavailable("database-unavailable", f"the database did not answer: {cause}") from error


def open_database(path: Path) -> Database:
    """Open or make the database, brought to this release's schema.

    A database of an older release is copied beside itself before it is migrated; one of a newer
    release is refused.
    """
    engine = _engine(path)
    database = Database(engine)
    found = _schema_of(database)
    if found == SCHEMA:
        return database
    if found is not None:
        _require_known(found)
        shutil.copy2(path, path.with_name(f"{path.name}.before-{SCHEMA}"))
    _migrate(database)
    return database


def open_as_it_is(path: Path) -> Database:
    """A database that is there, without a migration; one of a newer release is refused."""
    database = Database(_engine(path))
    _require_known(_schema_of(database) or "")
    return database


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
        cursor.execute("PRAGMA secure_delete = ON")  # a sealed key that is destroyed leaves zeros, not itself
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["hyperkms_begin"])

    return engine


def _schema_of(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: Any = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def _require_known(found: str) -> None:
    if found > SCHEMA:
        raise Refused(
            "schema-too-new",
            f"the database has schema {found}, this release knows {SCHEMA}: run the newer release of hyperkms",
        )


def _migrate(database: Database) -> None:
    from alembic import command  # noqa: PLC0415 (a third of a second that most starts do not need)

    with database.write() as connection:
        command.upgrade(_alembic(connection), "head")


def _alembic(connection: sa.Connection) -> "AlembicConfig":
    from alembic.config import Config  # noqa: PLC0415 (as above)

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
