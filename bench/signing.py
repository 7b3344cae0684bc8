"""The part `http`: signing over keep-alive connections, against bare Fastify handlers on the same core."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import fastify
from bench.core import raw_rates
from bench.machine import fsync_ms, server_cpus
from bench.processes import Server, free_port, python_module, started
from bench.results import Report, Row, at_least, at_most
from bench.rounds import Contestant, Measured, Pace, interleaved, ratios
from bench.rules import make_rules
from bench.service import Service, make_wallets, sandbox, service
from bench.traffic import HEALTH, KEYED, ORDER, ORDER_BATCH, PUBLIC_KEY, RULES, SIGN, SIGN_BATCH, SIGN_ORDER, Route

PART = "http"
TMPFS = "hyperkms, tmpfs"
DISK = "hyperkms, disk"
_NOT_FOUND = 404
_OVER = {"crypto": 2.0, "sodium": 1.3}
_ORDERS = 8_000
_ORDER_P99_MS = 15
_BATCH_SHARE = 0.6
_RULED_ORDERS = 5_000
_RULED_SHARE = 0.8
_RULED_P50_MS = 0.6
_LATE = 64
"""Connections at which the target for the 99th percentile stands."""


@dataclass(frozen=True)
class Places:
    """Folders of this run on both kinds of storage."""

    tmpfs: Path
    disk: Path


@dataclass(frozen=True)
class _Field:
    """Everything that answers."""

    ours: Sequence[Contestant]
    theirs: Sequence[Contestant]
    services: Sequence[Service]
    fsync_ms: float


def measure(report: Report, places: Places, *, only: Sequence[str], connections: Sequence[int], pace: Pace) -> None:
    """Measure every route that is asked for."""
    report.begin("HTTP, one worker on one core, keep-alive")
    with _everyone(report, places) as everyone:
        if "sign" in only:
            _sign(report, everyone, connections, pace)
        if "order" in only:
            _order(report, everyone, connections, pace)
        if "keyed" in only:
            for each in connections:
                _add(report, interleaved(everyone.ours, KEYED, connections=each, pace=pace), KEYED, each)
        if "rules" in only:
            _rules(report, everyone, connections, pace)
        for route in (SIGN_ORDER, PUBLIC_KEY, HEALTH):
            if route.name in only:
                _plain(report, everyone, route, pace)
        raw = raw_rates() if "batch" in only else {}
        for route, algorithm in ((SIGN_BATCH, "ed25519"), (ORDER_BATCH, "secp256k1")):
            if "batch" in only:
                _batch(report, everyone, route, raw[algorithm], pace)


@contextmanager
def _everyone(report: Report, places: Places) -> Iterator[_Field]:
    with ExitStack() as ends:
        _what_the_generator_can(report, places)
        fsync = {name: fsync_ms(folder) for name, folder in (("tmpfs", places.tmpfs), ("disk", places.disk))}
        report.add(
            Row(part=PART, name="fsync of an append", shown=_fsync_text(fsync), figures=fsync),
        )
        exchange = ends.enter_context(sandbox(places.tmpfs))
        services = [ends.enter_context(service(folder, exchange)) for folder in (places.tmpfs, places.disk)]
        for made in services:
            make_wallets(made)
        ours = [Contestant(name, made.running, made.key) for name, made in zip((TMPFS, DISK), services, strict=True)]
        yield _Field(ours, _theirs(report, places, ends), services, fsync["disk"])


def _theirs(report: Report, places: Places, ends: ExitStack) -> list[Contestant]:
    try:
        fastify.install()
    except fastify.NoNode as missing:
        report.note(f"skipped: Fastify ({missing})")
        return []
    return [
        Contestant(name, ends.enter_context(fastify.fastify(library, places.tmpfs)))
        for library, name in fastify.LIBRARIES.items()
    ]


def _what_the_generator_can(report: Report, places: Places) -> None:
    port = free_port()
    command = [*python_module("bench.responder"), str(port)]
    server = Server(
        command=command, port=port, ready="/", environment={"PYTHONPATH": str(Path(__file__).parent.parent)}
    )
    with started(server, cpus=server_cpus(), output=places.tmpfs / "responder.log") as running:
        fixed = Contestant("fixed answers", running)
        for each in (1, 64):
            measured = interleaved([fixed], SIGN, connections=each, pace=Pace(rounds=3, seconds=0.7))
            report.add(measured[0].row(PART, f"the generator itself, {each} connections"))


def _sign(report: Report, everyone: _Field, connections: Sequence[int], pace: Pace) -> None:
    for each in connections:
        measured = interleaved([*everyone.ours, *everyone.theirs], SIGN, connections=each, pace=pace)
        by_name = _add(report, measured, SIGN, each)
        for library, name in fastify.LIBRARIES.items():
            if name not in by_name:
                continue
            if each > 1:
                over = ratios(by_name[TMPFS], by_name[name], lambda one: one.rates)
                words = f"sign, {each}: rate over {name}"
                report.add(at_least(PART, words, over, _OVER[library], "x"))
            elif library == "crypto":
                _median_latency(report, by_name, name, everyone.fsync_ms)


def _median_latency(report: Report, by_name: dict[str, Measured], name: str, fsync: float) -> None:
    allowed = by_name[name].percentile_ms(50)
    tmpfs, disk = (by_name[each].percentile_ms(50) for each in (TMPFS, DISK))
    report.add(at_most(PART, f"sign, 1: p50 on tmpfs, to {name}", tmpfs, allowed, "ms"))
    report.add(at_most(PART, f"sign, 1: p50 on disk, to {name} + fsync", disk, allowed + fsync, "ms"))


def _order(report: Report, everyone: _Field, connections: Sequence[int], pace: Pace) -> None:
    for each in connections:
        by_name = _add(report, interleaved(everyone.ours, ORDER, connections=each, pace=pace), ORDER, each)
        if each > 1:
            report.add(at_least(PART, f"order, {each}: rate on tmpfs", by_name[TMPFS].rate, _ORDERS, "/s"))
        if each == _LATE:
            p99 = by_name[TMPFS].percentile_ms(99)
            report.add(at_most(PART, f"order, {each}: p99 on tmpfs", p99, _ORDER_P99_MS, "ms"))


def _rules(report: Report, everyone: _Field, connections: Sequence[int], pace: Pace) -> None:
    """Orders under a grant and ten rules, beside a handler that signs bare bytes and asks nobody."""
    keys = [make_rules(made) for made in everyone.services]
    bots = [
        replace(ours, key=key, route=RULES, name=f"{ours.name}, ten rules")
        for ours, key in zip(everyone.ours, keys, strict=True)
    ]
    bare = [one for one in everyone.theirs if one.name == fastify.LIBRARIES["crypto"]]
    tmpfs, disk = (bot.name for bot in bots)
    for each in connections:
        by_name = _add(
            report, interleaved([*bots, *everyone.ours, *bare], SIGN, connections=each, pace=pace), RULES, each
        )
        if each == _LATE:
            report.add(at_least(PART, f"rules, {each}: rate on tmpfs", by_name[tmpfs].rate, _RULED_ORDERS, "/s"))
        if each == _LATE and bare:
            over = ratios(by_name[tmpfs], by_name[bare[0].name], lambda one: one.rates)
            report.add(at_least(PART, f"rules, {each}: rate over {bare[0].name}", over, _RULED_SHARE, "x"))
        if each == 1:
            words = "rules, 1: p50 on"
            report.add(at_most(PART, f"{words} tmpfs", by_name[tmpfs].percentile_ms(50), _RULED_P50_MS, "ms"))
            allowed = _RULED_P50_MS + everyone.fsync_ms
            report.add(at_most(PART, f"{words} disk, with its fsync", by_name[disk].percentile_ms(50), allowed, "ms"))


def _plain(report: Report, everyone: _Field, route: Route, pace: Pace) -> None:
    _add(report, interleaved(everyone.ours, route, connections=8, pace=pace), route, 8)


def _batch(report: Report, everyone: _Field, route: Route, raw: float, pace: Pace) -> None:
    status, _ = everyone.services[0].ask("POST", route.path, route.make()[0])
    if status == _NOT_FOUND:
        report.note(f"skipped: {route.path} answers 404")
        return
    by_name = _add(report, interleaved(everyone.ours, route, connections=2, pace=pace), route, 2)
    share = by_name[TMPFS].rate / raw
    report.add(at_least(PART, f"{route.name}: share of the core's {raw:,.0f}/s", share, _BATCH_SHARE, "x"))


def _add(report: Report, measured: Sequence[Measured], route: Route, connections: int) -> dict[str, Measured]:
    for one in measured:
        report.add(one.row(PART, f"{route.name}, {connections}: {one.contestant}"))
    return {one.contestant: one for one in measured}


def _fsync_text(fsync: dict[str, float]) -> str:
    return "   ".join(f"{name} {took:.3f} ms" for name, took in fsync.items()) + "   (median)"
