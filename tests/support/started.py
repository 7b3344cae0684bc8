"""`hyperkms` in a process of its own, forked from one that has imported it: the imports take longest of a start.

What is not as after a start by its name: the imports, what `ps` shows, and the parent. Tests of these,
and of what is in memory, start it by name (`by_name`).
"""

import atexit
import gc
import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as ended
from pathlib import Path
from typing import TextIO, TypeAlias

import hyperkms.cli
from hyperkms.cli.main import main

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        *(each.name for each in pkgutil.iter_modules(hyperkms.cli.__path__, "hyperkms.cli.")),
        "hyperkms.http.app",
        "hyperkms.sandbox.server",
        "hyperkms.state.migrating",
        "hyperkms.state.postgresql",
        "hyperkms.state.sqlite",
        "alembic.command",
        "anyio._backends._asyncio",
        "boto3",
        "psycopg",
        "sqlalchemy.dialects.sqlite",
        "support.aws_described",
        "uvicorn.lifespan.off",
        "uvloop",
    ]
)
_OF_THE_INTERPRETER = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_")
"""Settings that only a new interpreter reads begin like these."""
_one_at_a_time = threading.Lock()
"""Two threads that read how one process ended, as a start does of all, would have half of it each."""
_named = False


@contextmanager
def by_name() -> Iterator[None]:
    """Within the block every `hyperkms` is started by its name."""
    global _named  # noqa: PLW0603 (of this process, like the server that forks)
    before, _named = _named, True
    try:
        yield
    finally:
        _named = before


def can_be_forked(settings: Mapping[str, str]) -> bool:
    """Whether a fork meets these settings as a new process would."""
    own = {name: value for name, value in settings.items() if name.startswith(_OF_THE_INTERPRETER)}
    return not _named and all(os.environ.get(name) == value for name, value in own.items())


class Started:
    """What runs, as `subprocess.Popen` has it with pipes of text; its standard input is empty, or what it is handed."""

    def __init__(
        self, words: Sequence[str | bytes], settings: Mapping[str, str], folder: Path, *, stdin: int | None = None
    ) -> None:
        (said, says), (warned, warns) = os.pipe(), os.pipe()
        self.stdout, self.stderr = os.fdopen(said), os.fdopen(warned)
        theirs = [os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin, says, warns]
        streams = [Connection(fd, readable=fd == theirs[0], writable=fd != theirs[0]) for fd in theirs]
        self._process = _FORKING.Process(
            target=_become, args=([os.fsdecode(word) for word in words], dict(settings), str(folder), streams)
        )
        try:
            with _one_at_a_time:
                self._process.start()
        finally:
            for stream in streams:
                stream.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        with _one_at_a_time:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        if not ended([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired("hyperkms", timeout or 0)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended just now: its parent, the server, has seen to it already
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """What it writes from now on, to its end."""
        with _read(self.stdout) as out, _read(self.stderr) as err:
            self.wait()
        return b"".join(out).decode(), b"".join(err).decode()


Process: TypeAlias = subprocess.Popen[str] | Started
"""A service, a cosigner or a command that runs."""


def run_forked(
    words: Sequence[str | bytes], settings: Mapping[str, str], folder: Path, said: bytes, within_s: float
) -> "subprocess.CompletedProcess[bytes]":
    """One command to its end, as `subprocess.run` has it; its standard input is a pipe."""
    reads, writes = os.pipe()
    started = Started(words, settings, folder, stdin=reads)
    with _read(started.stdout) as out, _read(started.stderr) as err, _written(writes, said):
        try:
            status = started.wait(within_s)
        except subprocess.TimeoutExpired:
            started.kill()
            raise
    return subprocess.CompletedProcess(["hyperkms", *words], status, b"".join(out), b"".join(err))


@contextmanager
def _read(text: TextIO) -> Iterator[list[bytes]]:
    """All bytes of it, once the block has ended; it is closed then."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(text.buffer.read()))
    reader.start()
    try:
        yield found
    finally:
        reader.join()
        text.close()


@contextmanager
def _written(pipe: int, said: bytes) -> Iterator[None]:
    """Into the pipe meanwhile, or as much as its reader takes."""

    def write() -> None:
        left = said
        try:
            while left:
                left = left[os.write(pipe, left) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(pipe)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        writer.join()


def _become(words: list[str], settings: dict[str, str], folder: str, streams: list[Connection]) -> None:
    """The fork: `hyperkms` with these words, in this environment and folder, until it ends."""
    gc.freeze()  # what was imported is not looked at again
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(settings)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (for as long as the process is)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (as above)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115 (as above)
    sys.argv = [str(Path(sys.executable).with_name("hyperkms")), *words]
    sys.orig_argv = [sys.executable, *sys.argv]  # of which the service makes its workers
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 (a fork of multiprocessing ends without)
