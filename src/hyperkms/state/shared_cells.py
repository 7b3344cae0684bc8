"""What clients have used of their limits, where several instances share the database: rows instead of mapped cells.

A process takes tokens of a bucket in small blocks and uses them within a quarter of a second, or loses them. The bucket
is as much smaller as could be used so late: then in any span of time no more is used than one bucket would have given.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.database_clock import microseconds_within
from hyperkms.state.schema import limit_cells

BLOCK_S: Final = 0.25
"""So long a block may be used."""
_BLOCKS: Final = 8
"""So many blocks are what a bucket gains in that time."""
_LEAST_BURST: Final = 4
"""A bucket of less than so many times that gain gives no blocks: each token is asked for."""
_NS: Final = 10**9


@dataclass
class _Block:
    left: int
    until: float
    more: int
    """What the bucket had left."""


class SharedCells:
    """Takes of windows and buckets as the cells of a mapped file do, exact over all instances.

    The times that callers give are not used: those of the database are the same for all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks: dict[int, _Block] = {}
        self._turn = threading.Lock()

    def take_window(self, counter: int, *, amount: int, now: int, limit: int, period: int) -> tuple[bool, int, int]:  # noqa: ARG002 (as above)
        """Take `amount` of the `limit` of a window that begins with the first one taken; milliseconds.

        All or nothing: (granted, what is left, milliseconds until the window ends).
        """
        with self._database.beside() as connection:
            start, taken = _locked(connection, counter)
            moment = microseconds_within(connection) // 1000
            if moment >= start + period:
                start, taken = moment, 0
            wait = start + period - moment
            if taken + amount > limit:
                return False, max(0, limit - taken), wait
            _write(connection, counter, start, taken + amount)
            return True, limit - taken - amount, wait

    def take_bucket(self, counter: int, *, amount: int, now: int, interval: int, burst: int) -> tuple[bool, int, int]:  # noqa: ARG002 (as above)
        """Take tokens of a bucket that holds `burst` and gains one every `interval` nanoseconds.

        All or nothing: (granted, what is left, nanoseconds until it would be granted).
        """
        gained = int(BLOCK_S * _NS / interval)
        if gained < _BLOCKS or burst < _LEAST_BURST * gained:
            return self._take(counter, amount, amount, interval, burst)[:3]
        with self._turn:
            block = self._blocks.get(counter)
            if block is not None and block.left >= amount and time.monotonic() < block.until:
                block.left -= amount
                return True, block.left + block.more, 0
        asked = time.monotonic()
        granted, left, wait, most = self._take(counter, amount, gained // _BLOCKS, interval, burst - gained)
        if granted and most > amount:
            with self._turn:
                self._blocks[counter] = _Block(most - amount, asked + BLOCK_S, left)
        return granted, left + most - amount if granted else left, wait

    def _take(self, counter: int, least: int, most: int, interval: int, burst: int) -> tuple[bool, int, int, int]:
        """Take as many as there are from `least` to `most`; with how many it were."""
        depth = burst * interval
        with self._database.beside() as connection:
            full_at, _ = _locked(connection, counter)
            moment = microseconds_within(connection) * 1000
            full_at = min(max(full_at, moment), moment + depth)
            there = (moment + depth - full_at) // interval
            if there < least:
                return False, there, full_at + least * interval - moment - depth, 0
            taken = max(least, min(most, there))
            _write(connection, counter, full_at + taken * interval, 0)
            return True, there - taken, full_at + taken * interval - moment, taken


def _locked(connection: sa.Connection, counter: int) -> tuple[int, int]:
    """The row of a cell, made if there is none; nobody else has it until the transaction ends."""
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 (SQLite does without)

    made = insert(limit_cells).values(cell=counter, moment=0, taken=0).on_conflict_do_nothing()
    query = sa.select(limit_cells.c.moment, limit_cells.c.taken).where(limit_cells.c.cell == counter).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        connection.execute(made)
        row = connection.execute(query).one()
    return row.moment, row.taken


def _write(connection: sa.Connection, counter: int, moment: int, taken: int) -> None:
    connection.execute(limit_cells.update().where(limit_cells.c.cell == counter).values(moment=moment, taken=taken))
