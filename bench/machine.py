"""The machine: which CPU is whose, what an fsync costs, what a process holds."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FSYNCS = 300
_QUIET = 0.5
_RECORD = b"x" * 600


def generator_cpus() -> set[int]:
    """The CPU of the load generator: the first."""
    return {_cpus()[0]}


def server_cpus(workers: int = 1) -> set[int]:
    """So many CPUs for the server, the generator's only where there are no others."""
    others = _cpus()[1:]
    if len(others) >= workers:
        return set(others[:workers])
    return set(_cpus()[-workers:])


def all_cpus() -> set[int]:
    """Every CPU, the generator's too: for a service that is several processes."""
    return set(_cpus())


def crowded(workers: int) -> bool:
    """Whether the generator has to share a CPU with one of so many workers."""
    return len(_cpus()) <= workers


@contextmanager
def pinned(cpus: set[int]) -> Iterator[None]:
    """This thread, and the processes it starts in the block, run on these CPUs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def description() -> str:
    """CPU, count, system and interpreter in a line."""
    return (
        f"{_cpu_model()}, {len(_cpus())} CPUs usable; Linux {platform.release()}; "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def busy() -> str | None:
    """A warning if others use this machine, from what waited for a CPU in the last minute."""
    waiting = os.getloadavg()[0]
    return None if waiting < _QUIET else f"the machine is not quiet (load {waiting:.1f}): trust ratios, not figures"


def pinning() -> str:
    """Who runs where, as the reader should know it."""
    cpus = _cpus()
    if len(cpus) == 1:
        return "one CPU: the generator and the server share it, and rates are too low by what the generator takes"
    return f"generator on CPU {cpus[0]}, one server at a time loaded, on CPU {cpus[1]}"


def fsync_ms(folder: Path) -> float:
    """Median of an append of 600 bytes and an fsync, in milliseconds."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter_ns()
            os.write(file.fileno(), _RECORD)
            os.fsync(file.fileno())
            took.append(time.perf_counter_ns() - began)
    return statistics.median(took) / 1e6


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and those it started have taken, in steps of 10 ms."""
    return sum(_cpu_s(each) for each in (pid, *_children(pid)))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> list[float]:
    """Resident memory of a process and of those it started, in MB, the largest last."""
    return sorted(_resident_mb(each) for each in (pid, *_children(pid)))


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children(pid: int) -> list[int]:
    direct = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text("ascii").split()
    ]
    return direct + [deeper for child in direct for deeper in _children(child)]


def _cpus() -> list[int]:
    return sorted(_AT_START)


_AT_START = os.sched_getaffinity(0)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
