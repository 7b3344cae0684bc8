"""Threads for the work that may wait: on a lock of the database, on the exchange, on a slow disk.

Reading routes have the server's common pool. Signing and making wallets have pools of their own, so
that neither can keep the others, or `/ready`, from answering.
"""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
T = TypeVar("T")

SIGNING_THREADS = 40
MAKING_THREADS = 4


class Threads:
    """The pools of one application."""

    def __init__(self) -> None:
        self._signing = CapacityLimiter(SIGNING_THREADS)
        self._making = CapacityLimiter(MAKING_THREADS)

    async def sign(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a signing operation."""
        return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._signing)

    async def make(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation that makes a wallet."""
        return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._making)
