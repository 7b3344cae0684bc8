"""A real PostgreSQL server for tests: Debian's, started once a process, on a free port of 127.0.0.1, with fsync on."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg
import psycopg.sql
import pytest

from hyperkms.state.database import migrate_database
from hyperkms.state.postgresql_address import PostgresAddress
from support.ports import free_ports
from support.until import until

REQUIRED = "HYPERKMS_REQUIRE_POSTGRES"
USER = "hyperkms"
_STARTED = "HYPERKMS_TEST_POSTGRES"
"""In processes that a test starts: the server of the test."""
_TEMPLATE = "migrated"
_OWNER = "postgres"
_START_S = 60
_BY_LANGUAGE = ("--locale-provider=icu", "--icu-locale=en-US")


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@dataclass
class PostgresServer:
    """One server in a folder of its own."""

    folder: Path
    port: int
    programs: Path
    process: subprocess.Popen[bytes] | None = None
    made: set[str] = field(default_factory=set)

    @classmethod
    def make(cls, programs: Path) -> "PostgresServer":
        """A new one, which runs."""
        folder = Path(tempfile.mkdtemp(prefix="hyperkms-postgres-"))
        folder.chmod(0o711)
        server = cls(folder, free_ports(1)[0], programs)
        (folder / "data").mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(folder / "data", _OWNER, _OWNER)
        # A locale in which letters do not sort by their bytes, where there is one: en_US, or one of ICU.
        wanted = ("--auth=trust", f"--username={USER}", "-E", "UTF8", "--locale=C.UTF-8", *_BY_LANGUAGE)
        made = server._run("initdb", "--no-sync", *wanted)
        made.check_returncode()
        server.start()
        return server

    def promote(self) -> None:
        """Crash it and start it on a later timeline, as a standby is that takes over; under the same address."""
        self.kill()
        signal_file = self.folder / "data" / "recovery.signal"
        signal_file.touch()
        if os.geteuid() == 0:
            shutil.chown(signal_file, _OWNER, _OWNER)
        self.start(restore_command="false")
        until(lambda: self.execute("postgres", "SELECT pg_is_in_recovery()") == [(False,)])

    def start(self, **more: str) -> None:
        """Start it, and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": "300",
            "shared_buffers": "64MB",
            "logging_collector": "off",
            **more,
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *words],
                stdout=log,
                stderr=log,
                cwd="/",
                user=_user(),
                group=_user(),
            )
        self._wait()

    def kill(self) -> None:
        """kill -9 of every process of it, as a crash would: its memory is gone, its files are as they were."""
        assert self.process is not None
        family = [self.process.pid, *_children(self.process.pid)]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(timeout=_START_S)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.process = None

    def address(self, name: str) -> PostgresAddress:
        """A database of this server."""
        return PostgresAddress(user=USER, host="127.0.0.1", port=self.port, name=name)

    def empty(self, name: str) -> PostgresAddress:
        """A new database with nothing in it."""
        self.execute("postgres", f'CREATE DATABASE "{name}"')
        return self.address(name)

    def migrated(self, name: str) -> PostgresAddress:
        """A database of this release's schema, made if there is none of this name."""
        if name not in self.made:
            with (self.folder / "making").open("w") as lock:  # of several processes that ask for the same one makes it
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self._has(_TEMPLATE):
                    migrate_database(self.empty(_TEMPLATE))
                if not self._has(name):
                    self.execute("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}"')
            self.made.add(name)
        return self.address(name)

    def _has(self, name: str) -> bool:
        there = "SELECT 1 FROM pg_database WHERE datname = %s"
        return bool(self.execute("postgres", there, name))

    def execute(self, name: str, statement: str, *values: object) -> list[tuple[object, ...]]:
        """One statement outside of hyperkms; its rows."""
        where = f"host=127.0.0.1 port={self.port} user={USER} dbname={name}"
        with psycopg.connect(where, autocommit=True) as connection:
            done = connection.execute(statement.encode(), values)
            return done.fetchall() if done.description else []

    def operate(self, words: str, cwd: Path, **settings: str) -> None:
        """A line of a shell, as an operator types it, where the programs of PostgreSQL find this server."""
        there = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER}
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-ec", words],
            env={"PATH": path, **there, **settings},
            cwd=cwd,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    @contextmanager
    def no_rows_into(self, name: str, *tables: str) -> Iterator[None]:
        """Within this block these tables of a database are read and take no rows."""
        where = f"host=127.0.0.1 port={self.port} user={USER} dbname={name}"
        with psycopg.connect(where) as connection:
            named = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, tables))
            connection.execute(psycopg.sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(named))
            yield
            connection.rollback()

    def _wait(self) -> None:
        assert self.process is not None
        ready = [str(self.programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "1", "-q"]
        while subprocess.run(ready, check=False).returncode:
            if self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        line = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        return subprocess.run(line, check=False, capture_output=True, cwd="/", user=_user(), group=_user())

    def remove(self) -> None:
        """Stop it at once, without a last checkpoint, and leave nothing."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=_START_S)
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def postgres() -> PostgresServer:
    """The server of this process, started when it is first needed, for tests that leave it running."""
    started = os.environ.get(_STARTED)
    if started:
        folder, port, programs = started.split("\n")
        return PostgresServer(Path(folder), int(port), Path(programs))
    server = new_server()
    os.environ[_STARTED] = f"{server.folder}\n{server.port}\n{server.programs}"
    return server


def remove_postgres() -> None:
    """At the end of the tests of this process: stop the server, if one was started."""
    if postgres.cache_info().currsize and postgres().process is not None:
        postgres().remove()
        del os.environ[_STARTED]
        postgres.cache_clear()


def new_server() -> PostgresServer:
    """A server of a test's own; the test is skipped where none is installed."""
    programs = _programs()
    if programs is None or (os.geteuid() == 0 and not _has_owner()):
        words = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {words}")
        pytest.skip(words)
    return PostgresServer.make(programs)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return None if os.geteuid() else _OWNER


def _has_owner() -> bool:
    try:
        pwd.getpwnam(_OWNER)
    except KeyError:
        return False
    return True


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], check=False, capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]
