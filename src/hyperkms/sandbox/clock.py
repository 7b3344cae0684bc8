"""The stand-in's clock, in milliseconds since 1970, which a test can move."""

import time
from collections.abc import Callable


def wall_clock_ms() -> int:
    """Return the host's time."""
    return time.time_ns() // 1_000_000


class MovableClock:
    """A clock over another one: shifted, or standing still until released."""

    def __init__(self, source: Callable[[], int]) -> None:
        self._source = source
        self._shift_ms = 0
        self._stopped_at: int | None = None

    def now_ms(self) -> int:
        """Return the time the exchange believes in."""
        return self._source() + self._shift_ms if self._stopped_at is None else self._stopped_at

    def advance(self, milliseconds: int) -> None:
        """Move forward, or back when negative, whether standing or running."""
        if self._stopped_at is None:
            self._shift_ms += milliseconds
        else:
            self._stopped_at += milliseconds

    def stop_at(self, now_ms: int) -> None:
        """Stand still at `now_ms`."""
        self._stopped_at = now_ms

    def release(self) -> None:
        """Run again with the source, without any shift."""
        self._stopped_at = None
        self._shift_ms = 0
