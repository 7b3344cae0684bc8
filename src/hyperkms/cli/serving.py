"""The service as a process: logs, parts, the server, and the end of it."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import structlog
import uvloop

from hyperkms import _core
from hyperkms.cli.announcing import announce
from hyperkms.cli.assemble import assemble
from hyperkms.cli.embedded import embedded
from hyperkms.cli.layout import SWEEP
from hyperkms.cli.listeners import Listeners, opened
from hyperkms.cli.metrics_port import metrics_served
from hyperkms.cli.sweeper import Sweeper
from hyperkms.cli.telling import Tell, tell_operator
from hyperkms.cli.tls import tls_context
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError
from hyperkms.http.app import create_app
from hyperkms.http.at_once import AtOnce
from hyperkms.http.connection import Bounds, Rules
from hyperkms.http.log import configure_logs
from hyperkms.http.log_output import log_output
from hyperkms.http.server import Place, Server
from hyperkms.operations.parts import Parts
from hyperkms.operations.readiness import why_not_ready

_log = structlog.stdlib.get_logger("hyperkms.serve")


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is finished and every record written on return."""
    configure_logs(config.log_level)
    with opened(config) as places:

        def listening(fault: str) -> None:
            announce(config, places, _core.memory_protection().lock, fault)

        serve(config, places.of_workers[0], listening, stop_on_signals)
    _log.info("stopped")


def serve(
    config: Config,
    listeners: Listeners,
    listening: Callable[[str], None],
    heed: Callable[[Server, Callable[[], None]], None],
    tell: Tell = tell_operator,
    *,
    cosigners: Callable[[Config, Tell], AbstractContextManager[None]] = embedded,
) -> None:
    """Serve at these sockets; `heed` arranges, in the event loop, for the server to be stopped.

    It is given what connects to the cosigners, too, to be called once those that are run here listen.
    `listening` is told in words why it cannot sign yet, or nothing.
    `cosigners` runs those that are this service's to run.
    """
    tls = tls_context(config)
    places = [Place(listeners.tcp, tls)] if listeners.tcp else []
    places += [Place(listeners.unix)] if listeners.unix else []

    async def until_stopped(parts: Parts, fault: str) -> None:
        app = create_app(parts)
        bounds = Bounds(request_s=config.request_timeout_s, connections=config.max_connections)
        rules = Rules(AtOnce(app), bounds, config.trusted_proxies, parts.metrics)
        server = Server(app, places, rules, listening=partial(listening, fault), watch=parts.watch)
        heed(server, partial(_connect, parts))
        async with metrics_served(parts, listeners.metrics, request_s=config.request_timeout_s):
            await server.serve()

    with _parts(config, tell) as parts, cosigners(config, tell), _at_work(config, parts):
        log_output().count_losses(parts.metrics.log_lines_lost)
        fault = why_not_ready(parts)
        uvloop.run(until_stopped(parts, "" if fault is None else str(fault)))


def stop_on_signals(server: Server, connect: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop the server; a second one hurries it. The cosigners are connected to at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    connect()


def _connect(parts: Parts) -> None:
    if parts.in_shares is not None:
        parts.in_shares.coordinator.start()


@contextmanager
def _parts(config: Config, tell: Tell) -> Iterator[Parts]:
    parts = assemble(config, create=True, tell=tell)
    _tidy_record(parts, tell)
    if config.default_network in parts.markets:
        parts.markets[config.default_network].refresh()
    parts.signed_requests.replays.prepare()
    try:
        yield parts
    finally:
        parts.close()


@contextmanager
def _at_work(config: Config, parts: Parts) -> Iterator[None]:
    """Within this block it sweeps, and may be connected to cosigners; these are let go of before they end."""
    sweeper = Sweeper(parts, config.data / SWEEP)
    sweeper.start()
    try:
        yield
    finally:
        sweeper.stop()
        if parts.in_shares is not None:
            parts.in_shares.coordinator.stop()


def _tidy_record(parts: Parts, tell: Tell) -> None:
    """What cannot be put in order now is tried again by the next start: it keeps nobody from signing."""
    if parts.durability == "os":
        words = "a signature leaves before its record is on the disk; a crash of the machine may lose the last ones"
        tell(f"hyperkms: warning: HYPERKMS_AUDIT_DURABILITY=os: {words}")
        _log.warning("durability-os", durability=parts.durability)
    try:
        parts.tidy_record()
    except (HyperkmsError, OSError) as error:
        tell(f"hyperkms: warning: logs of earlier processes could not be put in order: {error}")
        _log.error("record-not-tidied", error=str(error))
