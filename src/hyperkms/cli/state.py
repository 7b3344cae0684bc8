"""Opening the database of a data directory, which belongs to it and to no other."""

import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hyperkms import _core
from hyperkms.cli.directories import OWNER, join_directory, require_for_one
from hyperkms.cli.layout import DATABASE_MARK, INSTANCE
from hyperkms.cli.places import address_of
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config, Instances, Promotion
from hyperkms.errors import Conflict, HyperkmsError, Refused
from hyperkms.mode import Mode
from hyperkms.state import facts
from hyperkms.state.boot import boot_id
from hyperkms.state.database import Database, open_database
from hyperkms.state.durable import create_file, sync
from hyperkms.state.incarnation import settle_incarnation

if TYPE_CHECKING:
    from hyperkms.state.instances import Lease


def open_state(config: Config) -> Database:
    """The database, made for this directory or by it; Refused for one that belongs to another directory."""
    database = open_database(address_of(config))
    try:
        if config.database is not None:
            _settle_incarnation(config, database)
            if config.instances is Instances.SEVERAL:
                join_directory(database, config.data / DATABASE_MARK, now=time.time_ns() // 10**6)
            else:
                _settle_directory(database, config.data / DATABASE_MARK)
            _require_fsync(config, database)
    except BaseException:
        database.close()
        raise
    return database


def directory_of(config: Config) -> str:
    """The id of a directory whose state is in PostgreSQL."""
    return (config.data / DATABASE_MARK).read_text("ascii")


def take_lease(config: Config, database: Database, counters: _core.SharedCounters, *, logs: bool) -> "Lease | None":
    """The right to write to a PostgreSQL database; the file's own lock is all that SQLite needs."""
    if config.database is None:
        return None
    from hyperkms.state.instances import Lease  # noqa: PLC0415 (as in `open_database`)

    lease = Lease(
        database,
        instance=f"{boot_id() or '-'} {counters.file}",
        host=socket.gethostname(),
        lock=config.data / INSTANCE,
        told=_log_renewal if logs else _log_nothing,
        shares=directory_of(config) if config.instances is Instances.SEVERAL else None,
    )
    try:
        lease.acquire()
        lease.keep()
    except BaseException:
        lease.close()
        raise
    return lease


def _log_renewal(failure: HyperkmsError | None) -> None:
    import structlog  # noqa: PLC0415 (a tenth of a second, for a service alone)

    log = structlog.stdlib.get_logger("hyperkms.state")
    if failure is None:
        log.info("lease-renewed-again")
    else:
        log.warning("lease-not-renewed", code=failure.code, words=failure.message)


def _log_nothing(_failure: HyperkmsError | None) -> None:
    """A command has no log: its standard output is for its answer."""


def _settle_directory(database: Database, mark: Path) -> None:
    """What is in the files of a directory (counters, amounts, the record) goes with one database alone."""
    require_for_one(database)
    if not mark.exists():
        _mark_new(database, mark)
    standing = facts.read(database, OWNER)
    if not mark.exists() or mark.read_text("ascii") != standing:
        words = f"the database {database.address} belongs to another data directory than {mark.parent}"
        words = f"{words}: its nonces, limits and record are there; move that directory here. If it is lost for good:"
        raise Refused("wrong-database", f"{words} `hyperkms recover fence --new-directory` (docs/recovery.md)")


def _mark_new(database: Database, mark: Path) -> None:
    """Give the directory its mark if the database belongs to none yet, or to this one since a start that was cut off.

    1. A draft of the mark.  2. The fact.  3. The mark: with it the fact must be there.
    """
    draft = mark.with_name(f"{mark.name}.new")
    with suppress(Conflict):  # of a start that was cut off
        create_file(draft, secrets.token_hex(16).encode())  # (1)
    with suppress(FileNotFoundError):  # another first start of this moment has finished
        if facts.settle(database, OWNER, draft.read_text("ascii")) == draft.read_text("ascii"):  # (2)
            draft.replace(mark)  # (3)
            sync(mark.parent)
        else:
            draft.unlink()


def _settle_incarnation(config: Config, database: Database) -> None:
    from hyperkms.state.postgresql import accept_promotion, incarnation_of  # noqa: PLC0415 (as in `open_database`)

    accepts = config.database_promotion is Promotion.ACCEPT
    if accepts:
        accept_promotion(database)
    here, now = incarnation_of(database), time.time_ns() // 10**6
    if here is not None and settle_incarnation(database, here, now=now, accepts_promotion=accepts):
        tell_operator(f"hyperkms: a standby has taken over {database.address}, timeline {here.timeline}: accepted")


def _require_fsync(config: Config, database: Database) -> None:
    if config.mode is not Mode.PRODUCTION:
        return
    from hyperkms.state.postgresql import require_fsync  # noqa: PLC0415 (as in `open_database`)

    require_fsync(database)
