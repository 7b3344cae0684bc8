"""What waits in a queue is taken together."""

import queue
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def next_group(
    waiting: "queue.SimpleQueue[Sequence[T] | None]", most: int, patience_s: float | None = None
) -> tuple[list[T], bool]:
    """Everything that waits, up to about `most`, and whether None said that nothing comes after it.

    Waits for the first, so long if that is said, and then has nothing; does not wait for more.
    """
    group: list[T] = []
    try:
        entry = waiting.get(timeout=patience_s)
    except queue.Empty:
        return group, False
    while entry is not None:
        group.extend(entry)
        if len(group) >= most or waiting.empty():
            return group, False
        entry = waiting.get_nowait()
    return group, True
