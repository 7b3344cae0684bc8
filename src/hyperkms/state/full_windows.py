"""Since when limits over time count as fully used: what was spent before is not known after a restore."""

import sqlalchemy as sa

from hyperkms.state import facts
from hyperkms.state.database import Database

_FACT = "windows_full_at"


def windows_full_at(database: Database) -> int | None:
    """Milliseconds: every limit is fully used until its period has passed since then; None: never were."""
    found = facts.read(database, _FACT)
    return None if found is None else int(found)


def fill_windows_within(connection: sa.Connection, now: int) -> None:
    """They are fully used at this moment, once the transaction commits; never at an earlier one than before."""
    before = facts.read_within(connection, _FACT)
    facts.write_within(connection, _FACT, str(max(now, int(before or 0))))
