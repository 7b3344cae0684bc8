"""The record as it lies in a folder, and what writes one."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hyperkms import _core
from hyperkms.audit.log import Logs, Writing
from hyperkms.audit.log_key import LogKey
from hyperkms.audit.manifest import Manifest
from hyperkms.audit.record import ROWS, KeyedSignatureRecord, SignatureRecord
from hyperkms.audit.segments import MANIFEST
from hyperkms.audit.told import EntryWitness

OPENING, HEAD = 11, 17


def new_log_key(folder: Path) -> LogKey:
    """A log key, sealed under a root key in this folder."""
    root_key = _core.LocalRootKey.create(folder / "root.key")
    context = _core.Context.of_log_key()
    data_key, wrapped = root_key.new_data_key(context)
    sealed = _core.generate_key(context, data_key, wrapped, root_key.id)
    return LogKey(_core.open_sealed_key(sealed, context, data_key))


def logs_in(folder: Path, *, witness: EntryWitness | None = None, key: LogKey | None = None, **writing: Any) -> Logs:
    """What the logs in this folder have in common, with a key of their own unless one is given."""
    if key is None:
        folder.parent.mkdir(exist_ok=True)
        key = new_log_key(folder.parent)
    manifest = Manifest(folder, key, lambda: time.time_ns() // 1_000_000, witness)
    return Logs(manifest, key, Writing(release="test", boot=None, **writing))


def files_in(folder: Path) -> Sequence[Path]:
    """The files of logs, in the order of their beginnings to the second; those of one log in their order."""
    return sorted(path for path in folder.glob("*.jsonl") if path.name != MANIFEST)


def lines_in(folder: Path) -> list[Any]:
    """Every whole line of every log: a process that was killed may have left half of one."""
    texts = [path.read_text().split("\n")[:-1] for path in files_in(folder)]
    return [json.loads(text) for lines in texts for text in lines]


def records_in(folder: Path) -> list[Any]:
    """The same without openings, heads and how far signed rows have come: what was decided or changed."""
    return [line for line in lines_in(folder) if line["v"] not in (OPENING, HEAD, ROWS)]


def entries_in(folder: Path) -> list[Any]:
    """What the manifest says."""
    path = folder / MANIFEST
    return [json.loads(text)["entry"] for text in path.read_text().splitlines()] if path.exists() else []


def signature_record(**other: Any) -> SignatureRecord:
    """One that says nothing in particular."""
    members: dict[str, Any] = {
        "time": 1,
        "request_id": "r",
        "client": "c",
        "wallet": "w",
        "key_version": 1,
        "public_key": "0x00",
        "operation": "sign-message",
        "signed": {"messageBytes": 2, "text": "line\nbreak \u2028"},
        "digest": "0x00",
        "signature": "0x01",
    }
    return SignatureRecord(**(members | other))


def keyed_record(key: str = "k") -> KeyedSignatureRecord:
    """The same of a request under an Idempotency-Key."""
    return KeyedSignatureRecord(**msgspec.structs.asdict(signature_record()), idempotency_key=key, fingerprint="0x00")
