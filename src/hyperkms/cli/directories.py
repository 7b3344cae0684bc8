"""The data directories whose instances share one database: each is listed there, and has its id in its mark.

The first of them is the one that had the database alone, if there was one: what its files count goes into the
database with its first start in that way, before any other may join.
"""

import secrets
import socket
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from hyperkms.errors import Conflict, Refused
from hyperkms.state.database import Database
from hyperkms.state.durable import create_file, sync
from hyperkms.state.facts import read, read_within, write_within
from hyperkms.state.schema import directories

OWNER = "data_directory"
"""The fact that names the directory that has, or had, the database alone."""
SHARED = "instances"
"""The fact that is there once several instances may use the database: for ever."""


def require_for_one(database: Database) -> None:
    """Refused for a database that several instances have used: one alone would not know what the others counted."""
    if read(database, SHARED) is not None:
        words = f"several instances use the database {database.address}, and one alone cannot any more"
        raise Refused("wrong-instances", f"{words}: set HYPERKMS_INSTANCES=several; there may be one of them")


def join_directory(database: Database, mark: Path, *, now: int) -> None:
    """Let the directory be one of those whose instances share the database; Refused for one of another database.

    1. A draft of the mark.  2. Its row.  3. The mark: with it the row must be there.
    """
    if mark.exists():
        _require_listed(database, mark, now)
        return
    draft = mark.with_name(f"{mark.name}.new")
    with suppress(Conflict):  # of a start that was cut off
        create_file(draft, secrets.token_hex(16).encode())  # (1)
    with suppress(FileNotFoundError):  # another first start of this moment has finished
        directory = draft.read_text("ascii")
        with database.write() as connection:
            _require_counted(connection, directory)
            list_within(connection, directory, now)  # (2)
        draft.replace(mark)  # (3)
        sync(mark.parent)


def has_several(database: Database) -> bool:
    """Whether what the files of a directory counted is in the database."""
    return read(database, SHARED) is not None


def let_several(database: Database) -> None:
    """What the files of this directory counted is in the database: others may join, and none has it alone again."""
    with database.write() as connection:
        if read_within(connection, SHARED) is None:
            write_within(connection, SHARED, "several")


def list_within(connection: sa.Connection, directory: str, now: int) -> None:
    """Let it be one of them once the transaction commits."""
    if connection.execute(sa.select(directories.c.id).where(directories.c.id == directory)).first() is None:
        connection.execute(directories.insert().values(id=directory, host=socket.gethostname(), added_at=now))


def _require_listed(database: Database, mark: Path, now: int) -> None:
    directory = mark.read_text("ascii")
    with database.write() as connection:
        known = connection.execute(sa.select(directories.c.id).where(directories.c.id == directory)).first()
        if known is None and read_within(connection, OWNER) != directory:
            words = f"the data directory {mark.parent} belongs to another database than {database.address}"
            raise Refused("wrong-database", f"{words}: name that one, or an empty directory")
        _require_counted(connection, directory)
        list_within(connection, directory, now)


def _require_counted(connection: sa.Connection, directory: str) -> None:
    """Only the directory that had the database alone may be the first of several."""
    owner = read_within(connection, OWNER)
    if read_within(connection, SHARED) is None and owner not in (None, directory):
        words = "another data directory has the database alone, and its files say what was signed and counted"
        raise Refused("wrong-instances", f"{words}: start that one first with HYPERKMS_INSTANCES=several")
    if owner is None:  # nobody has counted anything yet
        write_within(connection, OWNER, directory)
        write_within(connection, SHARED, "several")
