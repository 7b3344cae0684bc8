"""Which approvals were used: each permits one signature, over all processes and instances, and after a restart."""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.approval_use import Use
from hyperkms.state.database import Database
from hyperkms.state.full_windows import windows_full_at
from hyperkms.state.schema import used_approvals

_KEPT_MS: Final = 10 * 60 * 1000
"""After their end, for clocks that differ."""


class UsedApprovals:
    """The memory of a data directory, or of all instances that share a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.fenced_at = windows_full_at(database)
        """What was used before this moment may be forgotten, since the directory was put back; None: it never was."""

    def was_used(self, key: str, id_: str) -> bool:
        """Whether an approval was used; waits for the database."""
        with self._database.read() as connection:
            return connection.execute(sa.select(used_approvals.c.id).where(_is(key, id_))).first() is not None

    def use(self, approvals: Iterable[Use]) -> None:
        """All of them, durably, or none; Conflict if one was used before. Waits."""
        with self._database.write() as connection:
            self.use_within(connection, approvals)

    def use_within(self, connection: sa.Connection, approvals: Iterable[Use]) -> None:
        """The same, if this transaction commits."""
        try:
            connection.execute(used_approvals.insert(), [one._asdict() for one in approvals])
        except IntegrityError as error:
            words = "an approval that came with this was used a moment ago: each permits one signature"
            raise Conflict("approval-used", f"{words}; ask the approver for another one") from error

    def give_back(self, approvals: Iterable[Use]) -> None:
        """What they were used for came to nothing."""
        with self._database.write() as connection:
            for one in approvals:
                connection.execute(used_approvals.delete().where(_is(one.key, one.id)))

    def forget_old(self, now: int) -> None:
        """Drop what has ended long ago. Called by the sweep."""
        self._database.forget(used_approvals, used_approvals.c.until < now - _KEPT_MS)


def _is(key: str, id_: str) -> sa.ColumnElement[bool]:
    return sa.and_(used_approvals.c.key == key, used_approvals.c.id == id_)
