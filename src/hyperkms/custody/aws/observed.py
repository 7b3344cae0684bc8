"""Calls of AWS, as the metrics are told of them."""

import time
from collections.abc import Callable
from typing import TypeAlias

Observer: TypeAlias = Callable[[str, str, str, float], None]
"""Told of every call: service, operation, outcome (`ok`, `refused`, `failed`), seconds that it took."""
Told: TypeAlias = Callable[[str], None]
"""Takes the outcome of one call, once that is known."""


def nobody(_service: str, _operation: str, _outcome: str, _seconds: float) -> None:
    """Where nothing is counted."""


def begun(observe: Observer, service: str, operation: str) -> Told:
    """A call begins now."""
    started = time.perf_counter()
    return lambda outcome: observe(service, operation, outcome, time.perf_counter() - started)
