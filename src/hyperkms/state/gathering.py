"""What waits in a queue is taken together."""

import queue
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def next_group(waiting: "queue.SimpleQueue[Sequence[T] | None]", most: int) -> tuple[list[T], bool]:
    """Everything that waits, up to about `most`, and whether None said that nothing comes after it.

    Waits for the first; does not wait for more.
    """
    group: list[T] = []
    entry = waiting.get()
    while entry is not None:
        group.extend(entry)
        if len(group) >= most or waiting.empty():
            return group, False
        entry = waiting.get_nowait()
    return group, True
