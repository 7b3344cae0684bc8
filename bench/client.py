"""The part `client`: what a bot waits for, measured by `bench.client_latency` against a service of its own."""

import importlib.util
import json
import subprocess
from pathlib import Path

from bench.machine import generator_cpus, pinned
from bench.processes import python_module
from bench.results import Report, Row, at_most
from bench.service import SECP256K1, make_wallets, sandbox, service

PART = "client"
_MODULE = "bench.client_latency"
_LIMIT_S = 180
_OURS, _REQUESTS, _SDK = "SigningClient", "requests.Session", "official SDK, local key"
_NEAR = "SigningClient, Unix socket"
_FIFTH = 0.2


def measure(report: Report, folder: Path, *, rounds: int) -> None:
    """Run it as a program of its own, on the generator's CPU; an order each call, one connection."""
    report.begin("hyperkms.client: one order, over TCP, data on tmpfs")
    if importlib.util.find_spec(_MODULE) is None:
        report.note(f"skipped: {_MODULE} is not here")
        return
    near = folder / "near.sock"
    with sandbox(folder) as exchange, service(folder, exchange, ["--uds", str(near)]) as made:
        make_wallets(made)
        words = ["--url", f"http://127.0.0.1:{made.running.port}", "--key", made.key, "--wallet", SECP256K1[0]]
        command = [*python_module(_MODULE), *words, "--unix", f"unix:{near}", "--rounds", str(rounds), "--json"]
        with pinned(generator_cpus()):
            done = subprocess.run(  # noqa: S603 (a module of this package)
                command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
    if done.returncode != 0:
        report.note(f"failed: {done.stderr.strip()[-600:]}")
        return
    figures = json.loads(done.stdout)
    for name, each in figures.items():
        shown = f"{'':13} p50 {each['p50_us']:7.0f}  p90 {each['p90_us']:7.0f} us"
        report.add(Row(part=PART, name=name, shown=shown, figures=each))
    ours, theirs = figures[_OURS]["p50_us"], figures[_REQUESTS]["p50_us"]
    report.add(at_most(PART, f"p50 over {_REQUESTS}'s", ours / theirs, _FIFTH, "x"))
    report.add(at_most(PART, f"{_NEAR}: p50 over {_REQUESTS}'s", figures[_NEAR]["p50_us"] / theirs, _FIFTH, "x"))
    report.add(at_most(PART, f"p50 over {_SDK}", ours / figures[_SDK]["p50_us"], 1.0, "x"))
