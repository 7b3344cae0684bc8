"""Whether what a process remembers of the database still holds: one number for all processes of a host.

Where instances share the database, theirs is added: neither of the two ever falls, so that their sum tells of both.

A change takes a ticket under the database's write lock, just before it commits, and marks the ticket as
finished after. What was read while every ticket was finished holds until the next ticket is taken. A
process that dies in between leaves a ticket unfinished: nothing is remembered then until the next
change, a start or a sweep finishes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.confirmed import Elsewhere
from hyperkms.state.database import Database

WALLET_CHANGES = 0
CLIENT_CHANGES = 2
"""The cells of the file `shared` that count; docs/formats.md lists them all."""


class Generation:
    """The changes of one kind of record, counted in two cells of the shared counters."""

    def __init__(self, counters: SharedCounters, cell: int, elsewhere: Elsewhere | None = None) -> None:
        self._counters = counters
        self._elsewhere = elsewhere
        """None where no other instance may be."""
        self._taken, self._finished = cell, cell + 1
        self._is_lost = False

    def current(self) -> int | None:
        """A number that differs after every change; None while one is under way: remember nothing then.

        Ask before reading the database, and remember what was read under the number.
        """
        if self._is_lost:
            return None
        here = self._counters.settled(self._taken, self._finished)
        if here is None or self._elsewhere is None:
            return here
        there = self._elsewhere.number()
        return None if there is None else here + there

    def look_elsewhere(self) -> bool:
        """Whether there are other instances: then what they have changed by now is seen. Waits for the database.

        For who does not find what may have been made elsewhere a moment ago.
        """
        if self._elsewhere is None:
            return False
        self._elsewhere.confirmed.ask()
        return True

    @contextmanager
    def change(self, database: Database) -> Iterator[sa.Connection]:
        """`Database.write` for a change of these records; seen by every process when the block has ended."""
        ticket = None
        try:
            with database.write() as connection:
                yield connection
                if self._elsewhere is not None:
                    self._elsewhere.change_within(connection)
                self._counters.require_in_place()
                ticket = self._counters.add(self._taken, amount=1)
        except BaseException:
            # A server that was asked to commit and has not answered may do it yet: the write lock says that it is over.
            if ticket is not None:
                with suppress(HyperkmsError):  # else the next change, start or sweep finishes it
                    self.settle(database)
            raise
        self._counters.raise_to(self._finished, floor=ticket)

    def settle(self, database: Database) -> None:
        """Finish the ticket of a process that died with it: under the write lock every ticket's change has ended."""
        if self._is_lost or self._counters.settled(self._taken, self._finished) is not None:
            return
        with database.write():
            self._counters.raise_to(self._finished, floor=self._counters.read(self._taken))

    def watch(self) -> None:
        """Remember nothing from now on if the file of the counters was removed: changes elsewhere go unseen."""
        try:
            self._counters.require_in_place()
        except Unavailable:
            self._is_lost = True
