"""Which cosigners are asked, and what is done while they do not answer.

1. Of all sets of t the one is asked whose members answered quickest of late and kept nobody waiting.
2. If it has not come to an end within three times the usual, another set is asked for the same as well, without those
   that are waited for. The first to come to an end counts; the other one goes on by itself, so that nothing of it is
   left lying at the cosigners.
3. Who refuses, fails or is away is in no further set. When no set is left, that is the answer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Generic, TypeVar

from hyperkms.errors import HyperkmsError, Tampered, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.group import Group

T = TypeVar("T")
FIRST_HEDGE_S = 0.05
SHORTEST_HEDGE_S = 0.05
LONGEST_HEDGE_S = 2.0
PATIENCE_S = 1.0
"""So long a request waits for cosigners to come back, if too few are connected."""
PAIR_FAULTS = frozenset({"cosigner-banned"})
"""Codes with which a cosigner refuses another one, and not what is asked."""
_DURATIONS = 64


class Durations:
    """How long attempts of one protocol took of late."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_DURATIONS)

    def took(self, seconds: float) -> None:
        """One more."""
        self._latest.append(seconds)

    @property
    def hedge_s(self) -> float:
        """After so long another set is asked as well."""
        if not self._latest:
            return LONGEST_HEDGE_S / 4
        median = sorted(self._latest)[len(self._latest) // 2]
        return min(LONGEST_HEDGE_S, max(SHORTEST_HEDGE_S, 3 * median))


class Quorums:
    """The cosigners of a group, as far as they can be reached."""

    def __init__(self, group: Group, links: Mapping[int, Link]) -> None:
        self.group = group
        self.links = links
        self._changes: set[asyncio.Event] = set()

    def changed(self) -> None:
        """A cosigner came, went or was late."""
        for event in self._changes:
            event.set()

    def every(self) -> Sequence[frozenset[int]]:
        """All sets of t."""
        return [frozenset(each) for each in combinations(sorted(self.links), self.group.threshold)]

    def ranked(self, without: Collection[int] = ()) -> Sequence[frozenset[int]]:
        """The sets that are connected, the best first."""
        reachable = [
            each
            for each in self.every()
            if each.isdisjoint(without) and all(self.links[index].connected for index in each)
        ]
        return sorted(reachable, key=self._rank)

    def are_quick(self, members: Collection[int]) -> bool:
        """Nobody waits for one of these."""
        return all(self.links[index].alive for index in members)

    def missing(self) -> Sequence[int]:
        """Who cannot be asked, or does not answer."""
        return [index for index, link in sorted(self.links.items()) if not link.alive]

    async def connected(self, *, within: float) -> bool:
        """Wait until there is a set of t that is connected; False if there is none in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while not self.ranked():
            if not await self.change(until - loop.time()):
                return False
        return True

    async def change(self, within: float) -> bool:
        """Wait until something changes; False if nothing does."""
        with self.watched() as event:
            try:
                async with asyncio.timeout(within):
                    await event.wait()
            except TimeoutError:
                return False
        return True

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Within this block the event is set by whatever changes."""
        event = asyncio.Event()
        self._changes.add(event)
        try:
            yield event
        finally:
            self._changes.discard(event)

    def insufficient(self, because: Mapping[int, HyperkmsError]) -> Unavailable:
        """The refusal where fewer than t are left; names who is missing."""
        gone = sorted({*self.missing(), *because})
        names = [self.group.by_index[index].name for index in gone]
        words = f"Insufficient shares: {self.group.threshold} of {len(self.links)} cosigners are needed, and these"
        return Unavailable("insufficient-shares", f"{words} do not answer: {', '.join(names)}", {"missing": names})

    def _rank(self, members: frozenset[int]) -> tuple[int, float, list[int]]:
        links = [self.links[index] for index in members]
        # By 2 ms: what lies closer together is the same, so that the same set goes on with what it has prepared.
        slowest = round(max(link.typical_s for link in links) / 0.002)
        return sum(not link.alive for link in links), slowest, sorted(members)


class First(Generic[T]):
    """One question to whichever set of t comes to an end first."""

    def __init__(
        self,
        quorums: Quorums,
        work: Callable[[Attempt], Awaitable[T]],
        durations: Durations,
        *,
        within: float,
        background: set[asyncio.Task[T]],
    ) -> None:
        self._quorums = quorums
        self._work = work
        self._durations = durations
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + within
        self._background = background
        self._running: dict[asyncio.Task[T], tuple[Attempt, float]] = {}
        self._tried: set[frozenset[int]] = set()
        self._out: dict[int, HyperkmsError] = {}
        self._faults: list[HyperkmsError] = []

    async def outcome(self) -> T:
        """What the first one came to; else the refusal of those who refused, or who is missing."""
        waited_until = self._loop.time() + PATIENCE_S
        self._begin(self._next())
        while True:
            now = self._loop.time()
            if now >= self._until:
                raise self._late()
            if not self._running:
                if self._begin(self._next()):
                    continue
                if self._is_decided() or now >= min(waited_until, self._until):
                    raise self._verdict()
                await self._quorums.change(min(waited_until, self._until) - now)
                continue
            found = await self._turn()
            if found is not None:
                return found

    async def _turn(self) -> T | None:
        """Wait for one to end, no longer than until another is due, or there may be another."""
        left = max(0.0, self._until - self._loop.time())
        if self._another() is None:
            return self._taken(await self._ended_or_changed(left))
        pause = min(left, self._durations.hedge_s)
        done, _ = await asyncio.wait(self._running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        if not done and self._loop.time() < self._until:
            for index in self._awaited():
                self._quorums.links[index].is_late()
            self._begin(self._another())
        return self._taken(done)

    async def _ended_or_changed(self, left: float) -> "set[asyncio.Task[T]]":
        """Those that ended; none if a cosigner came back, with whom another set may be asked."""
        with self._quorums.watched() as event:
            changed = asyncio.ensure_future(event.wait())
            try:
                await asyncio.wait([*self._running, changed], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
        return {task for task in self._running if task.done()}

    def _taken(self, done: "set[asyncio.Task[T]]") -> T | None:
        for task in done:
            attempt, began = self._running.pop(task)
            error = task.exception()
            if error is None:
                self._durations.took(self._loop.time() - began)
                return task.result()
            if not isinstance(error, HyperkmsError):
                raise error
            self._note(attempt, error)
        return None

    def _begin(self, members: frozenset[int] | None) -> bool:
        if members is None:
            return False
        attempt = Attempt(self._quorums.links, members, within=self._until - self._loop.time())
        task = asyncio.ensure_future(self._work(attempt))
        self._background.add(task)
        task.add_done_callback(self._ended)
        self._running[task] = attempt, self._loop.time()
        self._tried.add(members)
        return True

    def _ended(self, task: "asyncio.Task[T]") -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # of one that came second nobody asks

    def _next(self) -> frozenset[int] | None:
        return next((each for each in self._quorums.ranked(self._out) if each not in self._tried), None)

    def _another(self) -> frozenset[int] | None:
        """A set to be asked beside those that are at it: one in which nobody is waited for."""
        untried = (each for each in self._quorums.ranked({*self._out, *self._awaited()}) if each not in self._tried)
        return next((each for each in untried if self._quorums.are_quick(each)), None)

    def _awaited(self) -> set[int]:
        return {index for attempt, _ in self._running.values() for index in attempt.waiting}

    def _note(self, attempt: Attempt, error: HyperkmsError) -> None:
        """Leave out whose answer it was. What a cosigner says against another one speaks against the two together."""
        if all(error is not failure for _, failure in attempt.failures):  # found here, by what is verified here
            culprit = error.details.get("cosigner")
            if isinstance(culprit, int):
                self._out[culprit] = error
            self._faults.append(error)
            return
        for index, failure in attempt.failures:
            if isinstance(failure, Tampered) or failure.code in PAIR_FAULTS:
                self._faults.append(failure)
            else:
                self._out[index] = failure

    def _is_decided(self) -> bool:
        """Whoever may come back, it would be refused."""
        refused = [error for error in self._out.values() if not isinstance(error, Unavailable)]
        return len(self._quorums.links) - len(refused) < self._quorums.group.threshold

    def _verdict(self) -> HyperkmsError:
        if self._is_decided():
            return next(error for error in self._out.values() if not isinstance(error, Unavailable))
        away = {index: error for index, error in self._out.items() if isinstance(error, Unavailable)}
        if self._faults and not away and not self._quorums.missing():
            return self._faults[-1]
        return self._quorums.insufficient(away)

    def _late(self) -> HyperkmsError:
        """Who is waited for still, and who failed at the very end."""
        late = {index: error for attempt, _ in self._running.values() for index, error in attempt.failures}
        for index in self._awaited():
            self._quorums.links[index].is_late()
            late[index] = Unavailable("cosigner-away", "no answer in time")
        return self._quorums.insufficient({**self._out, **late})
