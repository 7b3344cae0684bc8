"""Commitments that cosigners made ahead, so that an Ed25519 signature takes one round trip.

They are kept by key, epoch and set of signers: at most 16 for all coordinators together, no older than 50 s (the
cosigners let go of theirs at 60 s, and of the oldest beyond 16). Each is used once, whatever becomes of it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.coordinator.target import Target
from hyperkms.threshold.wire import Prepare, Prepared

MOST = 16
OLDEST_S = 50.0
MOST_POOLS = 256
KEPT_READY_S = 300.0
"""So long after its last use a pool is kept filled."""
TIDY_S = 10.0
SINGLY_S = 1.0
_PREPARE_S = 2.0


class _Made(NamedTuple):
    at: float
    commitments: Sequence[bytes]


class Pool:
    """Those of one key, epoch and set of signers."""

    def __init__(self, links: Mapping[int, Link], target: Target, signers: frozenset[int], most: int) -> None:
        self._links = links
        self._ask = Prepare(share=target.share, signers=sorted(signers), count=1, prepared=target.prepared)
        self._signers = signers
        self._most = most
        self._ready: deque[_Made] = deque()
        self._taken = 0
        self._making = 0
        self._freed = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None
        self._singly_until = 0.0
        self.used_at = 0.0

    async def take(self, attempt: Attempt) -> Sequence[bytes]:
        """One of each signer; made now where none is ready. `give_back` says that they are used up."""
        loop = asyncio.get_running_loop()
        self.used_at = loop.time()
        while True:
            self._drop_old()
            if self._ready:
                self._taken += 1
                return self._ready.popleft().commitments
            if self._room() > 0:
                return await self._make_one(attempt)
            self._freed.clear()
            await self._freed.wait()

    def give_back(self) -> None:
        """What was taken is used up."""
        self._taken -= 1
        self._freed.set()
        self.fill()

    def forget(self) -> None:
        """A cosigner knows them no more: it was started again, or others took their places.

        Each signature has its own made for a second. What cosigners still keep of the others is let go of, the oldest
        first, as new ones come: to make many at once would push out those that are being used now.
        """
        self._ready.clear()
        self._singly_until = asyncio.get_running_loop().time() + SINGLY_S

    def fill(self) -> None:
        """Have as many made as there is room for, in the background, if fewer than half are there.

        None while one of the signers is late or away; and not ahead of an epoch that is not in force: what was prepared
        with it is gone once it is.
        """
        if self._ask.prepared or not all(self._links[index].alive for index in self._signers):
            return
        self._drop_old()
        many = asyncio.get_running_loop().time() >= self._singly_until
        if many and self._room() > self._most // 2 and (self._filling is None or self._filling.done()):
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _make_one(self, attempt: Attempt) -> Sequence[bytes]:
        self._making += 1
        try:
            answers = await attempt.ask_all(self._ask, Prepared)
        finally:
            self._making -= 1
            self._freed.set()
        self._taken += 1
        try:
            return _by_signature(answers, 1)[0]
        except BaseException:
            self.give_back()
            raise

    async def _fill(self) -> None:
        count = self._room()
        if count < 1:
            return
        self._making += count
        try:
            attempt = Attempt(self._links, self._signers, within=_PREPARE_S)
            made = _by_signature(await attempt.ask_all(_for(self._ask, count), Prepared), count)
            now = asyncio.get_running_loop().time()
            self._ready.extend(_Made(now, commitments) for commitments in made)
        except HyperkmsError:
            return  # whoever signs next asks for its own, and hears why
        finally:
            self._making -= count
            self._freed.set()

    def _room(self) -> int:
        return self._most - len(self._ready) - self._taken - self._making

    def _drop_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - OLDEST_S
        while self._ready and self._ready[0].at < oldest:
            self._ready.popleft()


class Pools:
    """All of them, those of the latest use kept filled."""

    def __init__(self, links: Mapping[int, Link], coordinators: int) -> None:
        self._links = links
        self._most = max(1, MOST // coordinators)
        self._pools: OrderedDict[tuple[str, int, int, bool, frozenset[int]], Pool] = OrderedDict()

    def of(self, target: Target, signers: frozenset[int]) -> Pool:
        """That of a key, epoch and set of signers."""
        share = target.share
        key = (share.wallet, share.version, share.epoch, target.prepared, signers)
        found = self._pools.get(key)
        if found is None:
            found = self._pools[key] = Pool(self._links, target, signers, self._most)
            if len(self._pools) > MOST_POOLS:
                self._pools.popitem(last=False)
        self._pools.move_to_end(key)
        return found

    async def keep_filled(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(TIDY_S)
            now = asyncio.get_running_loop().time()
            for pool in list(self._pools.values()):
                if now - pool.used_at < KEPT_READY_S:
                    pool.fill()


def _for(ask: Prepare, count: int) -> Prepare:
    return Prepare(share=ask.share, signers=ask.signers, count=count, prepared=ask.prepared)


def _by_signature(answers: Mapping[int, Prepared], count: int) -> Sequence[Sequence[bytes]]:
    if any(len(answer.commitments) != count for answer in answers.values()):
        raise Unavailable("cosigner-failed", "a cosigner prepared another number of commitments than was asked for")
    return list(zip(*(answers[index].commitments for index in sorted(answers)), strict=True))
