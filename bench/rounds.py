"""Interleaved rounds: A B C, A B C, ... so that what changes on the machine meets all of them alike."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.load import Load, run
from bench.machine import cpu_s, generator_cpus, pinned
from bench.processes import Running
from bench.results import Row, spread
from bench.traffic import Route

WARM_UP_S = 0.5
"""Or half of a run, if that is less."""


@dataclass(frozen=True)
class Contestant:
    """A server that answers a route."""

    name: str
    running: Running
    key: str = "no-key"
    route: Route | None = None
    """What it is asked, where that is another route than the others are asked."""


@dataclass(frozen=True)
class Pace:
    """How long and how often."""

    rounds: int = 5
    seconds: float = 1.5


@dataclass
class Measured:
    """One contestant's runs of one route at one number of connections."""

    contestant: str
    signatures: int
    runs: list[Load] = field(default_factory=list)
    cpu_s: float = 0.0
    """CPU that the server took in all runs."""

    @property
    def rates(self) -> list[float]:
        """Signatures (or answers) a second, a run each."""
        return [load.rate * self.signatures for load in self.runs]

    @property
    def rate(self) -> float:
        """Their median."""
        return statistics.median(self.rates)

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a signature (or answer): the figure that neighbours on the machine disturb least."""
        return self.cpu_s * 1e6 / (sum(load.count for load in self.runs) * self.signatures)

    def percentile_ms(self, percent: float) -> float:
        """Median over the runs of what this part of the answers took at most."""
        return statistics.median(load.percentile_ms(percent) for load in self.runs)

    @property
    def max_ms(self) -> float:
        """The slowest answer of all."""
        return max(load.percentile_ms(100) for load in self.runs)

    def row(self, part: str, name: str) -> Row:
        """Rate, percentiles and spread."""
        p50, p90, p99 = (self.percentile_ms(percent) for percent in (50, 90, 99))
        return Row(
            part=part,
            name=name,
            shown=(
                f"{self.rate:10,.0f} /s   cpu {self.cpu_us:6.1f} us   p50 {p50:7.3f}  p90 {p90:7.3f}  p99 {p99:7.3f}  "
                f"max {self.max_ms:6.1f} ms   ({spread(self.rates)})"
            ),
            figures={
                "rate": self.rate,
                "cpu_us": self.cpu_us,
                "p50_ms": p50,
                "p90_ms": p90,
                "p99_ms": p99,
                "max_ms": self.max_ms,
            },
        )


def interleaved(contestants: Sequence[Contestant], route: Route, *, connections: int, pace: Pace) -> list[Measured]:
    """Measure a route on each of them, in rounds, after a warm-up."""
    measured = [Measured(contestant.name, route.signatures) for contestant in contestants]
    with pinned(generator_cpus()):
        for contestant in contestants:
            _load(contestant, route, connections, min(WARM_UP_S, pace.seconds / 2))
        for _ in range(pace.rounds):
            for contestant, kept in zip(contestants, measured, strict=True):
                before = cpu_s(contestant.running.pid)
                kept.runs.append(_load(contestant, route, connections, pace.seconds))
                kept.cpu_s += cpu_s(contestant.running.pid) - before
    return measured


def ratios(ours: Measured, theirs: Measured, of: Callable[[Measured], Sequence[float]]) -> float:
    """Median of the ratios of runs that stood next to each other."""
    return statistics.median(a / b for a, b in zip(of(ours), of(theirs), strict=True))


def _load(contestant: Contestant, route: Route, connections: int, seconds: float) -> Load:
    route = contestant.route or route
    requests = route.requests(contestant.key)
    count = len(requests) if route.once else None
    return run(contestant.running.address, requests, connections=connections, seconds=seconds, count=count)
