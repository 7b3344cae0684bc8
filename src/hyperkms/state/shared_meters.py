"""The meters of limits over time, where several instances share the database: rows instead of a mapped file.

They count as the file does: by sixtieths of a period, so that an amount counts for its whole period and up to a
sixtieth of it longer. Times are those of the database. All who ask at one moment, in one process, are answered in one
transaction, which has the write lock: no limit is ever passed, whichever instances ask.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.database_clock import milliseconds_within
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.schema import amounts
from hyperkms.state.waiting import about_to_wait

T = TypeVar("T")
Demand: TypeAlias = tuple[int, int, int | None, int, int]
"""Meter, period, end (None: it counts for the period), amount, limit; milliseconds."""
_PARTS: Final = 60


class SharedMeters:
    """Amounts by meter, as `hyperkms._core.Meters` has them; what it is given as now is not used."""

    file: Final = "database"
    """There is no file that could be another one."""

    def __init__(self, database: Database) -> None:
        self._work = GroupedWork(database, name="meters")

    def reserve(self, demands: list[Demand], *, now: int) -> int | tuple[int, int, int | None]:
        """From which moment on all count; or the place of the one that found too little, what is used, the wait."""
        return self._do(partial(_reserve, demands)) if demands else now

    def lacks(self, demands: list[Demand], *, now: int) -> tuple[int, int, int | None] | None:  # noqa: ARG002 (as above)
        """What `reserve` would say to each by itself; nothing is taken."""
        return self._do(partial(_lacks, demands)) if demands else None

    def count(self, demands: list[Demand], *, now: int) -> int:
        """Count all, whatever their limits."""
        return self._do(partial(_count, demands)) if demands else now

    def give_back(self, demands: list[Demand], *, then: int) -> None:
        """What counts from `then` on for a request that came to nothing."""
        if demands:
            self._do(partial(_take_back, demands, then))

    def used(self, demand: Demand, *, now: int) -> int:  # noqa: ARG002 (as above)
        """What a meter counts now."""
        return self._do(lambda connection: _used(connection, demand, milliseconds_within(connection)))

    def within(self, connection: sa.Connection) -> "SharedMetersWithin":
        """They, to be counted anew in a transaction that has the write lock."""
        return SharedMetersWithin(connection)

    def require_in_place(self) -> None:
        """It always is."""

    def close(self) -> None:
        """Do what was asked for, then no more."""
        self._work.close()

    def _do(self, work: Callable[[sa.Connection], T]) -> T:
        about_to_wait()
        return self._work.write(work).result()


class SharedMetersWithin:
    """The same, counted anew within a transaction of somebody else."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def clear(self) -> None:
        """Nothing is spent any more by any meter."""
        self._connection.execute(amounts.delete())

    def count(self, demands: list[Demand], *, now: int) -> None:
        """Count all from this moment on, in milliseconds."""
        for demand in demands:
            _add(self._connection, demand, now)


def _reserve(demands: Sequence[Demand], connection: sa.Connection) -> int | tuple[int, int, int | None]:
    now = milliseconds_within(connection)
    # One after the other: two demands of a request may be of one meter.
    for place, demand in enumerate(demands):
        lack = _lack(connection, demand, now)
        if lack is not None:
            _take_back(demands[:place], now, connection)
            return place, *lack
        _add(connection, demand, now)
    return now


def _lacks(demands: Sequence[Demand], connection: sa.Connection) -> tuple[int, int, int | None] | None:
    now = milliseconds_within(connection)
    for place, demand in enumerate(demands):
        lack = _lack(connection, demand, now)
        if lack is not None:
            return place, *lack
    return None


def _count(demands: Sequence[Demand], connection: sa.Connection) -> int:
    now = milliseconds_within(connection)
    for demand in demands:
        _add(connection, demand, now)
    return now


def _take_back(demands: Sequence[Demand], then: int, connection: sa.Connection) -> None:
    for meter, period, end, amount, _ in demands:
        place = _place(meter, period, end, then)
        left = amounts.update().where(*place).values(amount=sa.func.greatest(amounts.c.amount - amount, 0))
        connection.execute(left)


def _lack(connection: sa.Connection, demand: Demand, now: int) -> tuple[int, int | None] | None:
    """What is used, and how long to wait, where the demand finds too little."""
    _, _, _, amount, limit = demand
    used = _used(connection, demand, now)
    if used + amount <= limit:
        return None
    return used, _wait(connection, demand, used, now)


def _used(connection: sa.Connection, demand: Demand, now: int) -> int:
    live = sa.select(sa.func.coalesce(sa.func.sum(amounts.c.amount), 0)).where(*_live(demand, now))
    return int(connection.execute(live).scalar_one())


def _wait(connection: sa.Connection, demand: Demand, used: int, now: int) -> int | None:
    """Milliseconds until it would be granted, if nothing else is; None: never."""
    _, period, end, amount, limit = demand
    if amount > limit:
        return None
    width = _width(period)
    lasts = 0 if end is not None else _PARTS + 1
    excess = used + amount - limit
    rows = sa.select(amounts.c.slot, amounts.c.amount).where(*_live(demand, now)).order_by(amounts.c.slot)
    for row in connection.execute(rows):
        excess -= row.amount
        if excess <= 0:
            return max(0, (int(row.slot) + lasts) * width - now)
    return None


def _add(connection: sa.Connection, demand: Demand, now: int) -> None:
    meter, period, end, amount, _ = demand
    over = sa.and_(_of(meter, period, end), amounts.c.slot < _first(period, end, now))
    connection.execute(amounts.delete().where(over))
    row = {"meter": meter, "period": period, "ends": end is not None, "slot": _slot(period, end, now), "amount": amount}
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 (SQLite does without)

    added = insert(amounts).values(**row)
    more = {"amount": amounts.c.amount + added.excluded.amount}
    connection.execute(added.on_conflict_do_update(constraint=amounts.primary_key, set_=more))


def _live(demand: Demand, now: int) -> tuple[sa.ColumnElement[bool], ...]:
    meter, period, end, _, _ = demand
    return _of(meter, period, end), amounts.c.slot >= _first(period, end, now)


def _place(meter: int, period: int, end: int | None, now: int) -> tuple[sa.ColumnElement[bool], ...]:
    return _of(meter, period, end), amounts.c.slot == _slot(period, end, now)


def _of(meter: int, period: int, end: int | None) -> sa.ColumnElement[bool]:
    return sa.and_(amounts.c.meter == meter, amounts.c.period == period, amounts.c.ends == (end is not None))


def _first(period: int, end: int | None, now: int) -> int:
    """The first slot that counts still."""
    current = now // _width(period)
    return current + 1 if end is not None else current - _PARTS


def _slot(period: int, end: int | None, now: int) -> int:
    width = _width(period)
    current = now // width
    if end is None:
        return current
    return min(max(-(-end // width), current + 1), current + 1 + _PARTS)


def _width(period: int) -> int:
    """Of a slot, in milliseconds."""
    return max(1, -(-period // _PARTS))
