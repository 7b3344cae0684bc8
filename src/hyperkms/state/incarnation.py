"""Which PostgreSQL database this is: one that was put back from a dump, moved or promoted is another than before.

What was committed since the dump, or had not reached the standby, is not in it; so it is frozen as a restored
directory is, with the first start that finds it. A disk or snapshot of a server that is started again has the same
incarnation as before: that one nobody but an operator knows of.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from hyperkms.state import facts
from hyperkms.state.database import Database
from hyperkms.state.frozen import Frozen, freeze_within

FACT: Final = "database_incarnation"
UNKNOWN: Final = "-"
"""Of a part that the server does not tell this user."""


@dataclass(frozen=True, kw_only=True)
class Incarnation:
    """As the server tells it, in decimal digits."""

    system: str
    """The system identifier of the cluster: initdb makes it, and copies of its files and standbys have it too."""
    timeline: str
    """It goes up with each promotion, and with each recovery to a point in time."""
    oid: str
    """Of the database in the cluster: another one for each CREATE DATABASE."""

    def __str__(self) -> str:
        """As it is stored."""
        return f"{self.system} {self.timeline} {self.oid}"

    @classmethod
    def parse(cls, text: str) -> "Incarnation":
        """Of what `str` made."""
        system, timeline, oid = text.split(" ")
        return cls(system=system, timeline=timeline, oid=oid)

    def is_promoted(self, before: "Incarnation") -> bool:
        """Whether this is the database that was `before`, on a later timeline of the same cluster."""
        if UNKNOWN in (self.system, self.timeline, before.system, before.timeline):
            return False
        same = (self.system, self.oid) == (before.system, before.oid)
        return same and int(self.timeline) > int(before.timeline)


def settle_incarnation(database: Database, here: Incarnation, *, now: int, accepts_promotion: bool) -> bool:
    """Freeze the database unless it is the one that instances were started on before; whether a promotion was accepted.

    One without the fact is new, or was used by an older release alone: it is taken as it is.
    """
    if facts.read(database, FACT) == str(here):
        return False
    with database.write() as connection:
        known = facts.read_within(connection, FACT)
        accepted = False
        if known is not None and known != str(here):
            accepted = accepts_promotion and here.is_promoted(Incarnation.parse(known))
            if not accepted:
                freeze_within(connection, Frozen(backup=None, taken_at=None, restored_at=now, was=known))
        write_incarnation_within(connection, here)
        return accepted


def write_incarnation_within(connection: sa.Connection, here: Incarnation) -> None:
    """Let it be the one that is known, from the commit on."""
    facts.write_within(connection, FACT, str(here))
