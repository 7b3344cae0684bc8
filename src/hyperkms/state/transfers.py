"""Answers on their way from the record into the table of requests.

A signature under an Idempotency-Key leaves once its line is durable: the line has the key in it. The row
follows within a fraction of a second. Until it is there the process holds the request's name, so nobody
else can take the request for a new one; a process that dies in between has left the line, and a
note in the table `transfers` of how far into its log the rows have come. Whoever looks for a request first
recovers what such a process left.

What dies with a process all at once is its locks on one file: those on names, and the one that says that its log
is being written.
"""

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.gathering import next_group
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.name_locks import NameLocks
from hyperkms.state.request_rows import AnsweredRequest, transfer
from hyperkms.state.schema import transfers

GATHER_S = 0.2
"""So long answers gather for one commit: each blocks who reads the database for a moment."""
MOST_AT_ONCE = 256
"""So many do not wait for more."""
_MOST_WAITING = 10_000
_GIVEN_UP_AFTER = 100_000
"""A line after which so many have come, more than ever wait, gets no row: its answer went to nobody."""
_RETRY_S = 1.0
_ADVANCE = transfers.update().where(transfers.c.log == sa.bindparam("of")).values(done=sa.bindparam("to"))


@dataclass(frozen=True)
class Transfer:
    """An answer whose line is durable."""

    answered: AnsweredRequest
    log: str
    index: int
    """Of its line."""
    done: Callable[[], None]
    """Called in any thread once its row is durable: now its name may be given back."""


@dataclass(frozen=True)
class LeftLog:
    """A log of a process that died with answers that may have no row."""

    log: str
    start: int
    """Lines before this byte have their rows."""


class _Progress:
    """How far the rows of one log have come: answers may come in another order than their lines."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._written = 0
        self._without_row: dict[int, tuple[int, int]] = {}
        """Where each line begins, and how many were written before it, by its number; in the order of the lines."""
        self._changing = threading.Lock()

    def wrote(self, number: int, start: int, end: int) -> None:
        with self._changing:
            self._without_row[number], self._end = (start, self._written), end
            self._written += 1
            first = next(iter(self._without_row))
            if self._written - self._without_row[first][1] > _GIVEN_UP_AFTER:
                del self._without_row[first]

    def has_row(self, number: int) -> None:
        with self._changing:
            self._without_row.pop(number, None)

    def done(self) -> int:
        """Every line before this byte has its row, or needs none."""
        with self._changing:
            return next((start for start, _ in self._without_row.values()), self._end)


class Transfers:
    """Carries answers over."""

    def __init__(self, work: GroupedWork, locks: NameLocks) -> None:
        self._work = work
        self._locks = locks
        self._own: dict[str, _Progress] = {}
        self._queue: queue.SimpleQueue[Sequence[Transfer] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="transfers", daemon=True)

    def announce(self, log: str, length: int) -> None:
        """A log of this process, of so many bytes, is about to get the first line that will need a row.

        Durable when it returns; Unavailable if it cannot be.
        """
        if not self._locks.take(_lock_of(log)):
            raise Unavailable("record-unwritable", "another process writes the same log; no signature leaves")
        self._own.setdefault(log, _Progress(length))

        def write(connection: sa.Connection) -> None:
            forget(connection, [log])  # an attempt whose end nobody heard of
            connection.execute(transfers.insert(), {"log": log, "done": length})

        self._work.write(write).result()
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def wrote(self, log: str, places: Iterable[tuple[int, int, int]]) -> None:
        """These lines need rows: the number of each, and the bytes where it begins and ends."""
        for number, start, end in places:
            self._own[log].wrote(number, start, end)

    def require_room(self) -> None:
        """Unavailable while too many answers wait for their rows: the database takes none."""
        if self._queue.qsize() > _MOST_WAITING:
            raise Unavailable("database-unavailable", "the database has not taken the answers of earlier requests")

    def left(self, connection: sa.Connection) -> Sequence[LeftLog]:
        """Logs of dead processes whose lines are to be recovered before any request can be called new."""
        rows = connection.execute(sa.select(transfers)).all()
        return [LeftLog(row.log, row.done) for row in rows if self._is_left(row.log)]

    def put(self, one: Transfer) -> None:
        """Take an answer that is durable."""
        self._queue.put([one])
        if self._queue.qsize() >= MOST_AT_ONCE:
            self._hurry.set()

    def close(self) -> None:
        """Carry over what was taken. What the database does not take now, the next process will recover."""
        self._closing.set()
        self._hurry.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _is_left(self, log: str) -> bool:
        return log not in self._own and not self._locks.is_held_elsewhere(_lock_of(log))

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = next_group(self._queue, MOST_AT_ONCE)
            if not ended and len(group) < MOST_AT_ONCE:
                self._hurry.wait(GATHER_S)
            self._hurry.clear()
            if not ended and not self._queue.empty():
                more, ended = next_group(self._queue, MOST_AT_ONCE)
                group += more
            if group and not self._carry_over(group):
                return
        with suppress(HyperkmsError):  # the next process finds nothing to recover in these
            self._work.write(lambda connection: forget(connection, self._own)).result()

    def _carry_over(self, group: Sequence[Transfer]) -> bool:
        """Until it is done; False if this process ends before."""
        for one in group:
            self._own[one.log].has_row(one.index)
        while True:
            try:
                self._work.write(lambda connection: self._write(connection, group)).result()
            except Exception:  # noqa: BLE001 (names are held until it is done; who asks for the database is told why)
                if self._closing.wait(_RETRY_S):
                    return False
            else:
                for one in group:
                    with suppress(OSError):  # what this process cannot unlock, its end will
                        one.done()
                return True

    def _write(self, connection: sa.Connection, group: Sequence[Transfer]) -> None:
        transfer(connection, [one.answered for one in group])
        logs = {one.log for one in group}
        connection.execute(_ADVANCE, [{"of": log, "to": self._own[log].done()} for log in logs])


def forget(connection: sa.Connection, logs: Collection[str]) -> None:
    """Nothing in these logs needs a row any more."""
    connection.execute(transfers.delete().where(transfers.c.log.in_(logs)))


def _lock_of(log: str) -> bytes:
    """A request's name begins with that of a client, never with a zero byte."""
    return b"\0" + log.encode()
