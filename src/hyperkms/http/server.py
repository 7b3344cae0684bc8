"""uvicorn, as this service runs it: on sockets that were opened before, until it is told to stop."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hyperkms import collector
from hyperkms.http.backlog import BACKLOG
from hyperkms.http.connection import Connection, Rules, sweep

_SWEEP_S = 1.0


@dataclass(frozen=True)
class Place:
    """A socket that is served, with TLS or without."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None


def _nothing() -> None:
    pass


class Server(uvicorn.Server):
    """Serves an application; `listening` is called as soon as connections are taken, `watch` once a second."""

    def __init__(
        self,
        app: ASGIApp,
        places: list[Place],
        rules: Rules,
        *,
        listening: Callable[[], None] = _nothing,
        watch: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=rules.bounds.drain_s,
            )
        )
        self._places = places
        self._rules = rules
        self._listening = listening
        self._watch = watch
        self._sweeping: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Take no more connections and finish what was begun; a second call does not wait for that."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Take connections at every place."""
        loop = asyncio.get_running_loop()
        self.servers = [await self._serve_at(loop, place) for place in self._places]
        self.started = True
        self._sweeping = loop.create_task(self._sweep())
        collector.settle()
        self._listening()

    async def _serve_at(self, loop: asyncio.AbstractEventLoop, place: Place) -> asyncio.Server:
        if place.listener.family is socket.AF_UNIX:
            # The file is the business of who made it.
            more: dict[str, Any] = {"cleanup_socket": False, "backlog": BACKLOG}
            return await loop.create_unix_server(self._connection, sock=place.listener, **more)
        return await loop.create_server(
            self._connection,
            sock=place.listener,
            backlog=BACKLOG,
            ssl=place.tls,
            ssl_handshake_timeout=self._rules.bounds.request_s if place.tls else None,
        )

    def _connection(self) -> asyncio.Protocol:
        return Connection(self._rules, self.config, self.server_state, asyncio.get_running_loop())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            sweep(self.server_state.connections, asyncio.get_running_loop().time())
            self._watch()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections and answer what was begun; who is late is dropped until the end."""
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's: the record is closed after `serve` has returned."""
        yield
