"""Whether a data directory or its database was put back and not fenced since: then nothing in it signs."""

import json
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.state import facts
from hyperkms.state.database import Database
from hyperkms.state.schema import facts as table

_FACT = "frozen"
_COMMAND = "hyperkms recover fence"


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What was put back, and since when."""

    backup: str | None
    """Its id: 32 hex digits; None: a new directory took the place of one that was lost, on the database as it is."""
    taken_at: int | None
    """Milliseconds."""
    restored_at: int
    """Milliseconds."""
    was: str | None = None
    """The incarnation of the database before, where it was the database that was put back, moved or promoted."""

    def refusal(self) -> Unavailable:
        """What a signature is refused with."""
        words = "this data directory was restored from a backup, and what was signed since is not in it"
        if self.was is not None:
            words = "the database was put back, moved or promoted, and what was signed since may not be in it"
        elif self.backup is None:
            words = "this data directory is in the place of one that was lost, and what that one signed is not in it"
        return Unavailable(
            "frozen-after-restore", f"{words}: nothing is signed until `{_COMMAND}` has run, then start again"
        )


def frozen(database: Database) -> Frozen | None:
    """Why nothing signs here; None: it may. It does not change while a service runs."""
    found = facts.read(database, _FACT)
    return None if found is None else Frozen(**json.loads(found))


def freeze_within(connection: sa.Connection, why: Frozen) -> None:
    """From the commit on nothing signs."""
    members = asdict(why)
    if why.was is None:  # a release that does not know the member goes on reading the others
        del members["was"]
    facts.write_within(connection, _FACT, json.dumps(members))


def thaw_within(connection: sa.Connection) -> None:
    """From the commit on it may sign."""
    connection.execute(table.delete().where(table.c.name == _FACT))
