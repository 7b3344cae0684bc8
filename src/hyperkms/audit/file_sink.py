"""Records in local files: appended, and fsynced in groups before anyone is told."""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate

from hyperkms import _core
from hyperkms.audit.copy import RecordCopy
from hyperkms.audit.hands import Hands, stuck
from hyperkms.audit.log import Log, Logs
from hyperkms.audit.log_file import make_folder, unwritable
from hyperkms.audit.log_writer import LogWriter
from hyperkms.audit.record import Record
from hyperkms.audit.sink import Durable, Group, Space, Ticket, settle_all
from hyperkms.audit.space_ahead import RECORD_FULL, only_cancels
from hyperkms.audit.told import HeadWitness, KeyedLines, Observer
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.gathering import next_group

MAX_GROUP = 512
LOOK_S = 1.0
"""So often the writing thread looks whether a head is due."""


class FileSink:
    """A log a process, in files that it makes and nobody opens again for writing; the first with the first record.

    A thread takes every record that waits, writes them with one write and one fsync, then releases
    them together. After a write that failed, what follows goes to a new log, and so it does after a
    crash: nothing is appended to half a line. After a failed fsync nothing is written any more, since
    the kernel may have dropped what it was given. What was not released is taken back in both cases. Where the
    disk does not answer, who waits is refused after a while, and nothing more is taken until it does.
    With durability `os` there is no fsync: a record is durable once the operating system has it.
    `fence` raises Unavailable while this process may release nothing. With a `copy` a record is durable once that has
    it too.
    """

    def __init__(  # noqa: PLR0913 (each by name)
        self,
        logs: Logs,
        *,
        fsync: Callable[[int], None] = os.fsync,
        observer: Observer | None = None,
        keyed: KeyedLines | None = None,
        witness: HeadWitness | None = None,
        fence: Callable[[], None] | None = None,
        copy: RecordCopy | None = None,
    ) -> None:
        make_folder(logs.manifest.folder)
        self._patience_s, self._durability = logs.writing.stuck_after_s, logs.writing.durability
        self._writer = LogWriter(logs, fsync, keyed, witness)
        self._observer = observer
        self._keyed = keyed
        self._fence = fence or _no_fence
        self._copy = copy
        self._closed = False
        self._broken: Unavailable | None = None
        """Why the writing thread has ended, if it did before its time."""
        self._queue: queue.SimpleQueue[Sequence[Group] | None] = queue.SimpleQueue()
        self._is_in_memory = _core.is_in_memory(logs.manifest.folder)
        self._taking = threading.Lock()
        self._announcing = threading.Lock()
        self._writing = threading.Lock()
        self._hands = Hands(self._patience_s, self._waiting_groups)
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def append(self, record: Record, space: Space = Space.ORDINARY) -> Ticket:
        """Take a record; its ticket is settled when its line is on the disk."""
        group = Group(space)
        ticket = group.add(record)
        self.append_group(group)
        return ticket

    def append_group(self, group: Group) -> None:
        """Take several, to be written together, and with others that wait."""
        with self._taking:
            if self._closed:
                refused = closed()
            elif self._broken:
                refused = self._broken
            elif self._hands.is_stuck:
                refused = stuck(self._patience_s)
            else:
                self._queue.put([group])
                return
        settle_all([(group, refused)])

    def write_here(self, group: Group) -> bool:
        """Write and settle these in the calling thread, where the file system is in memory.

        Another thread would have to be woken, and would then contend with this one for the interpreter. A device may
        keep a write waiting for ever, and with it the event loop, which then could not even refuse: what is on one is
        left to the writing thread. A file is never begun or ended here: that goes through the manifest, for which
        one may wait.
        """
        writer = self._writer
        if self._copy or not self._is_in_memory or not self._queue.empty() or not self._writing.acquire(blocking=False):
            return False
        try:
            log = None if self._closed else writer.ready()
            return log is not None and self._commit([group], log)
        finally:
            self._writing.release()

    @property
    def is_announced(self) -> bool:
        """Whether the log of the next line takes signatures under an Idempotency-Key."""
        log = self._writer.log
        return self._keyed is None or (log is not None and log.is_announced)

    def announce(self) -> None:
        """Let it take them; waits for the disk and the database, and is not called by who holds a lock of that."""
        with self._announcing:
            with self._alone():
                log = self._writer.at_hand()
                length = log.length
            if self._keyed is not None and not log.is_announced:
                self._keyed.announce(log.id, length)
                log.is_announced = True

    def keep_space_ahead(self) -> None:
        """From now on have space for cancels on a full disk, as far as there is room for it now."""
        with self._alone():
            self._writer.emergency.keep_space()

    def check(self) -> None:
        """Unavailable once an fsync has failed, while no file can be made, and while a disk that was full still is."""
        self._fence()
        if self._writer.failure:
            raise self._writer.failure
        if not self._thread.is_alive():
            raise Unavailable("record-closed", "nothing writes the record any more; restart the service")
        with self._alone():
            self._writer.check()

    def close(self) -> None:
        """Write what was taken, then take no more."""
        with self._taking:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._hands.close()
        with self._writing:
            self._writer.close()
            if self._copy:
                with suppress(HyperkmsError):  # nobody waits for what is written now
                    self._copy.take(None)

    def _run(self) -> None:
        ended = False
        groups: Sequence[Group] = ()
        try:
            while not ended:
                groups, ended = next_group(self._queue, MAX_GROUP, LOOK_S)
                with self._hands.holding(groups), self._writing:
                    if groups:
                        self._write(groups)
                    else:
                        self._write_head()
                    self._writer.say_what_ended()
        except Exception as error:  # noqa: BLE001 (whoever waits must be told, whatever happened)
            self._break(unwritable(error), groups)

    def _write_head(self) -> None:
        """Nobody waits for a head, nor for its copy."""
        self._writer.write_head_if_due()
        if self._copy and self._writer.log:
            with suppress(HyperkmsError):
                self._copy.take(self._writer.log.file)

    def _break(self, failure: Unavailable, groups: Sequence[Group]) -> None:
        """Nothing is written any more, and nobody waits for it: neither those in hand nor those behind them."""
        with self._writing:
            self._writer.failure = self._writer.failure or failure
        with self._taking:
            self._broken = failure
        self._hands.settle([(group, failure) for group in (*groups, *self._waiting_groups())])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For who may wait, and is refused where the disk does not answer."""
        self._hands.require_free()
        if not self._writing.acquire(timeout=self._patience_s):
            raise stuck(self._patience_s)
        try:
            if self._closed:
                raise closed()
            yield
        finally:
            self._writing.release()

    def _waiting_groups(self) -> Sequence[Group]:
        """Taken from the queue for good; the end of it stays in it."""
        found: list[Group] = []
        with suppress(queue.Empty):
            while True:
                entry = self._queue.get_nowait()
                if entry is None:
                    self._queue.put(None)
                    break
                found += entry
        return found

    def _write(self, groups: Sequence[Group]) -> None:
        writer = self._writer
        if (writer.emergency.is_on and not writer.leave_emergency()) or not self._commit(groups):
            writer.emergency.is_on = True
            for group in groups:
                self._write_in_emergency(group)

    def _write_in_emergency(self, group: Group) -> None:
        """Each for itself: a piece of the space ahead is small, and what does not fit is refused alone."""
        failure = only_cancels()
        if group.space is Space.AHEAD:
            if self._commit([group]):
                return
            try:
                self._writer.use_space_ahead()
            except Unavailable as none_left:
                failure = none_left
            else:
                if self._commit([group]):
                    return
        self._failed([group], failure)

    def _commit(self, groups: Sequence[Group], ready: Log | None = None) -> bool:
        """Release these groups if all of them are durable, else fail all of them.

        False if the disk is full and there is space ahead: then nothing has become of them.
        """
        records = [record for group in groups for record in group.records]
        try:
            self._fence()
            log, written, head = self._writer.write(records, ready)
            if self._copy and self._writer.log:
                self._copy.take(self._writer.log.file)
            self._fence()  # what was lost while the disk was slow is lost
        except Exception as error:  # noqa: BLE001 (whoever waits must be told, whatever happened)
            failure = error if isinstance(error, Unavailable) else unwritable(error)
            if failure.code == RECORD_FULL:
                return False
            self._failed(groups, failure)
            return True
        if self._observer:
            self._observer.committed(len(records))
        first, leaves, durability = written.lines.first, written.lines.leaves, self._durability
        places = accumulate((len(group.records) for group in groups[:-1]), initial=0)
        self._hands.settle(
            [
                (group, Durable(log, first + place, leaves[place : place + len(group.records)], head, durability))
                for group, place in zip(groups, places, strict=True)
            ]
        )
        return True

    def _failed(self, groups: Sequence[Group], failure: Unavailable) -> None:
        if self._observer:
            self._observer.commit_failed(sum(len(group.records) for group in groups))
        self._hands.settle([(group, failure) for group in groups])


def _no_fence() -> None:
    """Nobody else writes."""


def closed() -> Unavailable:
    """The refusal once the record takes no more."""
    return Unavailable("record-closed", "the record is closed: the service is stopping")
