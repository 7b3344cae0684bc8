"""The processes that serve on one data directory: who runs, and how busy each is.

Each holds a lock on one byte of the counters' file as long as it lives, and has eight cells. The number of
the byte is the label `worker`.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperkms._core import SharedCounters
from hyperkms.metrics.catalogue import LOCKS, POOLS
from hyperkms.metrics.cells import FIRST_WORKER

MOST = 64
_CELLS = 8
_PID, _STARTED_MS, _LOCK, _SERVICE, _WANTED, _ASKED = range(6)
_WRAP = 1 << 64


@dataclass(frozen=True)
class Worker:
    """A process that serves now."""

    number: int
    started_ms: int
    """Milliseconds since 1970."""
    memory_protection: str
    service: int
    """The process that its service began with: its parent if that has several workers, else itself."""
    wanted: int
    """How many workers that service is to have."""
    asked: tuple[int, ...]
    """The work that each pool of threads has been given and not finished."""
    resident: int | None
    """Bytes; None where the system does not say."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """The workers of one service: fewer that run than are wanted means that some are missing."""

    wanted: int
    running: int


class Workers:
    """The cells of the workers, and this process's own once it has entered."""

    def __init__(self, counters: SharedCounters, path: Path, wanted: int) -> None:
        self._counters = counters
        self._wanted = wanted
        self._service = os.getppid() if wanted > 1 else os.getpid()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._mine: int | None = None

    def enter(self, memory_protection: str) -> None:
        """Be one of them from here to the end of the process; beyond 64 a worker goes unlisted."""
        for number in range(MOST):
            if self._locked(number, fcntl.LOCK_EX):
                self._mine = number
                own = (os.getpid(), time.time_ns() // 1_000_000, LOCKS.index(memory_protection))
                for cell, value in enumerate((*own, self._service, self._wanted, *(0 for _ in POOLS))):
                    self._set(number, cell, value)
                return

    def asked(self, pool: int) -> None:
        """A pool was given work."""
        self._add(_ASKED + pool, 1)

    def finished(self, pool: int) -> None:
        """A pool has finished work."""
        self._add(_ASKED + pool, _WRAP - 1)

    def running(self) -> Iterator[Worker]:
        """Those that live, by number."""
        for number in range(MOST):
            if number == self._mine or (self._read(number, _PID) and self._is_alive(number)):
                yield self._worker(number)

    def strength(self) -> Strength:
        """How many workers the service of this process is to have, and has."""
        running = sum(worker.service == self._service for worker in self.running())
        return Strength(wanted=self._wanted, running=running)

    def close(self) -> None:
        """Leave."""
        os.close(self._descriptor)

    def _worker(self, number: int) -> Worker:
        return Worker(
            number,
            self._read(number, _STARTED_MS),
            LOCKS[self._read(number, _LOCK)],
            self._read(number, _SERVICE),
            self._read(number, _WANTED),
            tuple(self._read(number, _ASKED + pool) for pool in range(len(POOLS))),
            _resident(self._read(number, _PID)),
        )

    def _is_alive(self, number: int) -> bool:
        # A shared lock: several pages may be made at once, and none takes another's question for a worker.
        if not self._locked(number, fcntl.LOCK_SH):
            return True
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, self._byte(number))
        return False

    def _locked(self, number: int, kind: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, kind | fcntl.LOCK_NB, 1, self._byte(number))
        except OSError:
            return False
        return True

    def _add(self, cell: int, amount: int) -> None:
        if self._mine is not None:
            self._counters.add(self._cell(self._mine, cell), amount=amount)

    def _set(self, number: int, cell: int, value: int) -> None:
        self._counters.add(self._cell(number, cell), amount=(value - self._read(number, cell)) % _WRAP)

    def _read(self, number: int, cell: int) -> int:
        return self._counters.read(self._cell(number, cell))

    @staticmethod
    def _cell(number: int, cell: int) -> int:
        return FIRST_WORKER + number * _CELLS + cell

    @staticmethod
    def _byte(number: int) -> int:
        return (FIRST_WORKER + number * _CELLS) * 8


def _resident(pid: int) -> int | None:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
