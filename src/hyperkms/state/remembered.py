"""What was read of the database, remembered until it changes."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, overload

from hyperkms.state.generation import Generation

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 10_000
"""As many as keys that are at hand: ten thousand wallets take some 10 MB."""


class Remembered(Generic[K, V]):
    """Values by key, read once a generation; never one that a finished change has replaced.

    Any change makes all of it forgotten, and so does growth beyond `most` values.
    """

    def __init__(self, generation: Generation, most: int = MOST) -> None:
        self._generation = generation
        self._most = most
        self._under: tuple[int | None, dict[K, V]] = (None, {})

    @overload
    def get(self, key: K, read: Callable[[], V]) -> V: ...
    @overload
    def get(self, key: K, read: Callable[[], V | None]) -> V | None: ...
    def get(self, key: K, read: Callable[[], V | None]) -> V | None:
        """The value; `read` asks the database where it is not remembered. None is never remembered."""
        number = self._generation.current()
        if number is None:
            return read()
        under, values = self._under
        if under != number:
            values = {}
            self._under = (number, values)
        found = values.get(key)
        if found is None:
            found = read()
            if found is not None:
                if len(values) >= self._most:
                    values.clear()
                # Read under `number` or later: another thread may have begun a new dictionary meanwhile.
                values[key] = found
        return found

    def forget(self) -> None:
        """Let go of all of it."""
        self._under = (None, {})

    def tidy(self) -> None:
        """Let go of what does not hold any more, also where nobody asks for it."""
        if self._under[0] != self._generation.current():
            self._under = (None, {})
