"""Small pieces of database work of many callers, done in one thread and committed together.

While one group is being committed the next one gathers, so a burst of callers costs a few commits.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.state.database import Database
from hyperkms.state.gathering import next_group

T = TypeVar("T")

MAX_GROUP = 512


class _Access(Enum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class _Piece:
    work: Callable[[sa.Connection], Any]
    access: _Access
    future: "Future[Any]" = field(default_factory=Future)


class GroupedWork:
    """Runs pieces of work in the order in which they were handed over.

    A future is done once what its piece wrote is durable. Where a piece of a group fails, the group is
    undone and each of its pieces done in a transaction of its own, so a piece must bear being done again
    after a rollback. The thread starts with the first piece.
    """

    def __init__(self, database: Database, *, name: str) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[Sequence[_Piece] | None] = queue.SimpleQueue()
        self._taking = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def read(self, work: Callable[[sa.Connection], T]) -> "Future[T]":
        """Take a piece that only reads."""
        return self._take(_Piece(work, _Access.READ))

    def write(self, work: Callable[[sa.Connection], T]) -> "Future[T]":
        """Take a piece that writes."""
        return self._take(_Piece(work, _Access.WRITE))

    def close(self) -> None:
        """Do what was taken, then take no more."""
        with self._taking:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _take(self, piece: _Piece) -> "Future[Any]":
        with self._taking:
            if not self._closed:
                if self._thread.ident is None:
                    self._thread.start()
                self._queue.put([piece])
                return piece.future
        piece.future.set_exception(Unavailable("database-unavailable", "the service is stopping"))
        return piece.future

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = next_group(self._queue, MAX_GROUP)
            # From here on a caller that goes away takes nothing back.
            group = [piece for piece in group if piece.future.set_running_or_notify_cancel()]
            if group:
                self._do(group)

    def _do(self, group: Sequence[_Piece]) -> None:
        try:
            results = self._transact(group)
        except Exception as error:  # noqa: BLE001 (whoever waits must be told, whatever happened)
            self._do_alone(group, error)
            return
        for piece, result in zip(group, results, strict=True):
            piece.future.set_result(result)

    def _do_alone(self, group: Sequence[_Piece], error: Exception) -> None:
        # A database that is away is asked once a group: each piece would wait its full time-out again.
        if len(group) == 1 or isinstance(error, Unavailable):
            for piece in group:
                piece.future.set_exception(error)
            return
        for piece in group:
            self._do([piece])

    def _transact(self, group: Sequence[_Piece]) -> list[Any]:
        writes = any(piece.access is _Access.WRITE for piece in group)
        with self._database.write() if writes else self._database.read() as connection:
            return [piece.work(connection) for piece in group]
