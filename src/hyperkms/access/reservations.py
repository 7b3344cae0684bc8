"""What limits over time have left: reserved before anything is signed, exact over all processes of a host.

Each limit of a rule has a meter, whose number stands in the database and whose amounts stand in a mapped file: they
outlive the death of a process. After a loss of power they are counted again from the record, which holds the amounts
of every signature (`Reservations.ensure_whole`); until that is done nothing is reserved.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa

from hyperkms._core import Meters
from hyperkms.access.policy.document import span_of
from hyperkms.access.policy.verdicts import Demand, Source
from hyperkms.errors import Refused
from hyperkms.state.database import Database
from hyperkms.state.facts import read_within, write_within
from hyperkms.state.full_windows import windows_full_at
from hyperkms.state.schema import meters as table
from hyperkms.state.shared_meters import SharedMeters

_FILE = "meters"
"""The fact that says in which file, since which boot, the amounts are whole."""
_UNITS = {"max_notional": "USD", "max_outstanding": "USD outstanding", "max_transfers": "USDC", "max_orders": "orders"}
_MICRO = 10**6
Bare: TypeAlias = tuple[int, int, int | None, int, int]
_NO_METER = 0
"""Numbers are from 1."""


class Reservation(NamedTuple):
    """Amounts that a request has taken; given back if it comes to nothing."""

    demands: list[Demand]
    at: int
    """From when on they count."""

    @property
    def shown(self) -> list[list[int]]:
        """For the record: meter, period, amount, end (0 for none) of each demand."""
        return [[one.meter, one.period, one.amount, one.end or 0] for one in self.demands]


class Lacking(NamedTuple):
    """The demand that found too little."""

    demand: Demand
    used: int
    wait_ms: int | None


class Reservations:
    """The meters of a data directory."""

    def __init__(
        self, database: Database, meters: Meters | SharedMeters, clock: Callable[[], int], *, boot: str | None
    ) -> None:
        self._database = database
        self._meters = meters
        self._clock = clock
        self._file = None if boot is None else f"{boot} {meters.file}"
        self._numbers: dict[str, int] = {}
        self._full_at = windows_full_at(database)

    def meter_of(self, name: str) -> int:
        """The number of the meter of this name, made if there is none; waits for the database once a name."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._find(name)
        return number

    def known_meter(self, name: str) -> int:
        """The same for who only asks; one in which nothing was ever counted if there is none."""
        number = self._numbers.get(name)
        if number is None:
            with self._database.read() as connection:
                number = _number_of(connection, name)
        return number or _NO_METER

    def reserve(self, demands: list[Demand]) -> Reservation | Lacking:
        """Take all, or nothing. The clock is read now: the request may have waited since it came."""
        full = self._full(demands)
        if full is not None:
            return full
        answer = self._meters.reserve([_bare(one) for one in demands], now=self._clock())
        if isinstance(answer, int):
            return Reservation(demands, answer)
        place, used, wait = answer
        return Lacking(demands[place], used, wait)

    def lacks(self, demands: list[Demand]) -> Lacking | None:
        """The demand that would find too little now; nothing is taken."""
        full = self._full(demands)
        if full is not None:
            return full
        for one in demands:
            if one.meter == _NO_METER and one.amount > one.limit:
                return Lacking(one, 0, None)
        there = [one for one in demands if one.meter != _NO_METER]
        lack = self._meters.lacks([_bare(one) for one in there], now=self._clock()) if there else None
        return None if lack is None else Lacking(there[lack[0]], lack[1], lack[2])

    def watch(self, demands: list[Demand]) -> tuple[Reservation, Lacking | None]:
        """Count all whatever the limits, for a policy that only watches; with the first that would have lacked."""
        short = self.lacks(demands)
        counted = self._meters.count([_bare(one) for one in demands], now=self._clock())
        return Reservation(demands, counted), short

    def give_back(self, reservation: Reservation) -> None:
        """A request came to nothing: what it took is there again."""
        self._meters.give_back([_bare(one) for one in reservation.demands], then=reservation.at)

    def used(self, meter: int, period: int, *, is_outstanding: bool) -> int:
        """What a meter counts now."""
        now = self._clock()
        return self._meters.used((meter, period, now if is_outstanding else None, 0, 0), now=now)

    def require_in_place(self) -> None:
        """Unavailable when the file of the meters was replaced."""
        self._meters.require_in_place()

    def ensure_whole(self, spent: Callable[[], Iterable[tuple[int, Sequence[Sequence[int]]]]]) -> int | None:
        """If the file may have lost amounts (another boot, another file), count them again from the record.

        `spent` answers the time of each signature and what it had reserved, as in the record. Answers how many
        signatures were counted; None if the file was whole. Other processes that start wait for it.
        """
        with self._database.read() as connection:
            if self._is_whole(connection):
                return None
        with self._database.write() as connection:
            if self._is_whole(connection):
                return None
            meters = self._meters.within(connection) if isinstance(self._meters, SharedMeters) else self._meters
            meters.clear()
            counted, latest = 0, 0
            for time, reserved in spent() if _has_any(connection) else ():
                latest = max(latest, time)  # an amount that is counted late counts for longer
                demands = [(meter, period, end or None, amount, 0) for meter, period, amount, end in reserved]
                meters.count(demands, now=latest)
                counted += 1
            write_within(connection, _FILE, self._file or "")
            return counted

    def _full(self, demands: list[Demand]) -> Lacking | None:
        """The demand whose limit counts as fully used since a fence."""
        if self._full_at is None:
            return None
        now = self._clock()
        waits = ((one, self._full_at + one.period - now) for one in demands)
        return next((Lacking(one, one.limit, wait) for one, wait in waits if wait > 0), None)

    def _is_whole(self, connection: sa.Connection) -> bool:
        """Whether every amount is in the file: it is the same one, since the same boot."""
        return self._file is not None and read_within(connection, _FILE) == self._file

    def _find(self, name: str) -> int:
        with self._database.read() as connection:
            found = _number_of(connection, name)
        if found is not None:
            return found
        with self._database.write() as connection:
            found = _number_of(connection, name)
            if found is None:
                made = connection.execute(table.insert().values(name=name, created_at=self._clock()))
                found = made.inserted_primary_key[0] if made.inserted_primary_key else None
            return int(found or 0)


def _number_of(connection: sa.Connection, name: str) -> int | None:
    return connection.execute(sa.select(table.c.number).where(table.c.name == name)).scalar_one_or_none()


def _has_any(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(table.c.number).limit(1)).first() is not None


def lacking(whose: Source, short: Lacking) -> Refused:
    """The refusal where a limit over time has too little left."""
    demand = short.demand
    left = max(0, demand.limit - short.used)
    amount, limit, rest = (_shown(demand, number) for number in (demand.amount, demand.limit, left))
    per = "" if demand.quantity == "max_outstanding" else f" in {span_of(demand.period)}"
    words = f"{whose}, rule {demand.rule!r}: {amount} {_UNITS[demand.quantity]} asked for"
    words = f"{words}, and of {limit}{per} there are {rest} left"
    if short.wait_ms is None:
        words = f"{words}; more than the limit is never granted"
    else:
        words = f"{words}; there is room in {short.wait_ms} ms at the latest"
    details: dict[str, str | int | list[str]] = {
        **whose.member,
        "rule": demand.rule,
        "quantity": demand.quantity,
        "value": amount,
        "limit": limit,
        "left": rest,
    }
    if short.wait_ms is not None:
        details["retryAfterMs"] = short.wait_ms
    return Refused("policy-refused", words, details)


def _bare(demand: Demand) -> Bare:
    return demand.meter, demand.period, demand.end, demand.amount, demand.limit


def _shown(demand: Demand, number: int) -> str:
    if demand.quantity == "max_orders":
        return str(number)
    whole, rest = divmod(number, _MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
