"""Action nonces: each is used once by a signer, whatever crashes, restarts or turns back the clock.

A nonce is a number of milliseconds. All processes of a host draw from one counter a signer in a mapped
file: max(now, last + 1). The database holds a ceiling, written before any nonce under it is used; a new
process starts above it, so neither a crash nor a lost file brings a number back.

A caller may bring its own nonce. Those are written down one by one, above the ceiling only: below it
a number may have been allocated.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms._core import NonceCounters
from hyperkms.errors import Conflict, Malformed
from hyperkms.state.database import Database
from hyperkms.state.schema import caller_nonces, signers

CEILING_AHEAD_MS = 2_000
CLOCK_AHEAD_MS = 60_000
WINDOW_PAST_MS = 2 * 24 * 3600 * 1000
WINDOW_FUTURE_MS = 24 * 3600 * 1000
_KEPT_MS = 3 * 24 * 3600 * 1000


@dataclass
class _Signer:
    counter: int
    ceiling: int
    taken: frozenset[int]
    lock: threading.Lock = field(default_factory=threading.Lock)


class Nonces:
    """Allocates nonces and accepts those that callers choose; durable before either returns."""

    def __init__(self, database: Database, counters: NonceCounters, clock: Callable[[], int]) -> None:
        self._database = database
        self._counters = counters
        self._clock = clock
        self._signers: dict[str, _Signer] = {}
        self._loading = threading.Lock()

    def allocate(self, address: str) -> int:
        """The next nonce of a signer (0x and 40 lower-case hex digits), in milliseconds.

        Unavailable when it would be more than 60 s ahead of the clock.
        """
        signer = self._signer(address)
        while True:
            now = self._clock()
            nonce = self._counters.draw(signer.counter, now=now, limit=now + CLOCK_AHEAD_MS)
            with signer.lock:
                if nonce > signer.ceiling:
                    self._extend(address, signer, nonce)
                if nonce not in signer.taken:
                    return nonce

    def claim(self, address: str, nonce: int) -> None:
        """Accept a caller's own nonce, once.

        Malformed outside the exchange's window (2 days back, 1 day ahead); Conflict when it was used,
        or may have been allocated.
        """
        now = self._clock()
        if not now - WINDOW_PAST_MS <= nonce <= now + WINDOW_FUTURE_MS:
            words = f"{nonce} is outside the exchange's window: 2 days back to 1 day ahead of {now}"
            raise Malformed.at("nonce", words, "nonce-outside-window")
        try:
            with self._database.write() as connection:
                ceiling = _ceiling(connection, address)
                if nonce <= ceiling:
                    raise Conflict("nonce-allocated", _below_ceiling(nonce, ceiling))
                connection.execute(caller_nonces.insert().values(address=address, nonce=nonce))
                old = sa.and_(caller_nonces.c.address == address, caller_nonces.c.nonce < now - _KEPT_MS)
                connection.execute(caller_nonces.delete().where(old))
        except IntegrityError as error:
            raise Conflict("nonce-reused", f"nonce {nonce} was used by this signer before") from error

    def _signer(self, address: str) -> _Signer:
        found = self._signers.get(address)
        if found is not None:
            return found
        with self._loading:
            if address not in self._signers:
                counter, ceiling = self._load(address)
                self._counters.raise_to(counter, floor=ceiling)
                # Nothing up to the ceiling is this process's to use, so its own allowance starts there.
                self._signers[address] = _Signer(counter, ceiling, frozenset())
            return self._signers[address]

    def _load(self, address: str) -> tuple[int, int]:
        wanted = signers.c.address == address
        query = sa.select(signers.c.counter, signers.c.ceiling).where(wanted)
        with self._database.write() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                connection.execute(signers.insert().values(address=address, ceiling=0))
                row = connection.execute(query).one()
        return row.counter, row.ceiling

    def _extend(self, address: str, signer: _Signer, nonce: int) -> None:
        """Write a ceiling above `nonce`, and read which numbers below it callers have taken."""
        with self._database.write() as connection:
            ceiling = max(_ceiling(connection, address), nonce + CEILING_AHEAD_MS)
            connection.execute(signers.update().where(signers.c.address == address).values(ceiling=ceiling))
            between = sa.and_(
                caller_nonces.c.address == address,
                caller_nonces.c.nonce > signer.ceiling,
                caller_nonces.c.nonce <= ceiling,
            )
            taken = connection.execute(sa.select(caller_nonces.c.nonce).where(between)).scalars()
            # A number drawn before this may still wait for its check, so older ones stay for a while.
            recent = {number for number in signer.taken if number > nonce - 2 * CLOCK_AHEAD_MS}
            signer.taken = frozenset(recent.union(taken))
        signer.ceiling = ceiling


def _ceiling(connection: sa.Connection, address: str) -> int:
    found = connection.execute(sa.select(signers.c.ceiling).where(signers.c.address == address)).scalar()
    return int(found or 0)


def _below_ceiling(nonce: int, ceiling: int) -> str:
    return (
        f"nonces up to {ceiling} may have been allocated to this signer, and {nonce} is one of them: "
        "leave out `nonce`, or give one above"
    )
