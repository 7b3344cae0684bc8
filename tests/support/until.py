"""Waiting for what will be so."""

import time
from collections.abc import Callable

from support.patience import START_S

_POLL_S = 0.02


def until(is_so: Callable[[], bool], *, within_s: float = START_S) -> None:
    """Return once it is so; an assertion fails if it never is."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(_POLL_S)
