"""Which start of the machine this is, and how long ago: what was in memory then is not there after another one."""

import time
from pathlib import Path

_BOOT_TIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """A random name of this boot; None where the system gives it none (macOS)."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except OSError:
        return None


def since_boot() -> float:
    """Seconds, those of a machine that slept among them: what was due meanwhile was not done."""
    return time.clock_gettime(_BOOT_TIME)
