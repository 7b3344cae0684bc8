"""Waiting for a slow resource together instead of one after the other."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hyperkms.errors import Unavailable
from hyperkms.state.waiting import about_to_wait

T = TypeVar("T")


class SharedTurn:
    """Runs one piece of work at a time; when it finds the resource away, everyone who waited is told so.

    Without this, each of N callers would wait its own full time-out after the ones before it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: tuple[float, Unavailable] | None = None

    def take(self, work: Callable[[], T]) -> T:
        """The result of `work`; Unavailable as it raised it, or as the work before it did meanwhile."""
        about_to_wait()
        came = time.monotonic()
        with self._lock:
            if self._failure and self._failure[0] >= came:
                known = self._failure[1]
                raise Unavailable(known.code, known.message) from known
            try:
                return work()
            except Unavailable as failure:
                self._failure = (time.monotonic(), failure)
                raise
