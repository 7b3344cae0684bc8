"""Where records go, and how one learns that its record is durable."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from hyperkms.audit.record import Encoded, Record, encode
from hyperkms.errors import Unavailable


class Position(msgspec.Struct, frozen=True):
    """Where a durable record stands: the log's origin id and the line in it, from 0."""

    log: str
    index: int
    end: int
    """The byte of the log after the line."""
    keyed: int
    """How many signatures under an Idempotency-Key stand in the log before it."""


Waiter: TypeAlias = tuple[asyncio.AbstractEventLoop, Callable[[], object]]
"""What is to be called in which loop's thread."""


class Ticket:
    """A record that was handed over; settled once, by the thread that writes.

    It is waited for by a thread (`wait`) or by an event loop (`released`, `then`), by one of them only.
    """

    __slots__ = ("_event", "_outcome", "_waiter", "record")

    def __init__(self, record: Record) -> None:
        self.record: Encoded = encode(record)
        self._outcome: Position | Unavailable | None = None
        self._event: threading.Event | None = None
        self._waiter: Waiter | None = None

    @property
    def settled(self) -> bool:
        """Whether the outcome is known."""
        return self._outcome is not None

    def wait(self) -> Position:
        """Block until the record is durable; Unavailable if it cannot be."""
        self._event = threading.Event()
        # The writer looks for the event after it has set the outcome, so one of the two sees the other.
        if self._outcome is None:
            self._event.wait()
        return self.position()

    async def released(self) -> Position:
        """The same without blocking a thread."""
        loop = asyncio.get_running_loop()
        settled = loop.create_future()

        def wake() -> None:
            if not settled.done():  # a caller that went away cancelled it
                settled.set_result(None)

        self._waiter = (loop, wake)
        if self._outcome is None:
            await settled
        return self.position()

    def then(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Have this called in the loop's thread once the outcome is known; ask for it before the ticket can settle."""
        self._waiter = (loop, call)

    def position(self) -> Position:
        """Where the durable record stands; Unavailable if it cannot be made durable, or is not yet."""
        if isinstance(self._outcome, Position):
            return self._outcome
        if self._outcome is None:
            raise Unavailable("record-unwritable", "the record is not durable; no signature leaves without it")
        raise Unavailable(self._outcome.code, self._outcome.message) from self._outcome

    def settle(self, outcome: Position | Unavailable) -> "Waiter | None":
        """For the writer: set the outcome; answers who must be called."""
        self._outcome = outcome
        if self._event is not None:
            self._event.set()
        # Who is called holds this ticket: left here, each request would be a circle for the garbage collector.
        waiter, self._waiter = self._waiter, None
        return waiter


class RecordSink(Protocol):
    """An append-only place for records."""

    def append(self, record: Record) -> Ticket:
        """Take a record; its ticket is settled when it is durable, or cannot be.

        After one failure every later append fails too: a gap is never written over.
        """

    def append_group(self, tickets: Sequence[Ticket]) -> None:
        """Take the records of these tickets, in this order."""

    def write_here(self, tickets: Sequence[Ticket]) -> bool:
        """The same in the calling thread, if that will be quicker than another's help; False if it was not done."""

    def check(self) -> None:
        """Unavailable if records cannot be taken."""

    def close(self) -> None:
        """Write what was taken, then take no more."""


def settle_all(outcomes: Iterable[tuple[Ticket, Position | Unavailable]]) -> None:
    """Settle every ticket and wake each event loop once for all of its own."""
    waiting: dict[asyncio.AbstractEventLoop, list[Callable[[], object]]] = {}
    for ticket, outcome in outcomes:
        waiter = ticket.settle(outcome)
        if waiter is not None:
            waiting.setdefault(waiter[0], []).append(waiter[1])
    for loop, calls in waiting.items():
        _wake(loop, calls)


def _wake(loop: asyncio.AbstractEventLoop, calls: Sequence[Callable[[], object]]) -> None:
    def wake() -> None:
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 (one caller's trouble is not that of the others)
                loop.call_exception_handler({"message": "who waited for a record failed", "exception": error})

    if _is_running(loop):
        wake()
        return
    try:
        loop.call_soon_threadsafe(wake)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the loop's own thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class LoopRecords:
    """The records of one event loop: those of one turn of it are handed over together."""

    def __init__(self, sink: RecordSink, loop: asyncio.AbstractEventLoop) -> None:
        self._sink = sink
        self._loop = loop
        self._gathered: list[Ticket] = []

    def append(self, record: Record) -> Ticket:
        """Take a record; called in the loop's own thread."""
        ticket = Ticket(record)
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(ticket)
        return ticket

    def append_group(self, tickets: Sequence[Ticket]) -> None:
        """Take several."""
        self._sink.append_group(tickets)

    def write_here(self, tickets: Sequence[Ticket]) -> bool:
        """Take several now."""
        return self._sink.write_here(tickets)

    def check(self) -> None:
        """Unavailable if records cannot be taken."""
        self._sink.check()

    def close(self) -> None:
        """The sink is closed by who made it."""

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if not self._sink.write_here(gathered):
            self._sink.append_group(gathered)
