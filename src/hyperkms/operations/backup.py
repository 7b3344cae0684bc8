"""Back up a data directory: what cannot be made again, without what would be wrong by the time it is put back."""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hyperkms.audit.entries import BackupEntry
from hyperkms.audit.segments import MANIFEST
from hyperkms.errors import Unavailable
from hyperkms.operations.backup_file import DATABASE_MEMBER, MANIFEST_MEMBER, write_backup
from hyperkms.operations.parts import Parts
from hyperkms.state.backup_copy import copy_database
from hyperkms.state.migrating import SCHEMA


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is backed up."""

    database: Path
    root_key_id: str
    service: str


@dataclass(frozen=True)
class Taken:
    """A backup that was made."""

    file: Path
    entry: BackupEntry


def back_up(parts: Parts, source: Source, to: Path) -> Taken:
    """Write the backup; a service may run and sign meanwhile. The file is complete and durable on return.

    1. Copy the database, without what belongs to the place that signs now, and look whether the copy is sound.
    2. Say in the manifest, signed, what was taken: its hash. The manifest up to that line goes with it.
    3. Write both into the file.
    A process killed after 2 has left an entry of a backup that nobody has.
    """
    drafts = to.with_name(f"{to.name}.{secrets.token_hex(8)}")
    copy, manifest = drafts.with_suffix(".database.draft"), drafts.with_suffix(".manifest.draft")
    try:
        copy_database(source.database, copy)  # (1)
        entry = _entry(parts, source, copy)
        with parts.manifest.alone() as listing:  # (2)
            listing.append(entry)
            manifest.touch(mode=0o600, exist_ok=False)
            manifest.write_bytes((parts.manifest.folder / MANIFEST).read_bytes())
        write_backup(to, {DATABASE_MEMBER: copy, MANIFEST_MEMBER: manifest})  # (3)
    except OSError as error:
        raise Unavailable("backup-unavailable", f"{to} cannot be written: {error.strerror}") from error
    finally:
        for draft in (copy, manifest):
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return Taken(to, entry)


def _entry(parts: Parts, source: Source, copy: Path) -> BackupEntry:
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BackupEntry(
        time=parts.clock(),
        backup=secrets.token_hex(16),
        release=version("hyperkms"),
        schema=SCHEMA,
        service=source.service,
        root_key_id=source.root_key_id,
        bytes=copy.stat().st_size,
        sha256=digest,
    )
