"""One of several workers: serves at sockets that its parent opened, and obeys its parent.

The parent's end of the channel is its life: where it ends, the worker stops too. Signals of the terminal
and of a process manager may come from both sides, so a worker takes any number of them as one.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from hyperkms import _core
from hyperkms.audit.reading.sentences import printable
from hyperkms.cli.channel import CONNECT, GO, Inherited
from hyperkms.cli.serving import serve
from hyperkms.cli.telling import Tell, say_nothing, tell_operator
from hyperkms.config import Config
from hyperkms.http.log import configure_logs
from hyperkms.http.server import Server


def run_worker(config: Config, inherited: str) -> None:
    """Serve from the parent's word to begin until its word to stop."""
    configure_logs(config.log_level)
    given = Inherited.parse(inherited)
    channel = given.channel()
    if channel.recv(1) != GO:
        sys.exit(0)

    def listening(fault: str) -> None:
        channel.sendall(f"{_core.memory_protection().lock}\t{printable(fault)}\n".encode())

    tell = tell_operator if given.first else say_nothing
    serve(config, given.listeners(), listening, partial(_obey, channel), tell, cosigners=_of_the_parent)


@contextmanager
def _of_the_parent(_config: Config, _tell: Tell) -> Iterator[None]:
    """The parent of the workers runs them, once for all."""
    yield


def _obey(channel: socket.socket, server: Server, connect: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    channel.settimeout(0)

    def once() -> None:
        if not server.should_exit:
            server.stop()

    def heard() -> None:
        try:
            words = channel.recv(16)
        except ConnectionError:
            words = b""
        if not words:
            loop.remove_reader(channel)
            once()
        for word in words:
            (connect if word == CONNECT[0] else server.stop)()

    loop.add_reader(channel, heard)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, once)
