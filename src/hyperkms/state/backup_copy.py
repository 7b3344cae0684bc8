"""A copy of the database for a backup: everything but what belongs to the one place that signs now.

Nonces, requests with an Idempotency-Key and what limits over time have counted are true for the moment alone. Put back
later they would say of things that were done that they were not, so a backup has none of them.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from hyperkms.errors import Tampered, Unavailable

_LEFT_OUT = ("signers", "caller_nonces", "requests", "transfers", "meters")
_FACTS_LEFT_OUT = ("last_write_check", "meters")
_PATIENCE_S = 5.0


def copy_database(path: Path, to: Path) -> None:
    """Make the copy, of mode 0600, durable on return: one consistent state, whoever writes meanwhile.

    Tampered if the copy is no sound database, Unavailable if the database does not answer or the disk takes no more.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            _strip(copy)
            _require_sound(copy)
    except sqlite3.OperationalError as error:
        raise Unavailable("database-unavailable", f"the database could not be copied: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Tampered("database-damaged", f"the database is damaged ({error}): no backup was made") from error
    descriptor = os.open(to, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _strip(copy: sqlite3.Connection) -> None:
    copy.execute("PRAGMA secure_delete = ON")
    with copy:
        for table in _LEFT_OUT:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608 (our own names)
        copy.executemany("DELETE FROM facts WHERE name = ?", [(name,) for name in _FACTS_LEFT_OUT])
    copy.execute("VACUUM")


def _require_sound(copy: sqlite3.Connection) -> None:
    (said,) = copy.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        raise Tampered("database-damaged", f"the database is damaged ({said}): no backup was made")
