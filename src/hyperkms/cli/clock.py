"""The clock of this machine, as the commands and the service read it."""

import time


def clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
