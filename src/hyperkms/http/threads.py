"""Threads for the work that may wait: on a lock of the database, on the exchange, on a slow disk.

Reading routes have the server's common pool. Signing and making wallets have pools of their own, so
that neither can keep the others, or `/ready`, from answering.
"""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from hyperkms.metrics.counting import Metrics

P = ParamSpec("P")
T = TypeVar("T")

SIGNING_THREADS = 40
MAKING_THREADS = 4
_SIGNING, _MAKING = range(2)


class Threads:
    """The pools of one application."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._limiters = (CapacityLimiter(SIGNING_THREADS), CapacityLimiter(MAKING_THREADS))

    async def sign(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a signing operation."""
        self._metrics.fell_back()
        return await self._run(_SIGNING, partial(work, *args, **kwargs))

    async def make(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation that makes a wallet."""
        return await self._run(_MAKING, partial(work, *args, **kwargs))

    async def _run(self, pool: int, work: Callable[[], T]) -> T:
        self._metrics.workers.asked(pool)
        try:
            return await to_thread.run_sync(work, limiter=self._limiters[pool])
        finally:
            self._metrics.workers.finished(pool)
