"""Records in a local file: appended, and fsynced in groups before anyone is told."""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate

import msgspec

from hyperkms import _core
from hyperkms.audit.hands import Hands, stuck
from hyperkms.audit.log import Log, Logs, Written
from hyperkms.audit.log_file import make_folder, removed, require_room, unwritable
from hyperkms.audit.record import KEYED_SIGNATURE, Encoded, Record
from hyperkms.audit.sink import Durable, Group, Ticket, settle_all
from hyperkms.audit.told import HeadWitness, KeyedLines, Observer
from hyperkms.errors import HyperkmsError, Tampered, Unavailable
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
    """

    def __init__(
        self,
        logs: Logs,
        *,
        fsync: Callable[[int], None] = os.fsync,
        observer: Observer | None = None,
        keyed: KeyedLines | None = None,
        witness: HeadWitness | None = None,
    ) -> None:
        make_folder(logs.manifest.folder)
        self._logs = logs
        self._fsync = fsync if logs.writing.durability == "fsync" else _left_to_the_system
        self._observer = observer
        self._keyed = keyed
        self._witness = witness
        self._log: Log | None = None
        self._ended: list[Log] = []
        """Those of which the manifest does not say so yet."""
        self._failure: Unavailable | None = None
        self._had_no_room = False
        self._closed = False
        self._queue: queue.SimpleQueue[Sequence[Group] | None] = queue.SimpleQueue()
        self._is_in_memory = _core.is_in_memory(logs.manifest.folder)
        self._taking = threading.Lock()
        self._announcing = threading.Lock()
        self._writing = threading.Lock()
        self._hands = Hands(logs.writing.stuck_after_s, self._waiting_groups)
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> Ticket:
        """Take a record; its ticket is settled when its line is on the disk."""
        group = Group()
        ticket = group.add(record)
        self.append_group(group)
        return ticket

    def append_group(self, group: Group) -> None:
        """Take several, to be written together, and with others that wait."""
        with self._taking:
            if self._closed:
                refused = Unavailable("record-closed", "the record is closed: the service is stopping")
            elif self._hands.is_stuck:
                refused = stuck(self._logs.writing.stuck_after_s)
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
        if not self._is_in_memory or not self._queue.empty() or not self._writing.acquire(blocking=False):
            return False
        try:
            log = self._log
            if self._closed or log is None or log.is_full or not log.file.is_in_place():
                return False
            self._commit([group])
            return True
        finally:
            self._writing.release()

    @property
    def is_announced(self) -> bool:
        """Whether the log of the next line takes signatures under an Idempotency-Key."""
        return self._keyed is None or (self._log is not None and self._log.is_announced)

    def announce(self) -> None:
        """Let it take them; waits for the disk and the database, and is not called by who holds a lock of that."""
        with self._announcing:
            with self._alone():
                if self._failure:
                    raise self._failure
                log = self._at_hand()
                length = log.length
            if self._keyed is not None and not log.is_announced:
                self._keyed.announce(log.id, length)
                log.is_announced = True

    def check(self) -> None:
        """Unavailable once an fsync has failed, while no file can be made, and while a disk that was full still is."""
        if self._failure:
            raise self._failure
        if not self._thread.is_alive():
            raise Unavailable("record-closed", "nothing writes the record any more; restart the service")
        with self._alone():
            self._leave_a_removed_file()
            if self._had_no_room or self._log is None:
                require_room(self._logs.manifest.folder)
                self._require_manifest()
                self._had_no_room = False

    def close(self) -> None:
        """Write what was taken, then take no more; the last line is a head."""
        with self._taking:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._hands.close()
        with self._writing:
            if self._log and self._log.has_uncovered:
                self._write_head(self._log)
            if self._log:
                self._end(self._log)
            self._say_what_ended()
            for log in self._ended:  # the next start finds that nobody writes them
                log.file.close()

    def _run(self) -> None:
        ended = False
        while not ended:
            groups, ended = next_group(self._queue, MAX_GROUP, LOOK_S)
            with self._hands.holding(groups), self._writing:
                if groups:
                    self._commit(groups)
                elif self._log and self._log.is_head_due:
                    self._write_head(self._log)
                self._say_what_ended()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For who may wait, and is refused where the disk does not answer."""
        self._hands.require_free()
        patience_s = self._logs.writing.stuck_after_s
        if not self._writing.acquire(timeout=patience_s):
            raise stuck(patience_s)
        try:
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

    def _commit(self, groups: Sequence[Group]) -> None:
        """Release these groups if all of them are durable, else fail all of them."""
        records = [record for group in groups for record in group.records]
        try:
            log, written, head = self._write(records)
        except Exception as error:  # noqa: BLE001 (whoever waits must be told, whatever happened)
            failure = error if isinstance(error, Unavailable) else unwritable(error)
            if self._observer:
                self._observer.commit_failed(len(records))
            self._hands.settle([(group, failure) for group in groups])
            return
        if self._observer:
            self._observer.committed(len(records))
        first, leaves, durability = written.lines.first, written.lines.leaves, self._logs.writing.durability
        places = accumulate((len(group.records) for group in groups[:-1]), initial=0)
        self._hands.settle(
            [
                (group, Durable(log, first + place, leaves[place : place + len(group.records)], head, durability))
                for group, place in zip(groups, places, strict=True)
            ]
        )

    def _write(self, records: Sequence[Encoded]) -> tuple[str, Written, msgspec.Raw]:
        """Records in the log at hand, durable: its id, what was written, and the newest head before them."""
        if self._failure:
            raise self._failure
        log = self._at_hand()
        self._require_announced(log, records)
        if log.is_full:
            self._go_on(log)
        head = log.shown_head
        return log.id, self._make_durable(log, lambda: log.write(records)), head

    def _go_on(self, log: Log) -> None:
        """In a further file. Without one nothing more is written, and /ready says it until there is room for one."""
        try:
            log.go_on()
        except HyperkmsError:
            self._had_no_room = True
            raise

    def _make_durable(self, log: Log, write: Callable[[], Written]) -> Written:
        """What was written, kept; or taken back, and the log at hand is another one from then on."""
        try:
            written = write()
        except Exception as error:
            self._had_no_room = True
            if not log.starts_again():
                self._end(log)
            raise unwritable(error) from error
        try:
            if self._keyed and written.lines.keyed:
                self._keyed.wrote(log.id, written.lines.keyed)
        except Exception:
            self._end(log)
            raise
        try:
            self._fsync(log.file.descriptor)
        except Exception as error:
            self._failure = unwritable(error)
            self._end(log)
            raise self._failure from error
        if not log.file.is_in_place():
            self._end(log)
            raise removed()
        self._had_no_room = False
        log.keep(written)
        if self._witness and written.head:
            self._witness.head(log.id, written.head)
        return written

    def _write_head(self, log: Log) -> None:
        """What cannot be written is not told to anyone: nobody waits for a head. The log ends before it."""
        with suppress(Unavailable):
            self._make_durable(log, log.write_head)

    def _require_announced(self, log: Log, records: Sequence[Encoded]) -> None:
        """The writer waits for no database: a change holds its lock while it waits for its line in the record."""
        if self._keyed is None or log.is_announced or all(one.kind != KEYED_SIGNATURE for one in records):
            return
        words = "the record goes on in a new file, which takes no request with an Idempotency-Key yet; ask again"
        raise Unavailable("record-unwritable", words)

    def _at_hand(self) -> Log:
        self._leave_a_removed_file()
        if self._log is None:
            self._say_what_ended()
            self._log = self._logs.begin()
        return self._log

    def _leave_a_removed_file(self) -> None:
        if self._log is not None and not self._log.file.is_in_place():
            self._end(self._log)

    def _end(self, log: Log) -> None:
        """What is not kept is cut off; its lock is held until the manifest says what is."""
        self._log = None
        log.file.cut()
        self._ended.append(log)

    def _require_manifest(self) -> None:
        try:
            with self._logs.manifest.alone() as listing:
                listing.require_sound()
        except Tampered as error:
            raise unwritable(error) from error

    def _say_what_ended(self) -> None:
        """By the writing thread, which may wait for the manifest."""
        if not self._ended:
            return
        with suppress(HyperkmsError), self._logs.manifest.alone() as listing:
            while self._ended:
                listing.append(self._ended[0].closing())
                self._ended.pop(0).file.close()


def _left_to_the_system(_descriptor: int) -> None:
    """Durability `os`: a crash of the machine may lose what it was given last."""
