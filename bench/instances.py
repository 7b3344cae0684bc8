"""The part `instances`: what it costs to count in a database that instances share, and how soon they know of a change.

HYPERKMS_BENCH_DATABASE names a PostgreSQL database whose user may make others; without it nothing is measured.
"""

import http.client
import os
import secrets
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bench.machine import server_cpus
from bench.processes import Server, free_port, hyperkms, started
from bench.results import Report, Row, at_most
from bench.rounds import Contestant, Pace, interleaved
from bench.service import SETTINGS, Service, make_wallets, sandbox, service
from bench.traffic import KEYED, ORDER, SIGN

PART = "instances"
DATABASE = "HYPERKMS_BENCH_DATABASE"
ALONE, SHARING = "one instance", "one of several"
_CHANGES = 100
_P99_MS = 100.0


def measure(report: Report, folder: Path, *, pace: Pace) -> None:
    """Signatures by an instance alone and by one of several, then how soon a change holds at the other."""
    address = os.environ.get(DATABASE)
    if not address:
        report.begin(f"several instances: not measured, set {DATABASE}=postgresql://user@host:port/name")
        return
    report.begin("several instances on one database: orders, and until a change elsewhere holds")
    with ExitStack() as ends:
        exchange = ends.enter_context(sandbox(folder))
        alone, shared = (ends.enter_context(_database(address)) for _ in range(2))
        first = ends.enter_context(service(_made(folder / "alone"), exchange, settings={"HYPERKMS_DATABASE": alone}))
        several = {
            "HYPERKMS_DATABASE": shared,
            "HYPERKMS_INSTANCES": "several",
            "HYPERKMS_ROOT_KEY": f"file:{folder / 'root.key'}",
        }
        here = ends.enter_context(service(_made(folder / "here"), exchange, settings=several))
        there = ends.enter_context(_beside(here, _made(folder / "there"), exchange, several))
        for one in (first, here):
            make_wallets(one)
        both = [Contestant(ALONE, first.running, first.key), Contestant(SHARING, here.running, here.key)]
        for connections in (1, 16):
            for route in (SIGN, ORDER, KEYED):
                for run in interleaved(both, route, connections=connections, pace=pace):
                    report.add(run.row(PART, f"{route.name}, {connections}: {run.contestant}"))
        _until_it_holds(report, here, there)


def _until_it_holds(report: Report, here: Service, there: Service) -> None:
    """From the answer to the revocation here, to the first refusal there, asked for over and over."""
    took = []
    for number in range(_CHANGES):
        name = f"client-{number}"
        _, issued = here.ask("POST", "/clients", {"name": name, "allow": ["sign-bytes"]})
        bot = Service(there.running, issued["apiKey"], there.data)
        asked = {"walletId": "message-00", "message": "m"}
        while bot.ask("POST", "/wallets/sign", asked)[0] != http.client.OK:
            pass
        here.ask("POST", f"/clients/{name}/revoke", {})
        began = time.perf_counter()
        while bot.ask("POST", "/wallets/sign", asked)[0] == http.client.OK:
            pass
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    middle = statistics.median(took)
    shown = f"p50 {middle:7.1f} ms   max {took[-1]:7.1f} ms   ({_CHANGES} revocations)"
    report.add(Row(part=PART, name="revoked here, refused there", shown=shown, figures={"p50": middle}))
    report.add(at_most(PART, "revoked here, refused there: p99", took[round(0.99 * _CHANGES) - 1], _P99_MS, "ms"))


@contextmanager
def _beside(first: Service, folder: Path, exchange: str, settings: Mapping[str, str]) -> Iterator[Service]:
    """A second instance; its administrator is that of the first."""
    port = free_port()
    data = folder / "data"
    environment = {**SETTINGS, "HYPERKMS_TESTNET_URL": exchange, **settings}
    command = hyperkms("serve", "--data", str(data), "--port", str(port))
    server = Server(command=command, port=port, ready="/ready", environment=environment)
    with started(server, cpus=server_cpus(), output=folder / "service.log") as running:
        yield Service(running, first.key, data)


@contextmanager
def _database(address: str) -> Iterator[str]:
    """A new database at the same server, migrated; dropped at the end."""
    name = f"hyperkms_bench_{secrets.token_hex(6)}"
    where, _, rest = address.rpartition("/")
    _, mark, options = rest.partition("?")
    made = f"{where}/{name}{mark}{options}"
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name)))
    try:
        inherited = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        subprocess.run(hyperkms("migrate"), env={**inherited, **SETTINGS, "HYPERKMS_DATABASE": made}, check=True)  # noqa: S603 (our own)
        yield made
    finally:
        with psycopg.connect(address, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
