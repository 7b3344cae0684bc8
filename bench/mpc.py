"""The part `mpc`: wallets in shares, three cosigners in processes of their own, beside combining and then signing."""

import http.client
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from bench import fastify
from bench.machine import all_cpus, cpu_s, fsync_ms
from bench.results import Report, Row, at_least, at_most
from bench.rounds import Contestant, Measured, Pace, interleaved, ratios
from bench.service import Service, sandbox, service
from bench.signing import Places
from bench.traffic import DIFFERENT, Route, order_request, sign_request

PART = "mpc"
KEY_TYPES = ("ed25519", "secp256k1")
TMPFS, DISK = "three cosigners, tmpfs", "three cosigners, disk"
COMBINED = "Fastify, secrets.js and tweetnacl"
CONNECTIONS = 8
_SETTINGS = {"HYPERKMS_ENV": "development", "MPC_ENABLED": "true"}
"""Three cosigners that the service runs itself are for development."""
_FROST_P50_MS = 5
_FROST_RATE = 250
_DKLS_P50_MS = 50
_GENERATE_S = 5
_FSYNCS = 2
"""One after the other: those of the cosigners, at the same time, then the service's own."""


@dataclass(frozen=True)
class _Field:
    """Everything that answers."""

    ours: Sequence[Contestant]
    theirs: Sequence[Contestant]
    fsync_ms: float
    wallets: Mapping[str, Sequence[str]]


def measure(report: Report, places: Places, *, wallets: int, pace: Pace) -> None:
    """Make wallets of both key types, and sign with them."""
    report.begin("wallets in shares: 2 of 3, three cosigner processes, a service, and the generator on the same CPUs")
    with _everyone(report, places, wallets) as everyone:
        _frost(report, everyone, pace)
        _dkls(report, everyone, pace)


@contextmanager
def _everyone(report: Report, places: Places, wallets: int) -> Iterator[_Field]:
    named = {key_type: [f"{key_type}-{number}" for number in range(wallets)] for key_type in KEY_TYPES}
    with ExitStack() as ends:
        exchange = ends.enter_context(sandbox(places.tmpfs))
        ours = []
        for name, folder in ((TMPFS, places.tmpfs), (DISK, places.disk)):
            made = ends.enter_context(service(folder, exchange, cpus=all_cpus(), settings=_SETTINGS))
            _make(report, made, name, named)
            ours.append(Contestant(name, made.running, made.key))
        fsync = fsync_ms(places.disk)
        report.note(f"one fsync: disk {fsync:.3f} ms, tmpfs {fsync_ms(places.tmpfs):.3f} ms")
        yield _Field(ours, _combining(report, places, ends), fsync, named)


def _combining(report: Report, places: Places, ends: ExitStack) -> list[Contestant]:
    try:
        fastify.install()
    except fastify.NoNode as missing:
        report.note(f"skipped: {COMBINED} ({missing})")
        return []
    return [Contestant(COMBINED, ends.enter_context(fastify.fastify(fastify.COMBINING, places.tmpfs)))]


def _make(report: Report, made: Service, name: str, named: Mapping[str, Sequence[str]]) -> None:
    for key_type, wallets in named.items():
        before = cpu_s(made.running.pid)
        took = [_generate(made, wallet, key_type) for wallet in wallets]
        cpu = (cpu_s(made.running.pid) - before) / len(wallets)
        report.add(at_most(PART, f"generate {key_type}, {name}", statistics.median(took), _GENERATE_S, "s"))
        shown, figures = f"{cpu:10.2f} s   {min(took):.2f}..{max(took):.2f} s by the clock", {"cpu_s": cpu}
        report.add(Row(part=PART, name=f"generate {key_type}: CPU of all processes", shown=shown, figures=figures))


def _generate(made: Service, wallet: str, key_type: str) -> float:
    began = time.perf_counter()
    status, answer = made.ask("POST", "/mpc/wallets/generate", {"walletId": wallet, "keyType": key_type})
    if status != http.client.OK:
        raise RuntimeError(f"{wallet}: {status} {answer}")
    return time.perf_counter() - began


def _frost(report: Report, everyone: _Field, pace: Pace) -> None:
    wallets = everyone.wallets["ed25519"]
    route = Route("FROST", "/mpc/wallets/sign", lambda: sign_request(wallets))
    for each in (1, CONNECTIONS):
        measured = interleaved([*everyone.ours, *everyone.theirs], route, connections=each, pace=pace)
        by_name = _add(report, measured, f"FROST, {each}")
        if each == 1:
            _median(report, by_name, "FROST, 1: p50", _FROST_P50_MS, everyone.fsync_ms)
        else:
            report.add(at_least(PART, f"FROST, {each}: rate on tmpfs", by_name[TMPFS].rate, _FROST_RATE, "/s"))
        _beside(report, by_name, f"FROST, {each}")


def _dkls(report: Report, everyone: _Field, pace: Pace) -> None:
    wallets = everyone.wallets["secp256k1"]
    route = Route("DKLs23", "/hyperliquid/sign", lambda: _orders(wallets))
    for each in (1, CONNECTIONS):
        by_name = _add(report, interleaved(everyone.ours, route, connections=each, pace=pace), f"DKLs23, {each}")
        if each == 1:
            _median(report, by_name, "DKLs23, 1: p50", _DKLS_P50_MS, everyone.fsync_ms)


def _orders(wallets: Sequence[str]) -> list[dict[str, Any]]:
    return [order_request(wallet) for wallet in islice(cycle(wallets), DIFFERENT)]


def _median(report: Report, by_name: Mapping[str, Measured], words: str, allowed: float, fsync: float) -> None:
    report.add(at_most(PART, f"{words} on tmpfs", by_name[TMPFS].percentile_ms(50), allowed, "ms"))
    on_disk = by_name[DISK].percentile_ms(50)
    report.add(at_most(PART, f"{words} on disk, with its fsyncs", on_disk, allowed + _FSYNCS * fsync, "ms"))


def _beside(report: Report, by_name: Mapping[str, Measured], words: str) -> None:
    if COMBINED in by_name:
        over = ratios(by_name[TMPFS], by_name[COMBINED], lambda one: one.rates)
        report.add(
            Row(
                part=PART,
                name=f"{words}: rate over {COMBINED}",
                shown=f"{over:10,.2f} x",
                figures={"value": over},
            )
        )


def _add(report: Report, measured: Sequence[Measured], words: str) -> dict[str, Measured]:
    for one in measured:
        report.add(one.row(PART, f"{words}: {one.contestant}"))
    return {one.contestant: one for one in measured}
