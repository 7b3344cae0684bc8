"""What an auditor asks a running service: heads, proofs and decisions, from the files of the record."""

from collections.abc import Iterator
from dataclasses import dataclass

from hyperkms.audit.forms import Head
from hyperkms.audit.reading.folder import Folder
from hyperkms.audit.reading.heads import newest_head
from hyperkms.audit.reading.manifest import Manifest, manifest_of
from hyperkms.audit.reading.proof import Proof, chained_files, prove
from hyperkms.errors import Unavailable
from hyperkms.operations.parts import Parts

MOST_HEADS = 1000
MOST_PROVED = 256 << 20
"""Bytes of a log of which a service makes proofs; it reads all of them for each."""


@dataclass(frozen=True)
class LogHead:
    """A log, its newest head (None before the first), and whether it has ended."""

    log: str
    head: Head | None
    is_closed: bool


@dataclass(frozen=True)
class Heads:
    """Some logs in the order of their start, and the keys that sign them, in hex by their ids."""

    logs: tuple[LogHead, ...]
    keys: dict[str, str]
    next: str | None
    """The log after which the next page begins; None at the end."""


def heads(parts: Parts, *, after: str | None) -> Heads:
    """The newest head of each log as it stands in the files; of at most 1,000 logs at once."""
    folder, manifest = Folder.read(parts.records), manifest_of(parts.records)
    logs = sorted(folder.logs)
    page = [log for log in logs if after is None or log > after][:MOST_HEADS]
    return Heads(
        logs=tuple(_heads(folder, manifest, page)),
        keys={key_id: "0x" + manifest.keys.public_key(key_id).hex() for key_id in manifest.keys.ids},
        next=page[-1] if page and page[-1] != logs[-1] else None,
    )


def proof_of(parts: Parts, log: str, index: int) -> Proof:
    """The proof of a line; Unavailable for a log that is too large to be read for one request."""
    segments = chained_files(parts.records, log)
    size = sum(segment.path.stat().st_size for segment in segments)
    if size > MOST_PROVED:
        words = f"log {log} has {size >> 20} MiB, and a service reads at most {MOST_PROVED >> 20} for a proof"
        raise Unavailable("proof-too-large", f"{words}: have it made with `hyperkms audit prove` on the data directory")
    return prove(parts.records, log, index, manifest_of(parts.records).keys)


def _heads(folder: Folder, manifest: Manifest, logs: list[str]) -> Iterator[LogHead]:
    for log in logs:
        listed = manifest.logs.get(log)
        yield LogHead(log, newest_head(log, folder.logs[log]), listed is not None and listed.close is not None)
