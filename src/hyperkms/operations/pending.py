"""A signature that exists and may not leave yet."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from hyperkms.audit.sink import Position

T = TypeVar("T")


class Pending(Generic[T]):
    """An answer that can be had only once its record is durable."""

    def __init__(self, durable: "Future[Position]", finish: Callable[[Position], T]) -> None:
        self._durable = durable
        self._finish = finish

    def wait(self) -> T:
        """Block until the record is durable; Unavailable if it cannot be, and then no signature."""
        return self._finish(self._durable.result())

    async def released(self) -> T:
        """The same without blocking a thread."""
        return self._finish(await asyncio.shield(asyncio.wrap_future(self._durable)))
