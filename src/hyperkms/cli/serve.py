"""`hyperkms serve` and `hyperkms sandbox`."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog
import uvicorn
import uvloop

from hyperkms import _core
from hyperkms.cli.assemble import ADMIN_KEY, assemble, tell_operator
from hyperkms.cli.settings import settings, with_settings
from hyperkms.config import Config
from hyperkms.errors import Unavailable
from hyperkms.http.app import create_app
from hyperkms.http.log import configure_logs
from hyperkms.operations.parts import Parts

DRAIN_S = 10
_log = structlog.stdlib.get_logger("hyperkms.serve")


@click.command()
@with_settings
@click.option("--host", help="The address to bind; 127.0.0.1 unless told.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port (PORT, else 3000); 0 takes a free one.")
@click.option("--behind-tls-proxy", is_flag=True, help="Allow a bind that is not loopback: a proxy speaks TLS.")
def serve(
    data: Path | None,
    env_file: Path | None,
    host: str | None,
    port: int | None,
    behind_tls_proxy: bool,  # noqa: FBT001 (click passes a flag)
) -> None:
    """Run the service; makes the data directory if there is none."""
    config = settings(data, env_file, host=host, port=port, behind_tls_proxy=behind_tls_proxy)
    configure_logs(config.log_level)
    parts = assemble(config, create=True)
    if config.default_network in parts.markets:
        parts.markets[config.default_network].refresh()
    try:
        uvloop.run(_run(config, parts))
    finally:
        parts.close()
        _log.info("stopped")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=3100, show_default=True, help="0 takes a free one.")
@click.option("--fund", "funded", multiple=True, metavar="ADDRESS", help="An account that exists; may be repeated.")
@click.option("--allow-any", is_flag=True, help="Every signer has an account.")
@click.option("--network", type=click.Choice(["testnet", "mainnet"]), default="testnet", show_default=True)
def sandbox(port: int, funded: tuple[str, ...], allow_any: bool, network: str) -> None:  # noqa: FBT001 (as above)
    """Run a stand-in for the exchange on 127.0.0.1, for tests and demos."""
    try:
        from hyperkms.sandbox.server import run  # noqa: PLC0415 (an optional extra)
    except ModuleNotFoundError as missing:
        words = f"the sandbox needs the package {missing.name}: pip install 'hyperkms[sandbox]'"
        raise Unavailable("sandbox-not-installed", words) from missing
    run(port=port, funded=funded, allow_any=allow_any, network=network)


async def _run(config: Config, parts: Parts) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish."""
    listener = _listen(config)
    host, port = listener.getsockname()[:2]
    server = _Server(
        uvicorn.Config(
            create_app(parts),
            loop="none",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
            timeout_keep_alive=65,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
    protection = _core.memory_protection()
    _log.info(
        "listening",
        url=f"http://{host}:{port}",
        mode=config.mode.value,
        data=str(config.data),
        memory=protection.lock,
        docs=f"http://{host}:{port}/docs",
    )
    tell_operator(
        f"hyperkms: ready on http://{host}:{port} ({config.mode.value}; interface at /docs); "
        f"the administrator's API key is in {config.data / ADMIN_KEY}; Ctrl-C stops"
    )
    if config.replay_vectors:
        _log.warning("replay", words="nonce window, expiry and number checks are off: HYPERKMS_REPLAY_VECTORS")
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, but a signal ends `serve` instead of the process: the record is closed after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(config: Config) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        # With the protocol named, the loop sets TCP_NODELAY; without it each answer waits 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(1024)
    except OSError as error:
        words = f"cannot listen on {config.host} port {config.port}: {error.strerror}; choose another with --port"
        raise Unavailable("address-unavailable", words) from error
    return listener
