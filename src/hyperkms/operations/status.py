"""Status: could it sign now, and what does it hold."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hyperkms import _core
from hyperkms.audit.log import Durability
from hyperkms.audit.segments import segments
from hyperkms.errors import HyperkmsError
from hyperkms.operations.parts import Parts
from hyperkms.operations.readiness import why_not_ready
from hyperkms.state.census import Numbers, Standing


@dataclass(frozen=True, kw_only=True)
class RecordFiles:
    """The folder of the record."""

    files: int
    size: int
    """Bytes."""
    newest: str | None
    """The name of the file that was begun last."""
    durability: Durability


@dataclass(frozen=True, kw_only=True)
class Status:
    """Of one moment."""

    why_not_ready: HyperkmsError | None
    """None: it could sign."""
    service: str
    """Its id, for which clients sign their requests."""
    memory: str
    """What guards keys in use: memfd_secret, mlock, none."""
    numbers: Numbers
    pending: Sequence[Standing]
    in_grace: Sequence[Standing]
    last_sweep: int | None
    """Milliseconds since 1970; None: never."""
    records: RecordFiles


def status(parts: Parts) -> Status:
    """What there is, also while it cannot sign; Unavailable only if the database cannot be read."""
    return Status(
        why_not_ready=why_not_ready(parts),
        service=parts.signed_requests.service,
        memory=_core.memory_protection().lock,
        numbers=parts.census.take(parts.clock()),
        pending=parts.census.pending(),
        in_grace=parts.census.in_grace(),
        last_sweep=parts.metrics.last_sweep_ms(),
        records=_record_files(parts.records, parts.durability),
    )


def _record_files(folder: Path, durability: Durability) -> RecordFiles:
    """Those with a line: one that a process has announced may never get one."""
    found = {}
    for file in segments(folder):
        with suppress(OSError):
            found[file.path.name] = file.path.stat().st_size
    found = {name: size for name, size in found.items() if size}
    return RecordFiles(
        files=len(found), size=sum(found.values()), newest=max(found, default=None), durability=durability
    )
