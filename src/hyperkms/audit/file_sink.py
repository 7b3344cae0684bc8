"""Records in a local file: appended, and fsynced in groups before anyone is told."""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from hyperkms.audit.log_file import KeyedPlace, LogFile, removed, require_room, unwritable
from hyperkms.audit.record import KEYED_SIGNATURE, Encoded, Record
from hyperkms.audit.sink import Group, Position, Ticket, settle_all
from hyperkms.errors import Unavailable
from hyperkms.state.gathering import next_group

MAX_GROUP = 512
QUICK_S = 250e-6
"""A write and its fsync that take less are done where they are wanted: another thread would have to be woken, and
would then contend with this one for the interpreter."""
STALL_S = 5e-3
_LAST = 15


class Observer(Protocol):
    """Told of each group before its tickets are settled; it must neither wait nor raise."""

    def committed(self, size: int) -> None:
        """So many records are durable."""

    def commit_failed(self, size: int) -> None:
        """So many are not."""


class KeyedLines(Protocol):
    """Follows the signatures under an Idempotency-Key through the logs of this process."""

    def announce(self, log: str, length: int) -> None:
        """A log of this many bytes is about to get its first; waits for the database. Unavailable if that is away."""

    def wrote(self, log: str, places: Sequence[KeyedPlace]) -> None:
        """These lines are written, and not yet durable."""


class FileSink:
    """One file a process, `<UTC time>-<log id>.jsonl`, mode 0600, never opened twice.

    A thread takes every record that waits, writes them with one write and one fsync, then releases
    them together. After a write that failed, what follows goes to a new file, and so it does after a
    crash: nothing is appended to half a line. After a failed fsync nothing is written any more, since
    the kernel may have dropped what it was given. What was not released is taken back in both cases.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fsync: Callable[[int], None] = os.fsync,
        observer: "Observer | None" = None,
        keyed: "KeyedLines | None" = None,
    ) -> None:
        self._folder = folder
        self._fsync = fsync
        self._observer = observer
        self._keyed = keyed
        self._file: LogFile | None = LogFile.create(folder)
        self._failure: Unavailable | None = None
        self._had_no_room = False
        self._closed = False
        self._queue: queue.SimpleQueue[Sequence[Group] | None] = queue.SimpleQueue()
        self._taken_s: deque[float] = deque(maxlen=_LAST)
        self._taking = threading.Lock()
        self._announcing = threading.Lock()
        self._writing = threading.Lock()
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
            if not self._closed:
                self._queue.put([group])
                return
        settle_all([(group, Unavailable("record-closed", "the record is closed: the service is stopping"))])

    def write_here(self, group: Group) -> bool:
        """Write and settle these in the calling thread, as long as the disk answers at once.

        That it does is judged by the last groups: most under 250 us, none over 5 ms. A disk that stalls holds
        the caller once, and is left to the writing thread from then on until it is quick again.
        """
        if not self._is_quick() or not self._queue.empty() or not self._writing.acquire(blocking=False):
            return False
        try:
            if self._closed:
                return False
            self._commit([group])
            return True
        finally:
            self._writing.release()

    def _is_quick(self) -> bool:
        taken = sorted(self._taken_s)
        return len(taken) == _LAST and taken[-1] < STALL_S and taken[_LAST // 2] < QUICK_S

    @property
    def is_announced(self) -> bool:
        """Whether the log of the next line takes signatures under an Idempotency-Key."""
        return self._keyed is None or (self._file is not None and self._file.is_announced)

    def announce(self) -> None:
        """Let it take them; waits for the disk and the database, and is not called by who holds a lock of that."""
        with self._announcing:
            with self._writing:
                file = self._at_hand()
                length = file.length
            if self._keyed is not None and not file.is_announced:
                self._keyed.announce(file.log, length)
                file.is_announced = True

    def check(self) -> None:
        """Unavailable once an fsync has failed, while no file can be made, and while a disk that was full still is."""
        if self._failure:
            raise self._failure
        if not self._thread.is_alive():
            raise Unavailable("record-closed", "nothing writes the record any more; restart the service")
        with self._writing:
            self._at_hand()
            if self._had_no_room:
                require_room(self._folder)
                self._had_no_room = False

    def close(self) -> None:
        """Write what was taken, then take no more."""
        with self._taking:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        with self._writing:
            if self._file:
                self._file.close()

    def _run(self) -> None:
        ended = False
        while not ended:
            groups, ended = next_group(self._queue, MAX_GROUP)
            if groups:
                with self._writing:
                    self._commit(groups)

    def _commit(self, groups: Sequence[Group]) -> None:
        """Release these groups if all of them are durable, else fail all of them."""
        records = [record for group in groups for record in group.records]
        try:
            first = self._write(records)
        except Exception as error:  # noqa: BLE001 (whoever waits must be told, whatever happened)
            failure = error if isinstance(error, Unavailable) else unwritable(error)
            if self._observer:
                self._observer.commit_failed(len(records))
            settle_all([(group, failure) for group in groups])
            return
        if self._observer:
            self._observer.committed(len(records))
        places = accumulate((len(group.records) for group in groups[:-1]), initial=first.index)
        settle_all([(group, Position(first.log, place)) for group, place in zip(groups, places, strict=True)])

    def _write(self, records: Sequence[Encoded]) -> Position:
        if self._failure:
            raise self._failure
        file = self._at_hand()
        self._require_announced(file, records)
        started, before = time.perf_counter(), file.length
        try:
            written = file.write(records)
        except Exception as error:
            self._had_no_room = True
            if not file.starts_again():
                self._file = None
                file.take_back(before)
            raise unwritable(error) from error
        if self._keyed and written.keyed:
            self._keyed.wrote(file.log, written.keyed)
        try:
            self._fsync(file.descriptor)
        except Exception as error:
            self._file = None
            self._failure = unwritable(error)
            file.take_back(before)
            raise self._failure from error
        self._taken_s.append(time.perf_counter() - started)
        if not file.is_in_place():
            self._file = None
            file.abandon()
            raise removed()
        self._had_no_room = False
        return written.first

    def _require_announced(self, file: LogFile, records: Sequence[Encoded]) -> None:
        """The writer waits for no database: a change holds its lock while it waits for its line in the record."""
        if self._keyed is None or file.is_announced or all(one.kind != KEYED_SIGNATURE for one in records):
            return
        words = "the record goes on in a new file, which takes no request with an Idempotency-Key yet; ask again"
        raise Unavailable("record-unwritable", words)

    def _at_hand(self) -> LogFile:
        if self._file is not None and not self._file.is_in_place():
            self._file.abandon()
            self._file = None
        if self._file is None:
            self._file = LogFile.create(self._folder)
        return self._file
