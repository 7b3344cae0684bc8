"""What was opened under a root key and is at hand: for as long as the process lives, or by leases."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from hyperkms.custody.leases import Lease, Terms
from hyperkms.errors import Tampered, Unavailable, Withdrawn
from hyperkms.state.waiting import about_to_wait

_RENEWING = 4

P = TypeVar("P", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True)
class Opened(Generic[T]):
    """One that was opened, and how its root key is asked once more."""

    value: T
    ask_again: Callable[[], object]
    """Raises Withdrawn or Tampered where the root key says no, Unavailable where it is away."""
    lease: Lease | None = None


class Leased(Generic[P, T]):
    """Opened things by their place, `most` of them. A lease is renewed in the background while its thing is used.

    Where the root key is away, a thing is given to the end of its lease; where it says no, it is given no more at once.
    `let_go` is told of each that is given no more.
    """

    def __init__(self, terms: Terms | None, *, most: int, let_go: Callable[[T], None] = lambda _: None) -> None:
        """`terms` are the leases of a root key that is elsewhere; None: things are given until they are forgotten."""
        self._terms = terms
        self._most = most
        self._let_go = let_go
        self._opened: OrderedDict[P, Opened[T]] = OrderedDict()
        self._changing = threading.Lock()
        self._forgotten = 0
        """How often something was forgotten: what was being opened meanwhile may be what was meant."""
        self._opening: dict[P, tuple[threading.Lock, int]] = {}
        self._renewing = ThreadPoolExecutor(_RENEWING, thread_name_prefix="leases") if terms else None

    def get(self, place: P, load: Callable[[], Opened[T]]) -> T:
        """What is at hand of this place; else `load` opens it, in one thread for all that ask at the same time."""
        found = self._opened.get(place)
        if found is None or (found.lease is not None and not found.lease.runs()):
            about_to_wait()
            found = self._obtain(place, load)
        with suppress(KeyError):  # another thread may have dropped it since
            self._opened.move_to_end(place)
        if found.lease is not None:
            found.lease.was_used = True
        return found.value

    def forget(self, place: P) -> None:
        """Give it no more, nor what is being opened of it now."""
        with self._changing:
            self._forgotten += 1
            found = self._opened.pop(place, None)
        if found is not None:
            self._let_go(found.value)

    def forget_where(self, is_meant: Callable[[P], bool]) -> None:
        """As `forget`, for each place that is meant."""
        with self._changing:
            self._forgotten += 1
            gone = [self._opened.pop(place) for place in [*self._opened] if is_meant(place)]
        for one in gone:
            self._let_go(one.value)

    def at_hand(self) -> Sequence[P]:
        """The places of what is kept."""
        with self._changing:
            return list(self._opened)

    def keep(self) -> bool:
        """Once a second: have those renewed that are due, and let go of what ended; whether something was let go."""
        if self._terms is None or self._terms.is_strict or self._renewing is None:
            return False
        ended = []
        with self._changing:
            for place, opened in list(self._opened.items()):
                if opened.lease is None:
                    continue
                if not opened.lease.runs():
                    ended.append(self._opened.pop(place))
                elif opened.lease.is_due():
                    opened.lease.is_renewing = True
                    self._renewing.submit(self._renew, place, opened)
        for opened in ended:
            self._let_go(opened.value)
        return bool(ended)

    def close(self) -> None:
        """Renew nothing any more."""
        if self._renewing is not None:
            self._renewing.shutdown(wait=False, cancel_futures=True)

    def _obtain(self, place: P, load: Callable[[], Opened[T]]) -> Opened[T]:
        """What is strict asks for each that wants it, once it is open."""
        strict = self._terms is not None and self._terms.is_strict
        with self._turn(place):
            found = self._opened.get(place)
            is_open = found is not None and (strict or found.lease is None or found.lease.runs())
            if found is None or not is_open:
                return self._put(place, load)
        if strict:
            try:
                found.ask_again()
            except (Withdrawn, Tampered):
                self.forget(place)
                raise
        return found

    def _put(self, place: P, load: Callable[[], Opened[T]]) -> Opened[T]:
        while True:
            forgotten, asked_at = self._forgotten, time.monotonic()
            made = load()
            if self._terms is None:
                made.ask_again = _is_never_asked  # what it would ask with is most of what a key takes in memory
            else:
                made.lease = self._terms.begin(asked_at)
            if self._keep(place, made, forgotten):
                return made

    def _keep(self, place: P, made: Opened[T], forgotten: int) -> bool:
        """False if something was forgotten since: it may be as it was before that."""
        with self._changing:
            if self._forgotten != forgotten:
                return False
            gone = [self._opened.pop(place)] if place in self._opened else []
            self._opened[place] = made
            while len(self._opened) > self._most:
                gone.append(self._opened.popitem(last=False)[1])
        for one in gone:
            self._let_go(one.value)
        return True

    @contextmanager
    def _turn(self, place: P) -> Iterator[None]:
        with self._changing:
            lock, waiting = self._opening.get(place, (threading.Lock(), 0))
            self._opening[place] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._changing:
                lock, waiting = self._opening.pop(place)
                if waiting > 1:
                    self._opening[place] = (lock, waiting - 1)

    def _renew(self, place: P, opened: Opened[T]) -> None:
        lease = opened.lease
        if lease is None or self._terms is None:
            return
        asked_at = time.monotonic()
        try:
            opened.ask_again()
        except (Withdrawn, Tampered):
            self.forget(place)
        except Unavailable:
            lease.put_off()
        else:
            renewed = self._terms.begin(asked_at)
            renewed.was_used = False
            opened.lease = renewed


def _is_never_asked() -> object:
    raise AssertionError("a thing without a lease is given for as long as the process lives")
