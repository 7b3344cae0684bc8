"""Several instances of a service on one PostgreSQL database, each with a directory of its own."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.postgres import postgres
from support.service import Service


def settings_of(folder: Path) -> dict[str, str]:
    """What all instances of a test share."""
    name = "i" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    return {
        "HYPERKMS_DATABASE": str(postgres().migrated(name)),
        "HYPERKMS_INSTANCES": "several",
        "HYPERKMS_ROOT_KEY": f"file:{folder / 'root.key'}",
    }


@contextmanager
def instances(folder: Path, number: int, *flags: str, **settings: str) -> Iterator[list[Service]]:
    """So many of them, which run; the key of the administrator is that of the first."""
    with ExitStack() as stack:
        running: list[Service] = []
        for index in range(1, number + 1):
            started = Service.start(folder / f"data-{index}", *flags, **{**settings_of(folder), **settings})
            service = stack.enter_context(started)
            if running:
                service.key = running[0].key
            running.append(service)
        yield running
