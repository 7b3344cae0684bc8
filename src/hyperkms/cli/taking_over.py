"""A new data directory in the place of one that was lost, on a PostgreSQL database that is there still or was put back.

What the files of the lost directory counted (nonces, limits, signed requests, the record) is gone. So from the same
transaction on the database is frozen: nothing signs before a fence has put all of that behind it.
"""

import secrets
from contextlib import suppress

import sqlalchemy as sa

from hyperkms.cli.directories import OWNER, SHARED, list_within
from hyperkms.cli.layout import DATABASE_MARK, ROOT_KEY, SWEEP
from hyperkms.cli.places import address_of
from hyperkms.config import Config, Instances
from hyperkms.errors import Conflict, NotFound, Refused
from hyperkms.state.database import open_database
from hyperkms.state.database_clock import milliseconds_within
from hyperkms.state.durable import create_file, sync
from hyperkms.state.facts import read_within, write_within
from hyperkms.state.frozen import Frozen, freeze_within
from hyperkms.state.incarnation import write_incarnation_within
from hyperkms.state.schema import instances, log_keys

_DRAFT = f"{DATABASE_MARK}.new"
_MAY_BE_THERE = frozenset({ROOT_KEY, SWEEP, _DRAFT, "lost+found"})


def take_over(config: Config, *, now: int) -> None:
    """Let the database belong to this directory, frozen; where instances share it, to this one as well.

    Refused while an instance has its lease; NotFound where no service is in the database; Conflict unless the
    directory is empty.
    1. A draft of the mark.  2. Owner and frozen, in one transaction.  3. The mark: with it the directory is there.
    One that was cut off is gone over by the same command.
    """
    if config.database is None:
        words = "a new directory takes the place of one whose state is in PostgreSQL, and HYPERKMS_DATABASE names none"
        raise NotFound("no-data-directory", f"{words}: a backup of a directory is put back by `hyperkms restore`")
    from hyperkms.state.postgresql import incarnation_of  # noqa: PLC0415 (as in `open_database`)

    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = sorted({path.name for path in config.data.iterdir()} - _MAY_BE_THERE)
    if there:
        words = f"{config.data} is not empty ({there[0]}): a lost directory is replaced by an empty one"
        raise Conflict("directory-not-empty", f"{words}, which may have the root key file alone")
    draft, mark = config.data / _DRAFT, config.data / DATABASE_MARK
    with suppress(Conflict):
        create_file(draft, secrets.token_hex(16).encode())  # (1)
    database = open_database(address_of(config))
    try:
        with database.write() as connection:  # (2)
            _require_left(connection, config)
            _settle(connection, config, draft.read_text("ascii"), now)
            freeze_within(connection, Frozen(backup=None, taken_at=None, restored_at=now))
            here = incarnation_of(database)
            if here is not None:
                write_incarnation_within(connection, here)
    finally:
        database.close()
    draft.replace(mark)  # (3)
    sync(config.data)


def _require_left(connection: sa.Connection, config: Config) -> None:
    """Refused unless there is a service in the database at which nobody is at work."""
    if read_within(connection, OWNER) is None:
        words = f"no service has used the database {config.database}: there is nothing to take over"
        raise NotFound("no-data-directory", f"{words}. Start one with `hyperkms serve`")
    at_work = connection.execute(sa.select(instances).where(instances.c.expires_at > milliseconds_within(connection)))
    for row in at_work:
        left_s = max(1, -(-(row.expires_at - milliseconds_within(connection)) // 1000))
        words = f"instance {row.host} has the database, and its lease ends in {left_s} s unless it is renewed"
        raise Refused("another-instance", f"{words}: make sure that it is gone, and run this again")


def _settle(connection: sa.Connection, config: Config, directory: str, now: int) -> None:
    was_shared = read_within(connection, SHARED) is not None
    if was_shared != (config.instances is Instances.SEVERAL):
        was, words = ("several", "have used") if was_shared else ("one", "has used")
        told = f"{was} instance{'s' if was_shared else ''} {words} the database {config.database}"
        raise Refused("wrong-instances", f"{told}: set HYPERKMS_INSTANCES={was} for this")
    if was_shared:
        list_within(connection, directory, now)
        return
    write_within(connection, OWNER, directory)
    # The lost directory could go on with the record under its key, and two would sign different lines of one number.
    connection.execute(log_keys.delete())
