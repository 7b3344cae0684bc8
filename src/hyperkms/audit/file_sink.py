"""Records in a local file: appended, and fsynced in groups before anyone is told."""

import os
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

from hyperkms.audit.record import SignatureRecord, encode
from hyperkms.audit.sink import Position
from hyperkms.errors import Unavailable

MAX_GROUP = 512
_Waiting = tuple[SignatureRecord, "Future[Position]"]


class FileSink:
    """One file a process, `<UTC time>-<origin id>.jsonl`, mode 0600, never opened twice.

    A thread takes every record that waits, writes them with one write and one fsync, then releases
    them together. A file that a crash cut short is never appended to: the next process has its own.
    """

    def __init__(self, folder: Path, *, fsync: Callable[[int], None] = os.fsync) -> None:
        self.log = secrets.token_hex(16)
        self._fsync = fsync
        self._path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self.log}.jsonl"
        self._descriptor = _create(self._path)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._failure: Unavailable | None = None
        self._closed = False
        self._taking = threading.Lock()
        self._next = 0
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def append(self, record: SignatureRecord) -> "Future[Position]":
        """Take a record; the future is done when its line is on the disk."""
        future: Future[Position] = Future()
        with self._taking:
            if self._closed:
                future.set_exception(Unavailable("record-closed", "the record is closed: the service is stopping"))
            else:
                self._queue.put((record, future))
        return future

    def check(self) -> None:
        """Unavailable once a write or fsync has failed."""
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Write what was taken, then take no more."""
        with self._taking:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        os.close(self._descriptor)
        if self._next == 0 and self._failure is None:
            self._path.unlink(missing_ok=True)  # nothing was signed: an empty file says nothing

    def _run(self) -> None:
        while True:
            group, ended = self._take_group()
            if group:
                self._commit(group)
            if ended:
                return

    def _take_group(self) -> tuple[Sequence[_Waiting], bool]:
        group: list[_Waiting] = []
        entry = self._queue.get()
        while entry is not None:
            group.append(entry)
            if len(group) == MAX_GROUP or self._queue.empty():
                return group, False
            entry = self._queue.get_nowait()
        return group, True

    def _commit(self, group: Sequence[_Waiting]) -> None:
        first = self._next
        try:
            self.check()
            lines = [encode(self.log, first + number, record) for number, (record, _) in enumerate(group)]
            _write_all(self._descriptor, b"".join(lines))
            self._fsync(self._descriptor)
        except Exception as error:  # noqa: BLE001 (whatever it is, nothing of this group may be released)
            # After a failed fsync the kernel may have dropped the pages: the file is not to be trusted.
            self._failure = self._failure or _unwritable(error)
            for _, future in group:
                future.set_exception(self._failure)
            return
        self._next += len(group)
        for number, (_, future) in enumerate(group):
            future.set_result(Position(self.log, first + number))


def _create(path: Path) -> int:
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for place in (folder, folder.parent):
            _sync_directory(place)
    except OSError as error:
        raise _unwritable(error) from error
    return descriptor


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _unwritable(error: Exception) -> Unavailable:
    reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return Unavailable("record-unwritable", f"the record cannot be written ({reason}); no signature leaves without it")
