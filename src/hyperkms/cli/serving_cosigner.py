"""A cosigner as a process: logs, parts, the socket, and the end of it."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog
import uvloop

from hyperkms import collector
from hyperkms.cli.assemble_cosigner import assembled
from hyperkms.cli.layout import SOCKET
from hyperkms.cli.listeners import tcp_socket, unix_socket
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError
from hyperkms.http.log import configure_logs
from hyperkms.mode import Mode
from hyperkms.operations.parts import Parts
from hyperkms.threshold.addresses import HostPort, parse_address
from hyperkms.threshold.certificates import server_context
from hyperkms.threshold.cosigner.desk import answer
from hyperkms.threshold.cosigner.dropping import sweep_kept
from hyperkms.threshold.cosigner.handshakes import watch_handshakes
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.retiring_wallets import destroy_ended
from hyperkms.threshold.cosigner.serving import Listener, Server

_WATCH_S = 1.0
_SETTLE_EVERY = 30
_DESTROY_EVERY_S = 5.0
Watch: TypeAlias = Callable[[int], None]
"""What is done again and again; it is told how often it was."""
_log = structlog.stdlib.get_logger("hyperkms.cosigner")


def run(config: Config, *, group: Path | None, place: Path | HostPort | None, parent: int | None) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the parent; what was begun is finished on return.

    `place` is a Unix socket, or host and port for TLS 1.3 with the certificates that the group description names; None
    for where the description says that this member listens.
    """
    configure_logs(config.log_level)
    with assembled(config, group) as (cosigner, parts), ExitStack() as ends:
        parts.examine_rows()
        listener, address = _listener(config, cosigner, place or _own_place(config, cosigner), ends)
        server = Server(partial(answer, cosigner), listener)
        told = partial(_announce, config, cosigner, address)
        watches = ((partial(_watch, cosigner, parts), _WATCH_S), (partial(_destroy, cosigner), _DESTROY_EVERY_S))
        uvloop.run(_serve(server, parent, told, watches))
    _log.info("stopped")


def _own_place(config: Config, cosigner: Cosigner) -> Path | HostPort:
    """As the group describes this member; a socket whose path is relative has its usual name in the data directory."""
    ourselves = cosigner.ourselves
    place = parse_address(ourselves.group.by_index[ourselves.index].address)
    return config.data / SOCKET if isinstance(place, Path) and not place.is_absolute() else place


def _listener(config: Config, cosigner: Cosigner, place: Path | HostPort, ends: ExitStack) -> tuple[Listener, str]:
    if isinstance(place, Path):
        return Listener(ends.enter_context(unix_socket(place))), f"unix:{place}"
    accepted = frozenset(cosigner.ourselves.group.coordinator_certificates)
    made = ends.enter_context(tcp_socket(*place))
    host, port = made.getsockname()[:2]
    context = server_context(config.data, accepted)
    watch_handshakes(context)
    return Listener(made, context, accepted), f"{host}:{port}"


async def _serve(
    server: Server, parent: int | None, listening: Callable[[], None], watches: Sequence[tuple[Watch, float]]
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if parent is not None:
        _end_with_parent(server, parent)
    watching = [loop.create_task(_watch_on(watch, every_s)) for watch, every_s in watches]
    collector.settle()
    listening()
    await server.serve()
    for task in watching:
        task.cancel()


def _end_with_parent(server: Server, parent: int) -> None:
    """The parent writes nothing: its end of the channel is its life."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        try:
            words = os.read(parent, 64)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            loop.remove_reader(parent)
            server.stop()

    os.set_blocking(parent, False)
    loop.add_reader(parent, heard)


async def _watch_on(watch: Watch, every_s: float) -> None:
    turn = 0
    while True:
        await asyncio.sleep(every_s if turn else _WATCH_S)
        turn += 1
        await asyncio.get_running_loop().run_in_executor(None, watch, turn)


def _watch(cosigner: Cosigner, parts: Parts, turn: int) -> None:
    """Sessions that are too old end, and changes of other processes are seen; the next turn comes whatever fails."""
    try:
        parts.watch()
        cosigner.authorities.watch()
        cosigner.continuity.look()
        cosigner.sessions.sweep()
        cosigner.holding.keep_leases()
        destroy_ended(cosigner, parts.upkeep.with_ended_last_grace(cosigner.clock()))
        if turn % _SETTLE_EVERY == 0:
            parts.settle_changes()
            sweep_kept(cosigner)
    except HyperkmsError as error:
        _log.warning("watch-failed", code=error.code, words=error.message)


def _destroy(cosigner: Cosigner, _turn: int) -> None:
    """What is left of shares elsewhere, where nothing is destroyed while it is away; nobody waits for it."""
    try:
        cosigner.sealed.sweep()
    except HyperkmsError as error:
        _log.warning("secrets-left", code=error.code, words=error.message)


def _announce(config: Config, cosigner: Cosigner, address: str) -> None:
    ourselves, group = cosigner.ourselves, cosigner.ourselves.group
    if cosigner.unheard is not None:
        words = f"the kernel cannot be heard of another generation of this virtual machine ({cosigner.unheard})"
        _log.warning("vm-generation-unheard", words=words)
        if config.mode is Mode.PRODUCTION:
            tell_operator(f"hyperkms: warning: {words}: that it goes on from a snapshot is seen by its clock at most")
    _log.info(
        "listening",
        address=address,
        member=ourselves.index,
        group=group.name,
        fingerprint=group.fingerprint,
        mode=config.mode.value,
        data=str(config.data),
        memory=ourselves.lock,
        vm_generation="heard" if cosigner.unheard is None else "unheard",
    )
    tell_operator(
        f"hyperkms: cosigner {ourselves.index} of group {group.name} ({group.fingerprint}) "
        f"is ready on {address} ({config.mode.value}); Ctrl-C stops"
    )
    for note in config.notes:
        _log.warning("unknown-setting", words=note)
