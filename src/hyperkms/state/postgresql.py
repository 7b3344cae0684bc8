"""PostgreSQL. One advisory lock a schema is what the file's lock is in SQLite: a writer has it from its start.

With that lock every writer sees what all before it have committed, and nothing else changes until it commits
(READ COMMITTED: a snapshot from before the wait would be out of date). Readers wait for nobody.
"""

from contextlib import AbstractContextManager
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError

from hyperkms.errors import HyperkmsError, Refused, Tampered, Unavailable
from hyperkms.state.database import BUSY_TIMEOUT_MS, Database
from hyperkms.state.facts import read_within
from hyperkms.state.incarnation import UNKNOWN, Incarnation
from hyperkms.state.instance_rows import lease_lost
from hyperkms.state.migrating import (
    OLDEST,
    SCHEMA,
    migrate_within,
    note_oldest_within,
    oldest_of,
    require_known,
    schema_of,
    schema_within,
)
from hyperkms.state.postgresql_address import PostgresAddress
from hyperkms.state.schema import instances

_LOCK_CLASS: Final = 0x68796B6D
"""Of our advisory locks ("hykm"); the other half of the key is the number of the schema."""
_DURABLE: Final = frozenset({"on", "remote_write", "remote_apply"})
_KEPT_OPEN: Final = 8
_MORE_AT_ONCE: Final = 24
_CONNECT_S: Final = 5
_MIGRATION_LOCK_S: Final = 60
_SESSION: Final = {
    "statement_timeout": str(BUSY_TIMEOUT_MS),
    "lock_timeout": str(BUSY_TIMEOUT_MS),
    # A host that is gone, or a process that is stopped, does not keep the write lock.
    "idle_in_transaction_session_timeout": "300000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_KEEPALIVES: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_DAMAGED: Final = frozenset({"XX001", "XX002"})
_OID: Final = "(SELECT oid FROM pg_database WHERE datname = current_database())::text"
_SYSTEM: Final = "(SELECT system_identifier FROM pg_control_system())::text"
_TIMELINE: Final = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text"
_NOTHING: Final = f"'{UNKNOWN}'"
_TOLD: Final = (
    f"SELECT {_SYSTEM}, {_TIMELINE}, {_OID}",
    f"SELECT {_SYSTEM}, {_NOTHING}, {_OID}",
    f"SELECT {_NOTHING}, {_NOTHING}, {_OID}",
)
"""As much of the incarnation as the server tells this user; managed services withhold functions."""
_WITHHELD: Final = frozenset({"42501", "42883", "0A000"})
_SCHEMA_FAULT: Final = "42"
_NOT_ALLOWED: Final = "42501"
_WRONG_VALUE: Final = "22"


class Postgresql:
    """One writer at a time, who has taken the schema's advisory lock."""

    def __init__(self) -> None:
        self._lock: int | None = None
        self._holder: tuple[str, int] | None = None
        self.incarnation: Incarnation | None = None
        """Of the newest connection."""
        self.accepts_promotion = False

    def begin_unfenced(self, connection: sa.Connection) -> None:
        """Wait for the lock, whoever has taken over."""
        # One way to the server and back for the two.
        connection.exec_driver_sql(f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK_CLASS}, {self._lock})")

    def begin_write(self, connection: sa.Connection) -> None:
        """Wait for the lock; Unavailable if another instance has taken over."""
        self.begin_unfenced(connection)
        if self._holder is not None:
            name, epoch = self._holder
            ours = sa.select(instances.c.epoch).where(instances.c.id == name, instances.c.epoch == epoch)
            if connection.execute(ours).first() is None:
                raise lease_lost()

    def begin_read(self, connection: sa.Connection) -> None:
        """The moment of the first statement, to the end."""
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def begin_beside(self, connection: sa.Connection) -> None:
        """Without the lock."""
        connection.exec_driver_sql("BEGIN")

    def fence(self, name: str, epoch: int) -> None:
        """From now on write only as long as this instance has its row."""
        self._holder = (name, epoch)

    def settle_connection(self, connection: Any, _record: object) -> None:
        """Look at a new connection: Unavailable or Refused where it could not keep the promises."""
        query = (
            "SELECT current_setting('synchronous_commit'), current_setting('server_encoding'),"
            " (SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema())"
        )
        durable, encoding, schema = connection.execute(query).fetchone()
        if durable not in _DURABLE:
            words = f"synchronous_commit is {durable} for this user: what it commits could be lost; set it to on"
            raise Unavailable("database-not-durable", words)
        if encoding != "UTF8" or schema is None:
            words = f"its encoding is {encoding}" if schema else "no schema is on this user's search_path"
            raise Refused("database-unsuitable", f"the database cannot be used: {words}; UTF8 and a schema are due")
        self._lock = schema if schema < 2**31 else schema - 2**32
        self._require_same(_incarnation_of(connection))

    def _require_same(self, here: Incarnation) -> None:
        """What this process has read and counted is of the database to which it connected first."""
        before = self.incarnation
        if before is not None and here != before and not (self.accepts_promotion and here.is_promoted(before)):
            words = "the database was put back, moved or promoted while this process ran"
            raise Unavailable("frozen-after-restore", f"{words}: nothing is signed before `hyperkms recover fence`")
        self.incarnation = here

    def fault_of(self, error: DBAPIError) -> HyperkmsError | None:
        """Damage and missing tables are Tampered, a value that no column takes is our mistake, the rest Unavailable."""
        cause = error.orig
        code = getattr(cause, "sqlstate", None) or ""
        words = (str(cause).splitlines() or [type(cause).__name__])[0]
        if code in _DAMAGED or (code.startswith(_SCHEMA_FAULT) and code != _NOT_ALLOWED):
            damaged = f"the database is damaged ({words}): stop, and put a backup in its place"
            return Tampered("database-damaged", damaged)
        if code.startswith(_WRONG_VALUE) or (isinstance(error, DataError) and not code):
            return None
        return Unavailable("database-unavailable", f"the database did not answer: {words}")

    def room_after(self, _error: BaseException | None) -> None:
        """None: its disk is its own."""


def open_postgresql(address: PostgresAddress) -> Database:
    """Open it; Refused unless its schema is this release's."""
    database = _connected(address)
    try:
        _require_migrated(database)
    except BaseException:
        database.close()
        raise
    return database


def _require_migrated(database: Database) -> None:
    found = schema_of(database)
    if found is None or found < SCHEMA:
        has = "is empty" if found is None else f"has schema {found}, and this release {SCHEMA}"
        words = f"the database {has}: run `hyperkms migrate` with the same settings"
        raise Refused("schema-too-old", f"{words}, once a backup is made" if found else words)
    require_known(found, oldest_of(database))


def migrate_postgresql(address: PostgresAddress) -> tuple[str | None, str]:
    """Every migration that is missing, in one transaction; the schemas before and after.

    A newer release's is left as it is, if this release may work beside that one.
    """
    database = _connected(address)
    try:
        with database.write() as connection:
            before = schema_within(connection)
            if before is not None and before > SCHEMA:
                require_known(before, read_within(connection, OLDEST))
                return before, before
            connection.exec_driver_sql(
                f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{_MIGRATION_LOCK_S}s'"
            )
            migrate_within(connection)
            note_oldest_within(connection)
            _compare_by_byte(connection)
        return before, SCHEMA
    finally:
        database.close()


def require_fsync(database: Database) -> None:
    """Unavailable where the server does not wait for its disk."""
    with database.read() as connection:
        if connection.exec_driver_sql("SHOW fsync").scalar() != "on":
            words = "the server runs with fsync off: what it commits could be lost; production refuses it"
            raise Unavailable("database-not-durable", words)


def incarnation_of(database: Database) -> Incarnation | None:
    """Which database it is, of one that was connected to; None of SQLite's."""
    dialect = database.dialect
    return dialect.incarnation if isinstance(dialect, Postgresql) else None


def accept_promotion(database: Database) -> None:
    """Let this process go on where a standby has taken over."""
    dialect = database.dialect
    if isinstance(dialect, Postgresql):
        dialect.accepts_promotion = True


def fence(database: Database, name: str, epoch: int) -> None:
    """Let this process write only as long as the instance has this epoch."""
    dialect = database.dialect
    if isinstance(dialect, Postgresql):
        dialect.fence(name, epoch)


def unfenced(database: Database) -> AbstractContextManager[sa.Connection]:
    """`Database.write` for who takes the right to write."""
    dialect = database.dialect
    return database.begun(dialect.begin_unfenced) if isinstance(dialect, Postgresql) else database.write()


def session_arguments(address: PostgresAddress) -> dict[str, Any]:
    """What libpq connects with."""
    password = {} if address.password is None else {"password": address.password}
    return {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "dbname": address.name,
        "connect_timeout": _CONNECT_S,
        "application_name": "hyperkms",
        "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
        **_KEEPALIVES,
        **dict(address.options),
        **password,
    }


def _connected(address: PostgresAddress) -> Database:
    dialect = Postgresql()
    engine = sa.create_engine(
        "postgresql+psycopg://",
        # The driver would begin transactions by its own rules: `begin_write` and its like do.
        connect_args={**session_arguments(address), "autocommit": True},
        pool_size=_KEPT_OPEN,
        max_overflow=_MORE_AT_ONCE,
        pool_timeout=_CONNECT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,
    )
    event.listen(engine, "connect", dialect.settle_connection)
    event.listen(engine, "commit", _require_sound)
    return Database(engine, dialect, address)


def _incarnation_of(connection: Any) -> Incarnation:
    """As the server tells it to a connection that commits each statement."""
    *most, least = _TOLD
    for query in most:
        try:
            return _told(connection, query)
        except psycopg.Error as error:
            if error.sqlstate not in _WITHHELD:
                raise
    return _told(connection, least)


def _told(connection: Any, query: str) -> Incarnation:
    system, timeline, oid = connection.execute(query).fetchone()
    return Incarnation(system=system, timeline=timeline, oid=oid)


def _require_sound(connection: sa.Connection) -> None:
    """A transaction in which a statement has failed is undone by the server's COMMIT, which says nothing of it."""
    driver: Any = connection.connection.dbapi_connection
    if isinstance(driver, psycopg.Connection) and driver.info.transaction_status is TransactionStatus.INERROR:
        raise RuntimeError("a statement of this transaction has failed; it cannot be committed")


def _compare_by_byte(connection: sa.Connection) -> None:
    """Every text column compares by byte, as in SQLite, whatever the locale of the database."""
    query = sa.text(
        "SELECT quote_ident(c.relname) AS of_table, quote_ident(a.attname) AS name,"
        " format_type(a.atttypid, a.atttypmod) AS type"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation l ON l.oid = a.attcollation"
        " WHERE c.relkind = 'r' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
        " AND a.attnum > 0 AND NOT a.attisdropped AND l.collname <> 'C' ORDER BY 1, 2"
    )
    for row in connection.execute(query).all():
        connection.exec_driver_sql(f'ALTER TABLE {row.of_table} ALTER {row.name} TYPE {row.type} COLLATE "C"')
