"""One holder at a time for each of any number of names, over all processes of a host."""

import fcntl
import hashlib
import os
from pathlib import Path

from hyperkms.errors import Unavailable


class NameLocks:
    """Locks on single bytes of one file, each at a place that the hash of its name gives.

    They belong to the process and end with it, however it ends, so what a dead one held is free. The
    file stays empty. Within a process nothing is excluded: its callers settle that among themselves. Two
    names that fell on one of the 2^62 places would only wait for each other.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, name: bytes) -> bool:
        """Whether this process holds the name now; never waits."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise Unavailable("database-unavailable", f"a request could not be locked: {error.strerror}") from error
        return True

    def is_held_elsewhere(self, name: bytes) -> bool:
        """Whether another process holds the name; not to be asked for one that this process holds: it would lose it.

        Who asks takes it shared for a moment, so that two who ask do not take each other for the holder.
        """
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _place(name))
        except (BlockingIOError, PermissionError):
            return True
        self.give_back(name)
        return False

    def give_back(self, name: bytes) -> None:
        """Let the next one have it."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _place(name))

    def close(self) -> None:
        """Give everything back."""
        os.close(self._descriptor)


def _place(name: bytes) -> int:
    return int.from_bytes(hashlib.sha256(name).digest()[:8]) >> 2
