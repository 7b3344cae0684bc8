"""The part `workers`: two workers beside one."""

from contextlib import ExitStack
from pathlib import Path

from bench.machine import crowded, resident_mb, server_cpus
from bench.processes import ProcessFailed
from bench.results import Report, Row, at_least
from bench.rounds import Contestant, Pace, interleaved, ratios
from bench.service import make_wallets, sandbox, service
from bench.traffic import ORDER, ORDER_BATCH, SIGN

PART = "workers"
_TIMES = 1.8
_CONNECTIONS = 64
_FEW = 16
"""For batches, which cost the generator next to nothing a signature."""


def measure(report: Report, folder: Path, *, pace: Pace) -> None:
    """The same load on a service with one worker and on one with two, each worker with a CPU to itself."""
    report.begin("Two workers and one, data on tmpfs")
    if crowded(workers=2):
        report.note("two workers need two CPUs and the generator one more; here it shares theirs, so the ratio is")
        report.note("lower than what two workers can do: the generator takes its part of one of them")
    with ExitStack() as ends:
        exchange = ends.enter_context(sandbox(folder))
        contestants = []
        for workers in (1, 2):
            home = folder / f"{workers}-workers"
            home.mkdir()
            words = () if workers == 1 else ("--workers", str(workers))
            try:
                made = ends.enter_context(service(home, exchange, words, cpus=server_cpus(workers)))
            except ProcessFailed as failed:
                report.note(f"skipped: serve {' '.join(words)} does not start ({str(failed).strip().splitlines()[-1]})")
                return
            make_wallets(made)
            contestants.append(Contestant(f"{workers} worker{'s'[: workers - 1]}", made.running, made.key))
            report.add(_resident(made.running.pid, workers))
        for route, connections in ((SIGN, _CONNECTIONS), (ORDER, _CONNECTIONS), (ORDER_BATCH, _FEW)):
            one, two = interleaved(contestants, route, connections=connections, pace=pace)
            for each in (one, two):
                report.add(each.row(PART, f"{route.name}, {connections}: {each.contestant}"))
            ratio = ratios(two, one, lambda measured: measured.rates)
            report.add(at_least(PART, f"{route.name}, {connections}: two over one", ratio, _TIMES, "x"))


def _resident(pid: int, workers: int) -> Row:
    sizes = resident_mb(pid)
    return Row(
        part=PART,
        name=f"resident memory, {workers} of --workers",
        shown="   ".join(f"{size:.0f} MB" for size in sizes),
        figures={"largest_mb": sizes[-1], "sum_mb": sum(sizes)},
    )
