"""Whether a service runs on a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperkms.cli.layout import SWEEP
from hyperkms.errors import Conflict
from hyperkms.state.file_locks import is_held


def is_served(data: Path) -> bool:
    """Whether a process has the right to sweep now, as those of a service have."""
    try:
        return is_held(data / SWEEP)
    except OSError:
        return False


@contextmanager
def held_alone(data: Path, what: str) -> Iterator[None]:
    """The right to sweep is this command's within the block; Conflict while a service has it."""
    descriptor = os.open(data / SWEEP, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Conflict("service-running", f"a service runs on {data}: stop it, then {what}") from error
    finally:
        os.close(descriptor)
