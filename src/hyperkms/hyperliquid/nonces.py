"""Action nonces: each is used once by a signer, whatever crashes, restarts or turns back the clock.

A nonce is a number of milliseconds. All processes of a host draw from one counter a signer in a mapped
file: max(now, last + 1). The database holds a ceiling, written before any nonce under it is used. A new
process goes on from the counter if that is whole: the file is the one in which it was drawn, since the same
boot. Else it starts above the ceiling, so neither the loss of power nor that of the file brings a number back.

A caller may bring its own nonce. Those are written down one by one, above the ceiling only: below it
a number may have been allocated.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms._core import SharedCounters
from hyperkms.errors import Conflict, Malformed, Unavailable
from hyperkms.state.database import Database
from hyperkms.state.facts import read_within, write_within
from hyperkms.state.schema import caller_nonces, signers
from hyperkms.state.shared_turn import SharedTurn

CEILING_AHEAD_MS = 2_000
RENEW_BELOW_MS = 1_200
"""With less than this left below its ceiling, a signer gets a new one in the background: nobody waits for it."""
_RENEW_TOO_BELOW_MS = 1_600
"""Such a signer has it renewed as well when another one's is, in one transaction."""
_MOST_AT_ONCE = 1_000
CLOCK_AHEAD_MS = 60_000
WINDOW_PAST_MS = 2 * 24 * 3600 * 1000
WINDOW_FUTURE_MS = 24 * 3600 * 1000
KEPT_MS = 3 * 24 * 3600 * 1000
_TAKEN_KEPT_MS = 4 * CLOCK_AHEAD_MS
_FLOOR = "nonce_floor"
"""The fact below which no signer's nonces are, known or not: written by a fence."""


_RAISE = signers.update().where(signers.c.address == sa.bindparam("of")).values(ceiling=sa.bindparam("to"))


class SignerRow(NamedTuple):
    """What the database has of a signer's numbers."""

    counter: int
    ceiling: int
    forgotten: int
    file: str | None


@dataclass
class _Signer:
    counter: int
    ceiling: int
    taken: frozenset[int]


class _Drawn(NamedTuple):
    signer: _Signer
    nonce: int


class ChosenNonces:
    """Accepts the nonces that callers choose; durable before it returns."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._turn = SharedTurn()

    def claim(self, address: str, nonce: int) -> None:
        """Accept a caller's own nonce, once.

        Malformed outside the exchange's window (2 days back, 1 day ahead); Conflict when it was used,
        or may have been allocated or forgotten.
        """
        self.require_in_window(nonce)
        self._turn.take(partial(self._claim, address, nonce))

    def require_in_window(self, nonce: int) -> None:
        """Malformed outside the exchange's window (2 days back, 1 day ahead)."""
        now = self._clock()
        if not now - WINDOW_PAST_MS <= nonce <= now + WINDOW_FUTURE_MS:
            words = f"{nonce} is outside the exchange's window: 2 days back to 1 day ahead of {now}"
            raise Malformed.at("nonce", words, "nonce-outside-window")

    def claim_within(self, connection: sa.Connection, address: str, nonce: int) -> None:
        """Accept a caller's own nonce if this transaction commits; Conflict as for `claim`."""
        row = signer_row(connection, address)
        if nonce <= row.ceiling:
            raise Conflict("nonce-allocated", _below_ceiling(nonce, row.ceiling))
        if nonce <= row.forgotten:
            words = f"nonce {nonce} is so old that its use is no longer remembered; leave out `nonce`"
            raise Conflict("nonce-forgotten", words)
        try:
            connection.execute(caller_nonces.insert().values(address=address, nonce=nonce))
        except IntegrityError as error:
            raise Conflict("nonce-reused", f"nonce {nonce} was used by this signer before") from error
        _forget(connection, address, max(row.forgotten, self._clock() - KEPT_MS))

    def _claim(self, address: str, nonce: int) -> None:
        with self._database.write() as connection:
            self.claim_within(connection, address, nonce)


class Nonces(ChosenNonces):
    """Allocates nonces and accepts those that callers choose; durable before either returns."""

    def __init__(
        self, database: Database, counters: SharedCounters, clock: Callable[[], int], *, boot: str | None
    ) -> None:
        super().__init__(database, clock)
        self._counters = counters
        self._file = None if boot is None else f"{boot} {counters.file}"
        """None: no counter is gone on from."""
        self._signers: dict[str, _Signer] = {}
        self._renewals = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nonces")
        self._renewing = False
        self._low: dict[str, _Drawn] = {}

    def allocate(self, address: str) -> int:
        """The next nonce of a signer (0x and 40 lower-case hex digits), in milliseconds.

        Unavailable when it would be more than 60 s ahead of the clock.
        """
        signer = self._signers.get(address) or self._turn.take(partial(self._load, address))
        while True:
            now = self._clock()
            nonce = self._counters.draw(signer.counter, now=now, limit=now + CLOCK_AHEAD_MS)
            if nonce > signer.ceiling:
                self._turn.take(partial(self._extend, address, signer, nonce))
            elif nonce > signer.ceiling - _RENEW_TOO_BELOW_MS:
                self._renew_soon(address, signer, nonce)
            # A thread that slept here may hold a number whose neighbours are forgotten: it draws again.
            if nonce not in signer.taken and self._clock() <= now + CLOCK_AHEAD_MS:
                return nonce

    def close(self) -> None:
        """Let renewals under way end, and begin no more."""
        self._renewals.shutdown()

    def _renew_soon(self, address: str, signer: _Signer, nonce: int) -> None:
        """Raise the ceiling before it is reached."""
        self._low[address] = _Drawn(signer, nonce)
        if nonce > signer.ceiling - RENEW_BELOW_MS and not self._renewing:
            self._renewing = True
            self._renewals.submit(self._renew)

    def _renew(self) -> None:
        # One that comes while the dictionaries change places may be passed over: its next draw brings it back.
        low, self._low = self._low, {}
        try:
            with suppress(Unavailable):  # whoever reaches its ceiling is told why
                self._turn.take(partial(self._raise_ceilings, dict(islice(low.items(), _MOST_AT_ONCE))))
        finally:
            self._renewing = False

    def _load(self, address: str) -> _Signer:
        if address not in self._signers:
            self._counters.require_in_place()
            self._signers[address] = self._database.write_in_place(partial(self._loaded, address))
        return self._signers[address]

    def _loaded(self, address: str, connection: sa.Connection) -> _Signer:
        row = signer_row(connection, address)
        if not self._is_whole(row):
            self._counters.raise_to(row.counter, floor=row.ceiling)
            connection.execute(signers.update().where(signers.c.address == address).values(file=self._file))
        taken = claimed_within(connection, [address], above=self._counters.read(row.counter), to=row.ceiling)
        return _Signer(row.counter, row.ceiling, frozenset(number for _, number in taken))

    def _is_whole(self, row: SignerRow) -> bool:
        """Whether the counter is at or above every nonce that was ever drawn.

        One that is further below the ceiling than a ceiling is ever written ahead has been put back.
        """
        is_same = self._file is not None and row.file == self._file
        return is_same and self._counters.read(row.counter) >= row.ceiling - CEILING_AHEAD_MS

    def _extend(self, address: str, signer: _Signer, nonce: int) -> None:
        """Write a ceiling above `nonce`, and read which numbers below it callers have taken."""
        if nonce > signer.ceiling:
            self._raise_ceilings({address: _Drawn(signer, nonce)})

    def _raise_ceilings(self, low: Mapping[str, _Drawn]) -> None:
        self._counters.require_in_place()
        ceilings, claimed = self._database.write_in_place(partial(self._ceilings_raised, low))
        for address, (signer, nonce) in low.items():
            # A number drawn before this may still wait for its check, so older ones stay for a while.
            recent = {number for number in signer.taken if number > nonce - _TAKEN_KEPT_MS}
            signer.taken = frozenset(recent.union(number for of, number in claimed if of == address))
            signer.ceiling = ceilings[address]

    def _ceilings_raised(
        self, low: Mapping[str, _Drawn], connection: sa.Connection
    ) -> tuple[Mapping[str, int], Collection[tuple[str, int]]]:
        """The new ceilings, and what callers have taken below them."""
        columns = signers.c.address, signers.c.ceiling, signers.c.file
        rows = connection.execute(sa.select(*columns).where(signers.c.address.in_(low))).all()
        if any(row.file != self._file for row in rows):
            words = "another process numbers the same signers from another nonce file; restart the service"
            raise Unavailable("counter-file-unavailable", words)
        ceilings = {row.address: max(row.ceiling, low[row.address].nonce + CEILING_AHEAD_MS) for row in rows}
        connection.execute(_RAISE, [{"of": address, "to": ceiling} for address, ceiling in ceilings.items()])
        lowest = min(drawn.signer.ceiling for drawn in low.values())
        return ceilings, claimed_within(connection, low, above=lowest, to=max(ceilings.values()))


def signer_row(connection: sa.Connection, address: str) -> SignerRow:
    """Counter, ceiling and what is forgotten of a signer, made if there is none."""
    columns = signers.c.counter, signers.c.ceiling, signers.c.forgotten, signers.c.file
    query = sa.select(*columns).where(signers.c.address == address)
    row = connection.execute(query).one_or_none()
    if row is None:
        # Not a sequence's: what is undone there leaves a place in the nonce file that nobody ever uses.
        place = 1 + (connection.execute(sa.select(sa.func.max(signers.c.counter))).scalar() or 0)
        floor = int(read_within(connection, _FLOOR) or 0)
        connection.execute(signers.insert().values(counter=place, address=address, ceiling=floor, forgotten=0))
        row = connection.execute(query).one()
    return SignerRow(row.counter, row.ceiling, row.forgotten, row.file)


def raise_floor_within(connection: sa.Connection, now: int) -> int:
    """Let every signer begin above this floor once the transaction commits, and answer it.

    It is above all that was ever allocated: no allocation is further ahead of the clock than 60 s, whatever was lost.
    No process may be numbering meanwhile.
    """
    floor = max(now + CLOCK_AHEAD_MS, int(read_within(connection, _FLOOR) or 0))
    write_within(connection, _FLOOR, str(floor))
    ceiling = sa.case((signers.c.ceiling < floor, floor), else_=signers.c.ceiling)
    connection.execute(signers.update().values(ceiling=ceiling, file=None))
    return floor


def take_within(connection: sa.Connection, address: str, nonce: int) -> None:
    """A nonce above the floor was used, as somebody found out: it is neither allocated nor accepted again."""
    signer_row(connection, address)
    row = {"address": address, "nonce": nonce}
    known = sa.and_(*(caller_nonces.c[name] == value for name, value in row.items()))
    if connection.execute(sa.select(caller_nonces.c.nonce).where(known)).first() is None:
        connection.execute(caller_nonces.insert(), row)


def claimed_within(
    connection: sa.Connection, addresses: Collection[str], *, above: int, to: int
) -> list[tuple[str, int]]:
    """Nonces that callers have taken: the address, and the number."""
    between = sa.and_(
        caller_nonces.c.address.in_(addresses), caller_nonces.c.nonce > above, caller_nonces.c.nonce <= to
    )
    rows = connection.execute(sa.select(caller_nonces.c.address, caller_nonces.c.nonce).where(between))
    return [(row.address, row.nonce) for row in rows]


def _forget(connection: sa.Connection, address: str, until: int) -> None:
    """Drop rows up to `until` and remember that they are gone: a clock may be set back later."""
    old = sa.and_(caller_nonces.c.address == address, caller_nonces.c.nonce <= until)
    connection.execute(caller_nonces.delete().where(old))
    connection.execute(signers.update().where(signers.c.address == address).values(forgotten=until))


def _below_ceiling(nonce: int, ceiling: int) -> str:
    return (
        f"nonces up to {ceiling} may have been allocated to this signer, and {nonce} is one of them: "
        "leave out `nonce`, or give one above"
    )
