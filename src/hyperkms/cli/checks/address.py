"""Where the service would listen: who could hear, and whether it is free."""

import socket
from collections.abc import Iterator
from pathlib import Path

from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.cli.listeners import METRICS_HOST
from hyperkms.cli.running import is_served
from hyperkms.config import LOOPBACK, Config


def address(config: Config) -> Iterator[Finding]:
    """TCP, the port of /metrics and the Unix socket, as far as they are set."""
    if config.port is not None:
        yield from _exposure(config)
        yield _found(config, f"{config.host} port {config.port}", _why_not_bound(config.host, config.port))
    if config.metrics_port is not None:
        yield _found(config, f"metrics port {config.metrics_port}", _why_not_bound(METRICS_HOST, config.metrics_port))
    if config.uds is not None:
        yield _found(config, f"unix socket {config.uds}", _why_not_made(config.uds))


def _exposure(config: Config) -> Iterator[Finding]:
    if config.host in LOOPBACK or config.tls_cert is not None:
        return
    words = f"{config.host} is not loopback and the service speaks plain HTTP"
    if config.behind_tls_proxy:
        yield note("address", f"{words} behind a proxy", "let nobody but the proxy reach it")
    else:
        do = "use 127.0.0.1, --tls-cert and --tls-key, or a proxy with TLS"
        yield bad("address", f"{words}: API keys travel in the clear", do)


def _found(config: Config, where: str, reason: str | None) -> Finding:
    if reason is None:
        return good("port", f"{where} is free")
    if is_served(config.data):
        return good("port", f"{where} is in use, and a service runs on this data directory")
    return note("port", f"{where}: {reason}", "stop what listens there (ss -ltnpx), or choose another")


def _why_not_bound(host: str, port: int) -> str | None:
    """The reason why the service could not listen there; None if it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _why_not_made(path: Path) -> str | None:
    """The same of a Unix socket; one that nobody listens at is replaced by the service."""
    if not path.exists():
        return None
    if not path.is_socket():
        return "a file of that name is there, and it is no socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return None
        except OSError as error:
            return error.strerror or type(error).__name__
    return "another service listens there"
