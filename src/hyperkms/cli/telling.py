"""Lines for the person at the terminal."""

import sys
from collections.abc import Callable
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]


def tell_operator(words: str) -> None:
    """A line for the person at the terminal; standard output is for answers and logs."""
    print(words, file=sys.stderr, flush=True)


def say_nothing(_words: str) -> None:
    """In one of several workers: another process has said it."""
