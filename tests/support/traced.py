"""The system calls of a running service, in the order in which they happened, and faults put into them: strace."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.service import START_S, Service

WRITES = ("write", "writev", "sendto", "sendmsg", "pwrite64")
SYNCS = ("fsync", "fdatasync")
_LINE = re.compile(r"(\d+) +(?:<\.\.\. \w+ resumed>)?(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_PLACE = re.compile(r"\d+<([^\[>]*(?:\[[^\]]*\])?)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A system call that returned. A call that ended before another began had its effect before it."""

    thread: int
    name: str
    place: str
    """The path of the file, or what the descriptor is: `TCP:[...]`."""
    data: bytes
    result: int
    begun: int
    ended: int


@contextmanager
def strace(service: Service, *options: str) -> Iterator[None]:
    """Attach to every thread of the service, and let go at the end; skips where that is impossible."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    words = [program, "-f", "-p", str(service.process.pid), *options]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not attach to a process here: {said.strip()}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=START_S)


@contextmanager
def traced(service: Service, output: Path, *options: str) -> Iterator[None]:
    """Write down every write, fsync and unlink, whole; `calls` reads it after the end."""
    names = ",".join([*WRITES, *SYNCS, "unlink"])
    with strace(service, "-yy", "-xx", "-s", "1000000", "-o", str(output), "-e", f"trace={names}", *options):
        yield
        # A client has an answer before the call that wrote it returns to strace, which writes nothing of a call that
        # it lets go of. One thread writes all answers: when it has written another, it has returned from that call.
        assert service.get("/health").status == 200


def calls(output: Path) -> Sequence[Call]:
    """What was written down, in the order of the ends."""
    begun: dict[int, tuple[int, str]] = {}
    found = []
    with output.open() as lines:
        for number, text in enumerate(lines):
            match = _LINE.match(text)
            if match is None:
                continue
            thread, rest = int(match[1]), match[2]
            at, before = begun.pop(thread, (number, ""))
            if rest.endswith(_UNFINISHED):
                begun[thread] = (number, rest.removesuffix(_UNFINISHED))
            elif call := _CALL.match(before + rest):
                found.append(_call(call, thread, at, number))
    return found


def _call(match: re.Match[str], thread: int, begun: int, ended: int) -> Call:
    words = match[2]
    place = _PLACE.match(words)
    return Call(
        thread=thread,
        name=match[1],
        place=_bytes(place[1]).decode() if place else "",
        data=b"".join(_bytes(text) for text in _STRING.findall(words)),
        result=int(match[3]),
        begun=begun,
        ended=ended,
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()
