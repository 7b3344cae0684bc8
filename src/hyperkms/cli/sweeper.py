"""The thread that sweeps, in each process of a service; of those on one store, one does."""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import structlog

from hyperkms.errors import HyperkmsError
from hyperkms.http.left_requests import recover_left
from hyperkms.http.log import describe
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.operations.sweep import Swept, drop_retired_handles, remove_orphans, sweep

NAME = "hyperkms:sweep"
LONGEST_WAIT_S = 30.0
_SHORTEST_WAIT_S = 0.25
_FIRST_ORPHANS_S = 60.0
_ORPHANS_EVERY_S = 600.0
_log = structlog.stdlib.get_logger("hyperkms.sweep")


class Sweeper:
    """Sweeps at start and then at least every 30 s, until it is stopped.

    The lock on the file belongs to this process and ends with it, however it ends: another process on the
    same store takes over at its next turn.
    """

    def __init__(self, parts: Parts, lock: Path) -> None:
        self._parts = parts
        self._turn = _Turn(lock)
        self._stopping = threading.Event()
        self._orphans_in = _FIRST_ORPHANS_S
        self._dropped_under: int | None = None
        self._has_examined = False
        self._wait_s = min(LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, parts.lifetimes.grace_ms / 4000))
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the wallet under way; nothing is swept on return."""
        self._stopping.set()
        self._thread.join()
        self._turn.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._once()
            except HyperkmsError as error:
                self._parts.metrics.sweep_failed()
                _log.warning("sweep-failed", code=error.code, words=error.message)
            except Exception as error:  # noqa: BLE001 (the next sweep must come, whatever this one met)
                self._parts.metrics.sweep_failed()
                _log.error("sweep-failed", **describe(error))
            self._stopping.wait(self._wait_s)

    def _once(self) -> None:
        self._drop_handles()
        if not self._turn.is_ours():
            return
        if not self._has_examined:
            self._parts.examine_rows()
            self._has_examined = True
        if not self._parts.is_sweeper():
            return
        for done in self._due():
            _log.info(done.event, wallet=done.wallet, version=done.version)
            if self._stopping.is_set():
                return
        self._parts.settle_changes()
        recover_left(self._parts)
        self._parts.metrics.swept(now=self._parts.clock())

    def _drop_handles(self) -> None:
        """Nothing is to be dropped as long as no wallet has changed."""
        generation = self._parts.wallets.generation()
        if generation is None or generation != self._dropped_under:
            drop_retired_handles(self._parts)
            self._dropped_under = generation

    def _due(self) -> Iterator[Swept]:
        actor = Actor(NAME, secrets.token_hex(8))
        yield from sweep(self._parts, actor)
        self._orphans_in -= self._wait_s
        if self._orphans_in <= 0:
            self._orphans_in = _ORPHANS_EVERY_S
            yield from remove_orphans(self._parts)


class _Turn:
    """The right to sweep: a lock on a file, held until this process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def is_ours(self) -> bool:
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
