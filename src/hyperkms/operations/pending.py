"""A signature that exists and may not leave yet."""

from collections.abc import Callable
from typing import Generic, TypeVar

from hyperkms.audit.sink import Position, Ticket

T = TypeVar("T")


class Pending(Generic[T]):
    """An answer that can be had only once its record is durable."""

    __slots__ = ("_finish", "_ticket")

    def __init__(self, ticket: Ticket, finish: Callable[[Position], T]) -> None:
        self._ticket = ticket
        self._finish = finish

    def wait(self) -> T:
        """Block until the record is durable; Unavailable if it cannot be, and then no signature."""
        return self._finish(self._ticket.wait())

    async def released(self) -> T:
        """The same without blocking a thread."""
        return self._finish(await self._ticket.released())
