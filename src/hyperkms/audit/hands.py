"""What the writing thread has in its hands, and what becomes of it where the disk does not answer."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hyperkms.audit.sink import Durable, Group, settle_all
from hyperkms.errors import Unavailable

_LOOK_S = 0.5


class Hands:
    """Groups that are being written; a thread of its own tells who waits when that takes too long.

    What was given up may yet become durable: it is a line whose answer nobody got, as a crash may leave one.
    """

    def __init__(self, patience_s: float, give_up: Callable[[], Sequence[Group]]) -> None:
        self._patience_s = patience_s
        self._give_up = give_up
        """Takes the groups that wait behind those in hand."""
        self._since: float | None = None
        self._groups: Sequence[Group] = ()
        self._settling = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="record-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def holding(self, groups: Sequence[Group]) -> Iterator[None]:
        """These are being written within this block."""
        self._groups, self._since = groups, time.monotonic()
        try:
            yield
        finally:
            self._groups, self._since = (), None

    @property
    def is_stuck(self) -> bool:
        """Whether the disk has not answered for so long that nothing more is given to it."""
        since = self._since
        return since is not None and time.monotonic() - since > self._patience_s

    def require_free(self) -> None:
        """Unavailable while it is stuck."""
        if self.is_stuck:
            raise stuck(self._patience_s)

    def settle(self, outcomes: Sequence[tuple[Group, Durable | Unavailable]]) -> None:
        """Settle those that were not given up."""
        with self._settling:
            settle_all([(group, outcome) for group, outcome in outcomes if group.outcome is None])

    def close(self) -> None:
        """Nothing is written any more."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        look_s = min(_LOOK_S, self._patience_s / 4)
        while not self._ended.wait(look_s):
            groups = self._groups
            if self.is_stuck:
                failure = stuck(self._patience_s)
                self.settle([(group, failure) for group in (*groups, *self._give_up())])


def stuck(seconds: float) -> Unavailable:
    """The refusal where the disk does not answer."""
    words = f"the disk of the record has not answered for {seconds:g} s; no signature leaves without its record"
    return Unavailable("record-unwritable", words)
