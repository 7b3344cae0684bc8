"""Locks on files, which the kernel lets go of when the process that holds them ends."""

import fcntl
import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Whether a process that lives holds the lock on this file for itself; OSError if it cannot be told."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
