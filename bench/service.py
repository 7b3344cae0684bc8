"""Our service as it stands in production: API keys, limits, a log, the durable record."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import generator_cpus, server_cpus
from bench.processes import Running, Server, free_port, hyperkms, started

WALLETS = 64
ED25519 = tuple(f"message-{number:02d}" for number in range(WALLETS))
SECP256K1 = tuple(f"order-{number:02d}" for number in range(WALLETS))
"""As many bots as connections: nonces of one signer follow the clock, 1,000 a second."""

_OPEN = "1000000/s"
_NO_MORE: Mapping[str, str] = {}
SETTINGS: Mapping[str, str] = {
    "HYPERKMS_ENV": "production",
    "HYPERKMS_NETWORK": "testnet",
    # Limits are in force and counted; these are only too high to be met.
    "HYPERKMS_LIMIT_SIGN": _OPEN,
    "HYPERKMS_LIMIT_GENERATE": _OPEN,
    "HYPERKMS_LIMIT_READ": _OPEN,
    "HYPERKMS_LIMIT_ADMINISTER": _OPEN,
}


@dataclass(frozen=True)
class Service:
    """A running service with its administrator's key."""

    running: Running
    key: str
    data: Path

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON of one request."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=30)) as connection:
            headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """The stand-in for the exchange, of which the service reads coins and decimals; its URL."""
    port = free_port()
    command = hyperkms("sandbox", "--port", str(port), "--allow-any")
    server = Server(command=command, port=port, ready="/sandbox/log")
    with started(server, cpus=generator_cpus(), output=folder / "sandbox.log") as running:
        yield f"http://127.0.0.1:{running.port}"


@contextmanager
def service(
    folder: Path,
    exchange: str,
    words: Sequence[str] = (),
    *,
    cpus: set[int] | None = None,
    settings: Mapping[str, str] = _NO_MORE,
) -> Iterator[Service]:
    """`hyperkms serve` with its data and its log in `folder`, on the server's CPU or on these, with more settings."""
    port = free_port()
    data = folder / "data"
    command = hyperkms("serve", "--data", str(data), "--port", str(port), *words)
    environment = {**SETTINGS, "HYPERKMS_TESTNET_URL": exchange, **settings}
    server = Server(command=command, port=port, ready="/ready", environment=environment)
    with started(server, cpus=cpus or server_cpus(), output=folder / "service.log") as running:
        yield Service(running, (data / "admin.key").read_text("ascii").strip(), data)


def make_wallets(made: Service) -> None:
    """The wallets that the load asks to sign."""
    for name in ED25519:
        _make(made, {"walletId": name, "keyType": "ed25519"})
    for name in SECP256K1:
        _make(made, {"walletId": name, "keyType": "secp256k1", "network": "testnet"})


def _make(made: Service, body: Mapping[str, str]) -> None:
    status, answer = made.ask("POST", "/wallets/generate", body)
    if status != http.client.OK:
        raise RuntimeError(f"{body}: {status} {answer}")
