"""Whether this process goes on as the only one that it was: what is prepared and under way is of use to no other.

A machine that is resumed twice from one snapshot, or restored elsewhere, has the same commitments and sessions twice,
and one that is answered twice gives the share away. So all are let go of where one of these signs is seen. They are
looked at before anything that is asked is begun, and every second:

* the kernel says that the virtual machine has another generation;
* the wall clock is set by more than a running clock is corrected: what goes on from a snapshot wakes in the past;
* the machine was booted under a process that is still the same.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

Sign: TypeAlias = Callable[[], str | None]
"""Why it may not be so, since it was last asked; None."""
MOST_SET_MS = 1_000
"""From one look to the next; chrony at its quickest turns a clock by 83 ms in the second between two looks."""
_HELD_UP_S = 0.1
_log = structlog.stdlib.get_logger("hyperkms.cosigner")


class Continuity:
    """Looks at the signs, and has everything let go of."""

    def __init__(self, signs: Sequence[Sign], let_go: Callable[[], None]) -> None:
        self._signs = signs
        self._let_go = let_go
        self._turn = threading.Lock()

    def look(self) -> None:
        """On return nothing is left of what was before a sign; whoever else looks meanwhile waits for that."""
        with self._turn:
            reasons = [why for sign in self._signs if (why := sign()) is not None]
            if reasons:
                self._let_go()
                _log.warning("let-go-of-prepared", why=reasons)


class ClockSet:
    """The wall clock against one that nobody sets and that runs while the machine sleeps."""

    def __init__(self, wall_ms: Callable[[], int], steady_s: Callable[[], float]) -> None:
        self._wall_ms = wall_ms
        self._steady_s = steady_s
        self._ahead_ms = self._now()

    def changed(self) -> str | None:
        """By how much it was set, if that is more than MOST_SET_MS."""
        ahead_ms = self._now()
        by_ms, self._ahead_ms = ahead_ms - self._ahead_ms, ahead_ms
        return f"the clock was set by {by_ms / 1000:+.1f} s" if abs(by_ms) > MOST_SET_MS else None

    def _now(self) -> int:
        """How far the wall clock is ahead; read again where this thread was held up between the two."""
        while True:
            before, wall_ms = self._steady_s(), self._wall_ms()
            if self._steady_s() - before < _HELD_UP_S:
                return wall_ms - round(before * 1000)


class Boot:
    """The name that the system has given this boot."""

    def __init__(self, name: Callable[[], str | None]) -> None:
        self._name = name
        self._last = name()

    def changed(self) -> str | None:
        """That it is another one."""
        last, self._last = self._last, self._name()
        return None if self._last == last else "the machine was booted meanwhile"
