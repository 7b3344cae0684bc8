"""The service as a process: logs, parts, the server, and the end of it."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
import uvloop

from hyperkms import _core
from hyperkms.cli.assemble import ADMIN_KEY, SWEEP, assemble, tell_operator
from hyperkms.cli.metrics_port import metrics_listener, metrics_served, metrics_url
from hyperkms.cli.sweeper import Sweeper
from hyperkms.config import Config
from hyperkms.errors import Unavailable
from hyperkms.http.app import create_app
from hyperkms.http.at_once import AtOnce
from hyperkms.http.log import configure_logs
from hyperkms.http.protocol import protocol_for
from hyperkms.mode import Mode
from hyperkms.operations.parts import Parts

DRAIN_S = 10
_log = structlog.stdlib.get_logger("hyperkms.serve")


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is finished and every record written on return."""
    configure_logs(config.log_level)
    parts = assemble(config, create=True)
    if config.default_network in parts.markets:
        parts.markets[config.default_network].refresh()
    sweeper = Sweeper(parts, config.data / SWEEP)
    sweeper.start()
    try:
        uvloop.run(_run(config, parts))
    finally:
        sweeper.stop()
        parts.close()
        _log.info("stopped")


async def _run(config: Config, parts: Parts) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish."""
    listener = _listen(config)
    for_metrics = metrics_listener(config.metrics_port)
    host, port = listener.getsockname()[:2]
    app = create_app(parts)
    server = _Server(
        uvicorn.Config(
            app,
            loop="none",
            http=protocol_for(AtOnce(app)),
            proxy_headers=False,
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
        metrics=metrics_url(for_metrics),
    )
    tell_operator(
        f"hyperkms: ready on http://{host}:{port} ({config.mode.value}; interface at /docs); "
        f"{_where_the_key_is(config.data / ADMIN_KEY)}; Ctrl-C stops"
    )
    for event, words in _warnings(config):
        _log.warning(event, words=words)
    async with metrics_served(parts, for_metrics):
        await server.serve(sockets=[listener])


def _where_the_key_is(path: Path) -> str:
    if path.exists():
        return f"the administrator's API key is in {path}"
    return f"the administrator's API key was in {path}, which is not there any more"


def _warnings(config: Config) -> Iterator[tuple[str, str]]:
    if config.mode is Mode.PRODUCTION and config.root_key.startswith("file:"):
        yield "local-root-key", "the root key is a local file: who can read it and the database can open every key"
    for note in config.notes:
        yield "unknown-setting", note
    if config.replay_vectors:
        yield "replay", "nonce window, expiry and number checks are off: HYPERKMS_REPLAY_VECTORS"


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
        raise Unavailable("address-unavailable", f"{words} (make run ARGS='--port 3001')") from error
    return listener
