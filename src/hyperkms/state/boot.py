"""Which start of the machine this is: what was in memory then is not there after another one."""

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """A random name of this boot; None where the system gives it none (macOS)."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except OSError:
        return None
