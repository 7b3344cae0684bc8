"""Whether what a process remembers of the database still holds: one number for all processes of a host.

A change takes a ticket under the database's write lock, just before it commits, and marks the ticket as
finished after. What was read while every ticket was finished holds until the next ticket is taken. A
process that dies in between leaves a ticket unfinished: nothing is remembered then until the next
change, which finishes all tickets before its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.state.database import Database

WALLET_CHANGES = 0
CLIENT_CHANGES = 2
"""The cells of the file `shared` that count; docs/formats.md lists them all."""


class Generation:
    """The changes of one kind of record, counted in two cells of the shared counters."""

    def __init__(self, counters: SharedCounters, cell: int) -> None:
        self._counters = counters
        self._taken, self._finished = cell, cell + 1

    def current(self) -> int | None:
        """A number that differs after every change; None while one is under way: remember nothing then.

        Ask before reading the database, and remember what was read under the number.
        """
        taken = self._counters.read(self._taken)
        return taken if self._counters.read(self._finished) >= taken else None

    @contextmanager
    def change(self, database: Database) -> Iterator[sa.Connection]:
        """`Database.write` for a change of these records; seen by every process when the block has ended."""
        with database.write() as connection:
            yield connection
            ticket = self._counters.add(self._taken, amount=1)
        self._counters.raise_to(self._finished, floor=ticket)
