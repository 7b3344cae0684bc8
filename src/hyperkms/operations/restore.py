"""Put a backup into an empty directory. All of it is verified before any of it is in force, and it starts frozen."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.audit.forms import key_id_of
from hyperkms.audit.reading.findings import Findings
from hyperkms.audit.reading.manifest import BackupEntry, read_manifest
from hyperkms.audit.segments import MANIFEST
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import Conflict, Tampered
from hyperkms.operations.backup_file import DATABASE_MEMBER, MANIFEST_MEMBER, read_backup
from hyperkms.state.database import Database
from hyperkms.state.durable import sync
from hyperkms.state.facts import read_within
from hyperkms.state.frozen import Frozen, freeze_within
from hyperkms.state.schema import key_versions, log_keys, sealed_keys, wallets
from hyperkms.state.sqlite import open_as_it_is

FOLDER = "restored"
"""In the data directory: the manifest that came with the backup, for who compares."""
_DRAFT = ".draft"
_CONTEXT = _core.Context.of_log_key()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a backup is put."""

    data: Path
    database: Path
    kept: frozenset[str]
    """Files that may be there before: the root key's."""


@dataclass(frozen=True)
class Restored:
    """What was put back."""

    entry: BackupEntry
    keys: int
    """Sealed keys; each was opened."""


def restore(file: Path, place: Place, open_root_key: Callable[[], RootKey], now: Callable[[], int]) -> Restored:
    """Put it back, frozen; Conflict unless the directory is empty, Tampered unless all is as it was backed up.

    1. Read the file out beside the places of its members.
    2. The log key opens under the root key: so whoever has that key has signed the manifest.
    3. The manifest is whole, and its last line names the hash of the database.
    4. Every sealed key opens, and has the public key that is listed.
    5. Freeze it, and leave out its log key: what is written from here on is another record, under a key of its own.
    6. Give it its name: from then on there is a data directory.
    A process killed before 6 has left drafts, over which the next one goes.
    """
    _require_empty(place)
    draft = place.database.with_name(place.database.name + _DRAFT)
    folder = place.data / FOLDER
    folder.mkdir(mode=0o700)
    manifest = folder / MANIFEST
    read_backup(file, {MANIFEST_MEMBER: manifest, DATABASE_MEMBER: draft})  # (1)
    sha256 = _sha256(draft)
    root_key = open_root_key()
    database = open_as_it_is(draft)
    try:
        public_key = _public_key_of_log(database, root_key)  # (2)
        entry = _entry(folder, public_key, sha256)  # (3)
        keys = prove_keys(database, root_key)  # (4)
        with database.write() as connection:  # (5)
            connection.execute(log_keys.delete())
            freeze_within(connection, Frozen(backup=entry.backup, taken_at=entry.time, restored_at=now()))
    finally:
        database.close()
    for path in (manifest, folder):
        sync(path)
    draft.rename(place.database)  # (6)
    sync(place.data)
    return Restored(entry, keys)


def _require_empty(place: Place) -> None:
    """Conflict unless there is nothing but what may be; what a restore that was cut off has left is removed."""
    place.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not place.database.exists():
        with suppress(FileNotFoundError):
            (place.data / FOLDER / MANIFEST).unlink()
        with suppress(OSError):
            (place.data / FOLDER).rmdir()
        for ending in (_DRAFT, f"{_DRAFT}-journal"):
            place.database.with_name(place.database.name + ending).unlink(missing_ok=True)
    there = sorted({path.name for path in place.data.iterdir()} - place.kept)
    if there:
        words = f"{place.data} is not empty ({there[0]}): a backup is put into an empty directory"
        raise Conflict("directory-not-empty", f"{words}, which may have the root key file alone")


def _public_key_of_log(database: Database, root_key: RootKey) -> bytes:
    with database.read() as connection:
        named = read_within(connection, "root_key_id")
        sealed = connection.execute(sa.select(log_keys.c.sealed)).scalars().all()
    if named != root_key.id:
        raise Tampered("wrong-root-key", f"the backup is under root key {named}, and this is {root_key.id}")
    if len(sealed) != 1:
        raise _not_as_taken(f"it has {len(sealed)} log keys, and a data directory has one")
    header = _core.inspect_sealed_key(sealed[0])
    return _core.open_sealed_key(sealed[0], _CONTEXT, root_key.unwrap(header.wrapped, _CONTEXT)).public_key


def _entry(folder: Path, public_key: bytes, sha256: str) -> BackupEntry:
    findings = Findings()
    manifest = read_manifest(folder, findings, public_key, key_id_of(public_key))
    wrong = [*findings.found, *findings.notes]
    if wrong:
        raise _not_as_taken(wrong[0].words)
    entry = manifest.backups.get(len(manifest.leaves) - 1)
    if entry is None:
        raise _not_as_taken("its manifest does not end in the line of a backup")
    if entry.sha256 != sha256:
        raise _not_as_taken("its database is not the one of which the manifest has the hash")
    return entry


def prove_keys(database: Database, root_key: RootKey) -> int:
    """Open every sealed key; Tampered unless each is its place's, and none that is listed is missing. How many."""
    places = sealed_keys.c.wallet, sealed_keys.c.version
    with database.read() as connection:
        rows = connection.execute(sa.select(sealed_keys).order_by(*places)).all()
        listed = {(row.wallet, row.number): bytes(row.public_key) for row in connection.execute(LISTED)}
    for row in rows:
        header = _core.inspect_sealed_key(row.sealed)
        context = header.context
        if (context.purpose, context.wallet, context.version) != ("private key", row.wallet, row.version):
            raise _not_as_taken(f"the sealed key of wallet {row.wallet}, version {row.version}, is another's")
        handle = _core.open_sealed_key(row.sealed, context, root_key.unwrap(header.wrapped, context))
        if listed.pop((row.wallet, row.version), handle.public_key) != handle.public_key:
            words = f"the record of wallet {row.wallet} names another public key than its key has"
            raise Tampered("public-key-mismatch", words)
    for wallet, number in listed:
        raise Tampered("sealed-key-missing", f"wallet {wallet} is listed and its sealed key, version {number}, is gone")
    return len(rows)


LISTED = (
    sa.select(key_versions.c.wallet, key_versions.c.number, key_versions.c.public_key)
    .join(wallets, wallets.c.id == key_versions.c.wallet)
    .where(wallets.c.custody == "standard", key_versions.c.destroyed_at.is_(None), key_versions.c.state != "retired")
)
"""Wallet, number and public key of every version that has a sealed key."""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_as_taken(why: str) -> Tampered:
    return Tampered("backup-tampered", f"the backup is not what was taken: {why}")
