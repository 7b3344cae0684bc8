"""Action nonces where several instances share the database: each is allocated there.

The ceiling of a signer is the last number that was given out. All who wait at one moment, in one process, are served
in one transaction. No instance sets numbers aside for itself: the exchange keeps the hundred highest of a signer and
takes none below them, so that numbers of two ranges would refuse each other.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.hyperliquid.nonces import CLOCK_AHEAD_MS, ChosenNonces, claimed_within, signer_row
from hyperkms.state.database import Database
from hyperkms.state.database_clock import MOST_APART_MS, milliseconds_within
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.schema import signers
from hyperkms.state.waiting import about_to_wait

# Without a file no counter of one machine is gone on from.
_DRAW: Final = sa.text(
    "UPDATE signers SET ceiling = GREATEST(ceiling + 1, :now), file = NULL WHERE address = :address RETURNING ceiling,"
    " EXISTS (SELECT 1 FROM caller_nonces c WHERE c.address = signers.address AND c.nonce >= signers.ceiling)"
    " AS has_chosen"
)


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
        now = milliseconds_within(connection)
        if abs(now - self._clock()) > MOST_APART_MS:
            words = f"this machine's clock and the database's differ by {abs(now - self._clock())} ms"
            raise Unavailable("clocks-apart", f"{words}, and {MOST_APART_MS} ms are allowed: nothing is numbered here")
        nonce = _drawn(connection, address, now)
        if nonce > now + CLOCK_AHEAD_MS:  # what was written is undone
            words = f"the next nonce {nonce} is more than {CLOCK_AHEAD_MS} ms ahead of the database's clock, {now}"
            raise Unavailable("nonce-ahead-of-clock", f"{words}: it went back, or too many were drawn")
        return nonce


def _drawn(connection: sa.Connection, address: str, now: int) -> int:
    """max(now, last + 1), or the next after it that no caller has chosen; written as the last."""
    drawn = connection.execute(_DRAW, {"address": address, "now": now}).one_or_none()
    if drawn is None:
        signer_row(connection, address)
        return _drawn(connection, address, now)
    nonce = int(drawn.ceiling)
    if drawn.has_chosen:
        chosen = claimed_within(connection, [address], above=nonce - 1, to=now + CLOCK_AHEAD_MS)
        taken = {number for _, number in chosen}
        while nonce in taken:
            nonce += 1
        connection.execute(signers.update().where(signers.c.address == address).values(ceiling=nonce))
    return nonce
