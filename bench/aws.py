"""The part `aws`: how often AWS is called, and what its distance costs a signature, beside a local root key.

An emulator (moto) plays AWS behind a door that holds each call for 10 ms.
"""

import http.client
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.session

from bench.machine import generator_cpus
from bench.processes import Server, free_port, started
from bench.results import Report, Row, at_most
from bench.rounds import Contestant, Pace, interleaved, ratios
from bench.service import Service, sandbox, service
from bench.traffic import Route, sign_request

PART = "aws"
LOCAL, LEASED, STRICT = "local root key", "AWS KMS, leases", "AWS KMS, strict"
_AWAY_S = 0.010
_REGION = "eu-west-1"
_WALLETS = ("wallet-0", "wallet-1", "wallet-2", "wallet-3")
_P50_OVER_LOCAL = 1.1
_LEASE_S = 300
_MEAN_RENEWAL_S = _LEASE_S * 0.9 * 0.8
"""Leases are up to a fifth shorter, and renewed at 80 %."""
_RATE = 100
_MILLION = 1_000_000


def measure(report: Report, folder: Path, *, pace: Pace) -> None:
    """Count calls a wallet and a signature, then compare medians."""
    report.begin(
        f"AWS {1000 * _AWAY_S:.0f} ms away: signatures over one connection, and calls of KMS and Secrets Manager"
    )
    with ExitStack() as ends:
        exchange = ends.enter_context(sandbox(folder))
        found = ends.enter_context(_aws(folder))
        made = {
            LOCAL: ends.enter_context(service(_made(folder / "local"), exchange)),
            LEASED: ends.enter_context(
                service(_made(folder / "leased"), exchange, settings={**found, "SECRETS_PREFIX": "l/"})
            ),
            STRICT: ends.enter_context(
                service(
                    _made(folder / "strict"),
                    exchange,
                    settings={**found, "SECRETS_PREFIX": "s/", "HYPERKMS_KEY_LEASE": "strict"},
                )
            ),
        }
        for name, one in made.items():
            _make_wallets(report, name, one)
        _latency(report, made, pace)
        _count(report, made)


def _latency(report: Report, made: Mapping[str, Service], pace: Pace) -> None:
    route = Route("sign", "/wallets/sign", lambda: sign_request(_WALLETS))
    everyone = [Contestant(name, one.running, one.key) for name, one in made.items()]
    measured = {one.contestant: one for one in interleaved(everyone, route, connections=1, pace=pace)}
    for name, one in measured.items():
        report.add(one.row(PART, f"sign, 1: {name}"))
    over = ratios(measured[LEASED], measured[LOCAL], lambda one: [load.percentile_ms(50) for load in one.runs])
    report.add(at_most(PART, "sign, 1: p50 under leases over a local root key", over, _P50_OVER_LOCAL, "x"))


def _count(report: Report, made: Mapping[str, Service]) -> None:
    """What was counted since the start, by the service itself; the rest is arithmetic, and says so."""
    before = {name: _calls(one) for name, one in made.items()}
    signed = 40
    for name in (LEASED, STRICT):
        for number in range(signed):
            made[name].ask("POST", "/wallets/sign", {"walletId": _WALLETS[number % len(_WALLETS)], "message": "m"})
    for name in (LEASED, STRICT):
        calls = sum(_calls(made[name]).values()) - sum(before[name].values())
        shown = f"{calls / signed:10.2f} a signature, keys open ({calls} in {signed})"
        report.add(Row(part=PART, name=f"calls: {name}", shown=shown, figures={"value": calls / signed}))
    for wallets in (1, 100, 10_000):
        renewals = wallets * (_MILLION / _RATE) / _MEAN_RENEWAL_S
        shown = (
            f"{renewals:12,.0f} under leases of {_LEASE_S} s at {_RATE}/s in all, {_MILLION:12,} when strict (computed)"
        )
        name = f"calls of KMS a million signatures, {wallets:,} active"
        report.add(Row(part=PART, name=name, shown=shown, figures={"value": renewals}))


def _make_wallets(report: Report, name: str, made: Service) -> None:
    before = _calls(made)
    began = time.perf_counter()
    for wallet in _WALLETS:
        status, answer = made.ask("POST", "/wallets/generate", {"walletId": wallet, "keyType": "ed25519"})
        if status != http.client.OK:
            raise RuntimeError(f"{wallet}: {status} {answer}")
    took = (time.perf_counter() - began) / len(_WALLETS)
    calls = {what: number - before.get(what, 0) for what, number in _calls(made).items()}
    each = ", ".join(f"{what} {number / len(_WALLETS):.0f}" for what, number in sorted(calls.items()) if number)
    report.add(
        Row(part=PART, name=f"generate: {name}", shown=f"{1000 * took:10.1f} ms   {each}", figures={"ms": 1000 * took})
    )


def _calls(made: Service) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", made.running.port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={"X-API-Key": made.key})
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    found: dict[str, int] = {}
    for operation, number in re.findall(r'hyperkms_aws_calls_total\{.*?operation="(\w+)".*?\} (\d+)', page):
        found[operation] = found.get(operation, 0) + int(number)
    return found


@contextmanager
def _aws(folder: Path) -> Iterator[dict[str, str]]:
    """The settings with which a service finds the emulator, ten milliseconds away."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = Server(command=command, port=port, ready="/moto-api/")
    with started(server, cpus=generator_cpus(), output=folder / "moto.log"), _far_away(port) as url:
        credentials = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none"}
        client = botocore.session.get_session().create_client(
            "kms",
            region_name=_REGION,
            endpoint_url=url,
            aws_access_key_id="AKIAEXAMPLE",
            aws_secret_access_key="none",  # noqa: S106 (an emulator asks for no secret)
        )
        key = str(client.create_key()["KeyMetadata"]["KeyId"])
        yield {"AWS_REGION": _REGION, "AWS_ENDPOINT_URL": url, "AWS_KMS_KEY_ID": key, **credentials}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the second write of an answer would wait 40 ms for an acknowledgement
    server: "_Door"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(_AWAY_S)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=30)
        connection.request("POST", self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        with suppress(OSError):
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Door(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream


@contextmanager
def _far_away(upstream: int) -> Iterator[str]:
    door = _Door(upstream)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.server_address[1]}"
    finally:
        door.shutdown()
        door.server_close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
