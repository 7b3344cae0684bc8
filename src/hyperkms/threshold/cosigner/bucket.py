"""A limit on what whoever connects can cause by the second."""

import threading
import time

from hyperkms.errors import Limited


class Bucket:
    """So many a second, and so many at once."""

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at = time.monotonic()
        self._turn = threading.Lock()

    def take(self, what: str) -> None:
        """Limited if there is no room."""
        with self._turn:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
            self._at = now
            if self._left < 1:
                raise Limited(f"{what}: at most {self._per_s:g} a second", retry_after_s=1, most=self._burst, left=0)
            self._left -= 1
