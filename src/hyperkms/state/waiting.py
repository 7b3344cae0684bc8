"""Where a thread would wait, and how the one that serves everybody is kept from it.

The event loop tries a piece of work with `without_waiting`. Whatever would wait for a lock, the
database or the network calls `about_to_wait` first, which ends the attempt there; the work is then done
again from its start in a thread that may wait. So an attempt must have no effect before the places that
may end it, but such as may be lost: a nonce that was drawn, for instance.
"""

import threading
from types import TracebackType


class MustWait(Exception):
    """The attempt would have waited. No error: the same work goes to a thread."""


class _Thread(threading.local):
    may_wait = True


_thread = _Thread()


class without_waiting:  # noqa: N801 (reads as the statement it is used in)
    """Within this block nothing waits: MustWait is raised instead."""

    __slots__ = ()

    def __enter__(self) -> None:
        _thread.may_wait = False

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        _thread.may_wait = True


def about_to_wait() -> None:
    """Raise MustWait in a thread that may not wait."""
    if not _thread.may_wait:
        raise MustWait
