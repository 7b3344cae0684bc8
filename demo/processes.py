"""The processes of the demo: started on free ports, waited for, stopped by their pids. Main thread only."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import requests

from demo.errors import ProcessFailed

START_S = 30
START_IN_SHARES_S = 60
"""Three cosigners are made and started beside the service."""
STOP_S = 20
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OK = 200
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
Hear: TypeAlias = Callable[[str], None]
_SANDBOX = re.compile(r"hyperkms sandbox \(testnet\) listening on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class Running:
    """A process that listens."""

    name: str
    url: str
    pid: int


@dataclass(frozen=True)
class Look:
    """What is made of the lines that a process prints, and for how long its address is waited for."""

    url_in: Callable[[str], str | None]
    hear: Hear
    within: int


@contextmanager
def sandbox(folder: Path) -> Iterator[Running]:
    """A stand-in for the exchange in which every signer has an account; `folder` is where it runs."""
    words = ("sandbox", "--port", "0", "--allow-any")
    with _started("the sandbox", words, folder, {}, Look(_sandbox_url, _unheard, START_S)) as running:
        yield running


@contextmanager
def service(folder: Path, exchange_url: str) -> Iterator[Running]:
    """A signing service in development mode on testnet, with its data in `folder`/data; ready to sign."""
    with _service(folder, exchange_url, {}, within=START_S, hear=_unheard) as running:
        yield running


@contextmanager
def service_in_shares(folder: Path, exchange_url: str, hear: Hear) -> Iterator[Running]:
    """The same with three cosigners that it starts itself; `hear` is called with each line of its log."""
    with _service(folder, exchange_url, {"MPC_ENABLED": "true"}, within=START_IN_SHARES_S, hear=hear) as running:
        yield running


@contextmanager
def _service(folder: Path, exchange_url: str, more: Mapping[str, str], *, within: int, hear: Hear) -> Iterator[Running]:
    settings = {
        "HYPERKMS_ENV": "development",
        "HYPERKMS_NETWORK": "testnet",
        "HYPERKMS_TESTNET_URL": exchange_url,
        **more,
    }
    words = ("serve", "--port", "0", "--data", str(folder / "data"))
    look = Look(_service_url, hear, within)
    with _started("the signing service", words, folder, settings, look) as running:
        _wait_until_ready(running)
        yield running


@contextmanager
def _started(
    name: str, words: tuple[str, ...], folder: Path, settings: Mapping[str, str], look: Look
) -> Iterator[Running]:
    """Start `hyperkms` with these words; it is gone when this ends, however it ends.

    Its environment is these settings and little else, and its folder is not the project's: neither the
    caller's environment nor a file .env has a say. What it prints is read here, never shown: a service
    whose output is a terminal prints its new API key there.
    """
    command = [str(Path(sys.executable).with_name("hyperkms")), *words]
    inherited = {known: os.environ[known] for known in _INHERITED if known in os.environ}
    environment = {**inherited, **settings}
    with ExitStack() as ends:
        with _signals_held_back():
            process = subprocess.Popen(  # noqa: S603 (our own command)
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            ends.callback(_stop, process)
        yield Running(name, _wait_for_url(name, process, look), process.pid)
        if _stop(process) != 0:
            raise ProcessFailed(f"{name} (pid {process.pid}) ended with status {process.returncode} when stopped")


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let a signal take effect at the end of the block: one inside it would lose a process just started."""
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for missed in held:
            signal.raise_signal(missed)


def _stop(process: "subprocess.Popen[str]") -> int:
    """SIGTERM, and the exit status; SIGKILL if that takes too long or the wait is interrupted."""
    try:
        process.terminate()
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        return -1
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_for_url(name: str, process: "subprocess.Popen[str]", look: Look) -> str:
    printed = _reader(process, look.hear)
    deadline = time.monotonic() + look.within
    last = "it printed nothing"
    while True:
        try:
            line = printed.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise ProcessFailed(f"{name} did not listen within {look.within} s: {last}") from None
        if line is None:
            raise ProcessFailed(f"{name} ended before it listened: {last}")
        url = look.url_in(line)
        if url is not None:
            return url
        last = line.strip()


def _reader(process: "subprocess.Popen[str]", hear: Hear) -> "queue.SimpleQueue[str | None]":
    """What the process prints, line by line, then None; read to the end, so that it never has to wait."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        if process.stdout is not None:
            with process.stdout as output:
                for line in output:
                    hear(line)
                    lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _unheard(_line: str) -> None:
    pass


def _sandbox_url(line: str) -> str | None:
    found = _SANDBOX.match(line)
    return found[1] if found else None


def _service_url(line: str) -> str | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return str(event["url"]) if isinstance(event, dict) and event.get("event") == "listening" else None


def _wait_until_ready(running: Running) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{running.url}/ready", timeout=START_S).status_code == _OK:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise ProcessFailed(f"{running.name} listens and was not ready within {START_S} s")
