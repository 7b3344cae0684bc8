"""The data directory and the disk under it."""

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hyperkms.cli.assemble import assemble
from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.cli.layout import RECORDS
from hyperkms.cli.places import has_database
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError
from hyperkms.operations.sweep import ORPHAN_KEPT_MS
from hyperkms.state.database import open_database
from hyperkms.state.postgresql_address import PostgresAddress

MIB = 1024 * 1024
LITTLE_ROOM = 1024 * MIB
NO_ROOM = 64 * MIB
FEW_INODES = 10_000
NO_INODES = 100
SLOW_FSYNC_MS = 20.0
_FSYNCS = 20
_MAKE_ROOM = "make room or move the directory: without it no signature leaves"


def files(config: Config) -> Iterator[Finding]:
    """Who may read it, and whether a service would start on it."""
    try:
        is_there = has_database(config)
    except HyperkmsError as error:
        yield bad("data directory", str(error), f"docs/troubleshooting.md has an entry {error.code}")
        return
    if not is_there:
        yield note(
            "data directory", f"{config.data} does not exist", "`hyperkms serve` makes it; or name yours: --data"
        )
        return
    open_ones = [path for path in (config.data, *config.data.rglob("*")) if path.lstat().st_mode & 0o077]
    for path in open_ones:
        yield bad("permissions", f"{path} has mode {path.lstat().st_mode & 0o777:04o}", f"chmod go= {path}")
    if not open_ones:
        yield good("permissions", f"nothing in {config.data} is open to other users")
    try:
        parts = assemble(config, create=False, tell=lambda _: None)
        left = parts.kms_keys.left(begun_before=parts.clock() - 2 * ORPHAN_KEPT_MS)
        parts.close()
    except HyperkmsError as error:
        yield bad("data directory", str(error), f"docs/troubleshooting.md has an entry {error.code}")
        return
    yield good("data directory", f"{config.data} opens as {config.mode.value}")
    if left:
        words = f"{left} keys that AWS KMS was asked for belong to no version and are not withdrawn yet"
        yield bad("kms-native", words, "the sweep of a running service does it: kms-key-left, sweep-failed in its log")


def database(config: Config) -> Iterator[Finding]:
    """The SQLite that this Python brings, or the PostgreSQL server."""
    if config.database is not None:
        yield from _server(config.database)
        return
    words = f"SQLite {sqlite3.sqlite_version}, journal_mode=DELETE, synchronous=EXTRA"
    yield good("sqlite", f"{words}: the WAL defect of versions before 3.51.3 does not touch it")


def _server(address: PostgresAddress) -> Iterator[Finding]:
    try:
        with closing(open_database(address)) as opened, opened.read() as connection:
            names = ("server_version", "synchronous_commit", "fsync")
            version, synchronous, fsync = (connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names)
    except HyperkmsError as error:
        yield bad("postgresql", f"{address}: {error}", f"docs/troubleshooting.md has an entry {error.code}")
        return
    words = f"PostgreSQL {version} at {address}, synchronous_commit={synchronous}, fsync={fsync}"
    if fsync == "on":
        yield good("postgresql", words)
    else:
        yield bad("postgresql", words, "set fsync to on: what is committed could be lost")
    if not (address.is_local or address.proves_server):
        yield note("postgresql", f"who answers at {address.host} shows no certificate", "add ?sslmode=verify-full")


def disk(config: Config) -> Iterator[Finding]:
    """Speed of an fsync, room and inodes, where the data directory is or would be, its record, and the anchor."""
    yield from _disk(config.data if config.data.is_dir() else Path(tempfile.gettempdir()))
    others = [config.data / RECORDS, *([config.audit_anchor.parent] if config.audit_anchor else [])]
    for folder in dict.fromkeys(others):
        if folder.is_dir():
            yield from _disk(folder)


def _disk(folder: Path) -> Iterator[Finding]:
    try:
        milliseconds = _fsync_milliseconds(folder)
        room = os.statvfs(folder)
    except OSError as error:
        yield bad("disk", f"{folder}: {error.strerror}", "mend or mount the disk, or give the directory to this user")
        return
    words = f"an fsync in {folder} takes {milliseconds:.2f} ms (median of {_FSYNCS})"
    if milliseconds > SLOW_FSYNC_MS:
        yield note("disk", f"{words}; every signature waits for one", "use a local SSD, not a network disk")
    else:
        yield good("disk", words)
    yield _space(folder, room.f_bavail * room.f_frsize)
    if room.f_files:
        yield _inodes(folder, room.f_favail)


def _space(folder: Path, free: int) -> Finding:
    words = f"{free // MIB} MiB are free in {folder}"
    if free < NO_ROOM:
        return bad("space", words, _MAKE_ROOM)
    if free < LITTLE_ROOM:
        return note("space", f"{words}; a million signatures take about 1 GiB of record", _MAKE_ROOM)
    return good("space", words)


def _inodes(folder: Path, free: int) -> Finding:
    words = f"{free} more files can be made in {folder}"
    if free < NO_INODES:
        return bad("inodes", words, "remove files; df -i shows where they are")
    if free < FEW_INODES:
        return note("inodes", words, "df -i shows where they went; each start of a service takes one")
    return good("inodes", words)


def _fsync_milliseconds(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FSYNCS):
            file.write(b"x" * 512)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)
