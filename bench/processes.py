"""Processes that listen: started on a free port and a chosen CPU, waited for, stopped by their pids."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Address
from bench.machine import pinned

START_S = 60.0
STOP_S = 20.0
_OK = 200
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class ProcessFailed(Exception):
    """A server that did not start, or ended by itself."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """What to run, and how to see that it is ready."""

    command: Sequence[str]
    port: int
    """Of 127.0.0.1; the command names it too."""
    ready: str
    """A path that answers 200 once it is."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A process that answers."""

    port: int
    pid: int
    ready_s: float
    """Seconds from its start to the first 200 of its readiness route."""

    @property
    def address(self) -> Address:
        """Where the load goes."""
        return "127.0.0.1", self.port


@contextmanager
def started(server: Server, *, cpus: set[int], output: Path) -> Iterator[Running]:
    """Run a server on these CPUs; on entry it is ready, on exit the process is gone.

    What it prints goes to the file `output`, whose end is shown if the server fails to start.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(server.environment)
    with output.open("wb") as log:
        began = time.perf_counter()
        with pinned(cpus):
            process = subprocess.Popen(  # noqa: S603 (commands of this package)
                server.command, cwd=output.parent, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _wait(process, server, output, began + START_S)
            yield Running(server.port, process.pid, time.perf_counter() - began)
        finally:
            _stop(process)


def python_module(name: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name]


def hyperkms(*words: str) -> list[str]:
    """The installed command."""
    return [str(Path(sys.executable).with_name("hyperkms")), *words]


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", server: Server, output: Path, deadline: float) -> None:
    while not _answers(server.port, server.ready):
        if process.poll() is not None:
            raise ProcessFailed(f"{process.args!r} ended with status {process.returncode}:\n{_end_of(output)}")
        if time.perf_counter() > deadline:
            raise ProcessFailed(f"{process.args!r} was not ready within {START_S:.0f} s:\n{_end_of(output)}")
        time.sleep(0.005)


def _answers(port: int, path: str) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == _OK
        except OSError:
            return False


def _end_of(output: Path) -> str:
    return output.read_text("utf-8", errors="replace")[-2000:]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
