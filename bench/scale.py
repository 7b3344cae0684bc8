"""The part `scale`: many wallets. How soon it is ready, what a request costs, what memory it takes."""

from contextlib import ExitStack
from pathlib import Path

from bench.fill import fill, wallet_name
from bench.load import run
from bench.machine import generator_cpus, pinned, resident_mb
from bench.results import Report, Row, at_most
from bench.rounds import Contestant, Pace, interleaved, ratios
from bench.service import Service, sandbox, service
from bench.traffic import Route, sign_request

PART = "scale"
FEW = 100
_READY_S = 1.5
_RESIDENT_MB = 120.0
_MORE = 1.1
"""A tenth more is what rounds of the same thing differ by."""
_FIRST_USE_RUNS = 12


def measure(report: Report, folder: Path, *, medium: int, many: int, pace: Pace) -> None:
    """Fill two stores, start a service on each, and load them beside one of 100 wallets."""
    report.begin("Many wallets, data on tmpfs")
    with ExitStack() as ends:
        exchange = ends.enter_context(sandbox(folder))
        _ready(report, folder / f"{medium}", medium, exchange)
        services = {}
        for count in (FEW, many):
            home = folder / f"{count}-wallets"
            home.mkdir()
            fill(home / "data", count)
            services[count] = ends.enter_context(service(home, exchange))
        _requests(report, services, many, pace)
        _first_use(report, services[many], many, _FIRST_USE_RUNS * pace.seconds)


def _ready(report: Report, home: Path, count: int, exchange: str) -> None:
    home.mkdir()
    fill(home / "data", count)
    took = []
    for _ in range(3):
        with service(home, exchange) as made:
            took.append(made.running.ready_s)
    report.add(at_most(PART, f"ready with {count:,} wallets, cold start", sorted(took)[1], _READY_S, "s"))


def _requests(report: Report, services: dict[int, Service], many: int, pace: Pace) -> None:
    """The same 100 wallets in turn in both stores."""
    names = [wallet_name(number) for number in range(FEW)]
    route = Route("sign", "/wallets/sign", lambda: sign_request(names))
    contestants = [Contestant(f"{count:,} wallets", made.running, made.key) for count, made in services.items()]
    for connections in (1, 8):
        few, more = interleaved(contestants, route, connections=connections, pace=pace)
        for each in (few, more):
            report.add(each.row(PART, f"sign, {connections}: {each.contestant}"))
        if connections == 1:
            ratio = ratios(more, few, lambda one: [load.percentile_ms(50) for load in one.runs])
            report.add(at_most(PART, f"sign, 1: p50 of {many:,} over {FEW}", ratio, _MORE, "x"))


def _first_use(report: Report, made: Service, many: int, seconds: float) -> None:
    """Each request for a wallet that was not used before: its key is opened now."""
    names = [wallet_name(number) for number in range(many)]
    requests = Route("sign", "/wallets/sign", lambda: sign_request(names, many)).requests(made.key)
    report.add(_resident(made, "before"))
    with pinned(generator_cpus()):
        load = run(made.running.address, requests, connections=8, seconds=seconds, count=many)
    p50, p99 = load.percentile_ms(50), load.percentile_ms(99)
    report.add(
        Row(
            part=PART,
            name=f"sign, 8: first use of {load.count:,} wallets",
            shown=f"{load.rate:10,.0f} /s   p50 {p50:7.3f}  p99 {p99:7.3f} ms",
            figures={"rate": load.rate, "p50_ms": p50, "p99_ms": p99, "wallets": load.count},
        )
    )
    report.add(_resident(made, f"with {load.count:,} keys opened"))


def _resident(made: Service, when: str) -> Row:
    return at_most(PART, f"resident memory a worker, {when}", resident_mb(made.running.pid)[-1], _RESIDENT_MB, "MB")
