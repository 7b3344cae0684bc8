"""Whether a service runs on a data directory."""

from pathlib import Path

from hyperkms.cli.layout import SWEEP
from hyperkms.state.file_locks import is_held


def is_served(data: Path) -> bool:
    """Whether a process has the right to sweep now, as those of a service have."""
    try:
        return is_held(data / SWEEP)
    except OSError:
        return False
