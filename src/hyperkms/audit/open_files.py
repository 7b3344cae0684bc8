"""Which files some process has open: the writers of the release before held no lock."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def are_open(paths: Iterable[Path]) -> set[Path]:
    """Those of them that a process of this user has open, as far as /proc tells; none where there is no /proc."""
    wanted = {}
    for path in paths:
        with suppress(OSError):
            wanted[_identity(path)] = path
    found = set[Path]()
    for folder in _PROC.glob("[0-9]*/fd") if wanted else ():
        with suppress(OSError), os.scandir(folder) as descriptors:  # another user's, or it has just ended
            for descriptor in descriptors:
                with suppress(OSError):
                    identity = _identity(Path(descriptor.path))
                    if identity in wanted:
                        found.add(wanted[identity])
    return found


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
