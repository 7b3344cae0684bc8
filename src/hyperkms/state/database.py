"""The database behind the service: SQLite in the data directory, or PostgreSQL. Both keep the same promises.

What is committed is durable. A writer has the write lock from the start of its transaction, so that what it has read
holds until it commits and none fails half-way. A reader sees one moment. Text is compared byte by byte.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.postgresql_address import DatabaseAddress, PostgresAddress
from hyperkms.state.schema import facts
from hyperkms.state.waiting import about_to_wait

BUSY_TIMEOUT_MS = 5000
"""So long a statement waits for a lock, whoever holds it."""
_CHECKED_S = 5.0
_PROBE = "last_write_check"
_BEGIN = "hyperkms_begin"

T = TypeVar("T")


class Dialect(Protocol):
    """How one kind of database keeps the promises."""

    def begin_write(self, connection: sa.Connection) -> None:
        """Begin a transaction that has the write lock."""

    def begin_read(self, connection: sa.Connection) -> None:
        """Begin one that reads one moment."""

    def begin_beside(self, connection: sa.Connection) -> None:
        """Begin one that writes without the write lock."""

    def fault_of(self, error: DBAPIError) -> HyperkmsError | None:
        """What an error means for the caller; None: it is a mistake of our own."""

    def room_after(self, error: BaseException | None) -> AbstractContextManager[None] | None:
        """Room for a transaction that changes rows in place, where this error was for want of it; None: there is none.

        Entered by who holds the write lock and has written nothing yet.
        """


class Database:
    """Connections with the promises above; what goes wrong leaves as Unavailable, or as Tampered of damaged data."""

    def __init__(self, engine: sa.Engine, dialect: Dialect, address: DatabaseAddress) -> None:
        self.address = address
        self._engine = engine
        self.dialect = dialect
        self._checking = threading.Lock()
        self._writable_until = 0.0
        event.listen(engine, "begin", _begin)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that holds the write lock from its start; durable when the block ends.

        IntegrityError passes through: the caller knows what it collided with.
        """
        with self.begun(self.dialect.begin_write) as connection:
            yield connection

    def write_in_place(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` comes to in such a transaction; a full disk does not refuse it, if it needs no further page.

        It may be done twice: what it did the first time is undone.
        """
        try:
            with self.write() as connection:
                return work(connection)
        except Unavailable as error:
            room = self.dialect.room_after(error.__cause__)
            if room is None:
                raise
        with self.write() as connection, room:
            return work(connection)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view."""
        with self.begun(self.dialect.begin_read) as connection:
            yield connection

    @contextmanager
    def beside(self) -> Iterator[sa.Connection]:
        """One transaction that waits for no writer: for a single statement that means the same before and after any."""
        with self.begun(self.dialect.begin_beside) as connection:
            yield connection

    def forget(self, table: sa.Table, old: sa.ColumnElement[bool]) -> None:
        """Delete the rows that are old; who writes is waited for only if there are any."""
        with self.read() as connection:
            if connection.execute(sa.select(sa.literal(1)).select_from(table).where(old).limit(1)).first() is None:
                return
        with self.write() as connection:
            connection.execute(table.delete().where(old))

    def check_writable(self) -> None:
        """Unavailable if nothing can be written now; writes and fsyncs, at most once in 5 s."""
        with self._checking:
            if time.monotonic() < self._writable_until:
                return
            self.write_in_place(_probe)
            self._writable_until = time.monotonic() + _CHECKED_S

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @contextmanager
    def begun(self, begin: Callable[[sa.Connection], None]) -> Iterator[sa.Connection]:
        """One transaction that begins so."""
        about_to_wait()
        try:
            with self._engine.connect() as fresh:
                connection = fresh.execution_options(**{_BEGIN: begin})
                with connection.begin():
                    yield connection
        except IntegrityError:
            raise
        except NoConnectionLeft as error:
            raise Unavailable("database-unavailable", "every connection to the database is in use") from error
        except DBAPIError as error:
            fault = self.dialect.fault_of(error)
            if fault is None:
                raise
            raise fault from error


def _probe(connection: sa.Connection) -> None:
    connection.execute(facts.delete().where(facts.c.name == _PROBE))
    connection.execute(facts.insert().values(name=_PROBE, value=secrets.token_hex(8)))


def _begin(connection: sa.Connection) -> None:
    connection.get_execution_options()[_BEGIN](connection)


def open_database(address: DatabaseAddress) -> Database:
    """Open the database at this release's schema, and make or migrate the file of a SQLite one.

    One of a newer release is refused; so is a PostgreSQL one of an older, which `hyperkms migrate` brings up.
    """
    # Each is imported where it is needed: the driver of PostgreSQL is an extra.
    if isinstance(address, PostgresAddress):
        _require_driver()
        from hyperkms.state.postgresql import open_postgresql  # noqa: PLC0415

        return open_postgresql(address)
    from hyperkms.state.sqlite import open_sqlite  # noqa: PLC0415

    return open_sqlite(address)


def migrate_database(address: DatabaseAddress) -> tuple[str | None, str]:
    """Bring the database to this release's schema, as the operator asks; the schemas before (None: new) and after."""
    if isinstance(address, PostgresAddress):
        _require_driver()
        from hyperkms.state.postgresql import migrate_postgresql  # noqa: PLC0415

        return migrate_postgresql(address)
    from hyperkms.state.sqlite import migrate_sqlite  # noqa: PLC0415

    return migrate_sqlite(address)


def _require_driver() -> None:
    try:
        import psycopg  # noqa: F401, PLC0415 (an extra)
    except ImportError as missing:
        words = f"PostgreSQL needs the package psycopg ({missing}): pip install 'hyperkms[postgres]'"
        raise Unavailable("driver-not-installed", words) from missing
