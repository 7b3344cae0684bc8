"""One try of a protocol by some of the cosigners: whom it waits for now, and at whom it failed."""

import asyncio
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from hyperkms.errors import HyperkmsError
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.wire import Ask

T = TypeVar("T", bound=msgspec.Struct)


class Attempt:
    """A set of cosigners that try something together, within a number of seconds."""

    def __init__(self, links: Mapping[int, Link], members: Collection[int], *, within: float) -> None:
        self.members = frozenset(members)
        self.waiting: set[int] = set()
        """Whose answers are due."""
        self.failures: list[tuple[int, HyperkmsError]] = []
        """Who failed or refused, and how."""
        self._links = links
        self._until = asyncio.get_running_loop().time() + within

    @property
    def left_s(self) -> float:
        """Seconds until its end."""
        return max(0.001, self._until - asyncio.get_running_loop().time())

    def link(self, index: int) -> Link:
        """The connection to one of them."""
        return self._links[index]

    def forgive(self, code: str) -> None:
        """What failed with this code is tried again, and speaks against nobody."""
        self.failures = [failure for failure in self.failures if failure[1].code != code]

    async def ask(self, index: int, ask: Ask, kind: type[T]) -> T:
        """What one of them answers."""
        self.waiting.add(index)
        try:
            return await self._links[index].ask(ask, kind, within=self.left_s)
        except HyperkmsError as error:
            self.failures.append((index, error))
            raise
        finally:
            self.waiting.discard(index)

    async def ask_each(self, asks: Mapping[int, Ask], kind: type[T]) -> dict[int, T]:
        """What each answers, all at once; the first failure ends it, and the other answers are not waited for."""
        tasks = {index: asyncio.ensure_future(self.ask(index, ask, kind)) for index, ask in asks.items()}
        try:
            await asyncio.gather(*tasks.values())
        except BaseException:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            raise
        return {index: task.result() for index, task in tasks.items()}

    async def ask_all(self, ask: Ask, kind: type[T]) -> dict[int, T]:
        """The same question to all of them."""
        return await self.ask_each(dict.fromkeys(sorted(self.members), ask), kind)
