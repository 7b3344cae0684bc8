"""Action nonces where several instances share the database: each is allocated there.

The ceiling of a signer is the last number that was given out. All who wait at one moment, in one process, are served
in one transaction. No instance sets numbers aside for itself: the exchange keeps the hundred highest of a signer and
takes none below them, so that numbers of two ranges would refuse each other.
"""

from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.hyperliquid.nonces import CLOCK_AHEAD_MS, ChosenNonces, claimed_within, signer_row
from hyperkms.state.database import Database
from hyperkms.state.database_clock import MOST_APART_MS, milliseconds_within
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.schema import signers
from hyperkms.state.waiting import about_to_wait


class SharedNonces(ChosenNonces):
    """Allocates nonces and accepts those that callers choose; durable before either returns."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        super().__init__(database, clock)
        self._work = GroupedWork(database, name="nonces")

    def allocate(self, address: str) -> int:
        """The next nonce of a signer (0x and 40 lower-case hex digits), in milliseconds: max(now, last + 1).

        Unavailable when it would be more than 60 s ahead of the database's clock, or when this machine's clock differs
        from that by more than 5 s.
        """
        about_to_wait()
        return self._work.write(partial(self._next, address)).result()

    def close(self) -> None:
        """Allocate what was asked for, then no more."""
        self._work.close()

    def _next(self, address: str, connection: sa.Connection) -> int:
        row = signer_row(connection, address)
        now = milliseconds_within(connection)
        if abs(now - self._clock()) > MOST_APART_MS:
            words = f"this machine's clock and the database's differ by {abs(now - self._clock())} ms"
            raise Unavailable("clocks-apart", f"{words}, and {MOST_APART_MS} ms are allowed: nothing is numbered here")
        nonce = max(now, row.ceiling + 1)
        taken = {
            number for _, number in claimed_within(connection, [address], above=nonce - 1, to=now + CLOCK_AHEAD_MS)
        }
        while nonce in taken:
            nonce += 1
        if nonce > now + CLOCK_AHEAD_MS:
            words = f"the next nonce {nonce} is more than {CLOCK_AHEAD_MS} ms ahead of the database's clock, {now}"
            raise Unavailable("nonce-ahead-of-clock", f"{words}: it went back, or too many were drawn")
        # Without a file no counter of one machine is gone on from.
        is_it = signers.c.address == address
        connection.execute(signers.update().where(is_it).values(ceiling=nonce, file=None))
        return nonce
