"""A signature that exists and may not leave yet."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from hyperkms.audit.sink import Position, Ticket

T_co = TypeVar("T_co", covariant=True)


class Pending(Generic[T_co]):
    """An answer that can be had only once its record is durable."""

    __slots__ = ("_finish", "_ticket")

    def __init__(self, ticket: Ticket, finish: Callable[[Position], T_co]) -> None:
        self._ticket = ticket
        self._finish = finish

    @property
    def settled(self) -> bool:
        """Whether `now` has an outcome."""
        return self._ticket.settled

    async def settling(self) -> None:
        """Return once `now` has an outcome."""
        await self._ticket.settling()

    def wait(self) -> T_co:
        """Block until the record is durable; Unavailable if it cannot be, and then no signature."""
        return self._finish(self._ticket.wait())

    def then(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Have this called in the loop's thread once `now` has an outcome; ask before the record can be durable."""
        self._ticket.group.then(loop, call)

    def now(self) -> T_co:
        """The answer; Unavailable if the record is not durable."""
        return self._finish(self._ticket.position())

    def position(self) -> Position:
        """Where its record stands; Unavailable if that is not durable."""
        return self._ticket.position()

    async def released(self) -> T_co:
        """The same without blocking a thread."""
        return self._finish(await self._ticket.released())
