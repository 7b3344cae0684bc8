"""Where records go, and how one learns that its record is durable."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Protocol, TypeAlias

import msgspec

from hyperkms.audit.record import Encoded, Record, encode
from hyperkms.errors import Unavailable


class Position(msgspec.Struct, frozen=True):
    """Where a durable record stands: the log's id and the line in it, from 0."""

    log: str
    index: int
    leaf_hash: str
    """Of the line: 64 hex digits."""
    head: msgspec.Raw
    """The newest head that stands in the log before the lines that were written together, as receipts have it."""
    durability: str


class Durable(msgspec.Struct, frozen=True):
    """Where the records of a group stand."""

    log: str
    first: int
    leaves: Sequence[str]
    """The leaf hash of each."""
    head: msgspec.Raw
    durability: str


Waiters: TypeAlias = tuple[asyncio.AbstractEventLoop, Sequence[Callable[[], object]]]
"""What is to be called in which loop's thread."""


class Space(Enum):
    """Which space of the disk the line of a record may take."""

    ORDINARY = "ordinary"
    AHEAD = "ahead"
    """Where the disk is full, that which was allocated ahead too: for what takes risk away and nothing else."""


class Group:
    """Records that are handed over together: all of them are durable, or none; settled once, by who writes them.

    They are waited for by threads (`Ticket.wait`) or by one event loop (`Ticket.released`, `Ticket.then`).
    """

    __slots__ = ("_calls", "_event", "_loop", "outcome", "records", "space")

    def __init__(self, space: Space = Space.ORDINARY) -> None:
        self.space = space
        self.records: list[Encoded] = []
        self.outcome: Durable | Unavailable | None = None
        """Where they stand, or why none can be made durable; None as long as it is open."""
        self._event: threading.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: list[Callable[[], object]] = []

    def add(self, record: Record) -> "Ticket":
        """Take one more; not once the group is handed over."""
        self.records.append(encode(record))
        return Ticket(self, len(self.records) - 1)

    def wait(self) -> None:
        """Block until it is settled."""
        event = self._event = threading.Event()
        # The writer looks for the event after it has set the outcome, so one of the two sees the other.
        if self.outcome is None:
            event.wait()

    def then(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Have this called in the loop's thread once it is settled, if it is not yet."""
        self._loop = loop
        self._calls.append(call)

    def settle(self, outcome: Durable | Unavailable) -> Waiters | None:
        """For the writer: set the outcome; answers who must be called."""
        self.outcome = outcome
        if self._event is not None:
            self._event.set()
        # Who is called holds this group: left here, each request would be a circle for the garbage collector.
        calls, self._calls = self._calls, []
        return (self._loop, calls) if self._loop is not None else None


class Ticket(msgspec.Struct, frozen=True, eq=False):
    """A record that was handed over, in its place among those that were with it."""

    group: Group
    number: int

    @property
    def settled(self) -> bool:
        """Whether the outcome is known."""
        return self.group.outcome is not None

    def wait(self) -> Position:
        """Block until the record is durable; Unavailable if it cannot be."""
        self.group.wait()
        return self.position()

    async def released(self) -> Position:
        """The same without blocking a thread."""
        await self.settling()
        return self.position()

    async def settling(self) -> None:
        """Return once the outcome is known."""
        loop = asyncio.get_running_loop()
        settled = loop.create_future()

        def wake() -> None:
            if not settled.done():  # a caller that went away cancelled it
                settled.set_result(None)

        self.group.then(loop, wake)
        if not self.settled:
            await settled

    def then(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Have this called in the loop's thread once the outcome is known; ask for it before the ticket can settle."""
        self.group.then(loop, call)

    def position(self) -> Position:
        """Where the durable record stands; Unavailable if it cannot be made durable, or is not yet."""
        outcome = self.group.outcome
        if isinstance(outcome, Durable):
            number = self.number
            leaf = outcome.leaves[number]
            return Position(outcome.log, outcome.first + number, leaf, outcome.head, outcome.durability)
        if outcome is None:
            raise Unavailable("record-unwritable", "the record is not durable; no signature leaves without it")
        raise Unavailable(outcome.code, outcome.message) from outcome


class RecordSink(Protocol):
    """An append-only place for records."""

    def append(self, record: Record, space: Space = Space.ORDINARY) -> Ticket:
        """Take a record; its ticket is settled when it is durable, or cannot be.

        After one failure every later append fails too: a gap is never written over.
        """

    def append_group(self, group: Group) -> None:
        """Take these records."""

    def write_here(self, group: Group) -> bool:
        """The same in the calling thread, if that will be quicker than another's help; False if it was not done."""

    @property
    def is_announced(self) -> bool:
        """Whether the next records may be of signatures under an Idempotency-Key; else `announce` comes first."""

    def announce(self) -> None:
        """Let them be; waits. Unavailable if they cannot."""

    def check(self) -> None:
        """Unavailable if records cannot be taken."""

    def close(self) -> None:
        """Write what was taken, then take no more."""


def settle_all(outcomes: Iterable[tuple[Group, Durable | Unavailable]]) -> None:
    """Settle every group and wake each event loop once for all of its own."""
    waiting: dict[asyncio.AbstractEventLoop, list[Callable[[], object]]] = {}
    for group, outcome in outcomes:
        waiters = group.settle(outcome)
        if waiters is not None:
            waiting.setdefault(waiters[0], []).extend(waiters[1])
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
        self._gathered: dict[Space, Group] = {}

    def append(self, record: Record, space: Space = Space.ORDINARY) -> Ticket:
        """Take a record; called in the loop's own thread."""
        group = self._gathered.get(space)
        if group is None:
            group = self._gathered[space] = Group(space)
            self._loop.call_soon(self._hand_over, group)
        return group.add(record)

    def append_group(self, group: Group) -> None:
        """Take several."""
        self._sink.append_group(group)

    def write_here(self, group: Group) -> bool:
        """Take several now."""
        return self._sink.write_here(group)

    @property
    def is_announced(self) -> bool:
        """As the sink says."""
        return self._sink.is_announced

    def announce(self) -> None:
        """As the sink does."""
        self._sink.announce()

    def check(self) -> None:
        """Unavailable if records cannot be taken."""
        self._sink.check()

    def close(self) -> None:
        """The sink is closed by who made it."""

    def _hand_over(self, group: Group) -> None:
        del self._gathered[group.space]
        if not self._sink.write_here(group):
            self._sink.append_group(group)
