"""The port on which /metrics needs no key: whoever reaches loopback may read it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from hyperkms.http.metrics_app import create_metrics_app
from hyperkms.operations.parts import Parts

_DRAIN_S = 2


@asynccontextmanager
async def metrics_served(parts: Parts, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve the page for as long as the block lasts; without a listener nothing is served.

    Several workers may have one listener: whichever answers tells the sum over all.
    """
    if listener is None:
        yield
        return
    server = _Server(
        uvicorn.Config(
            create_metrics_app(parts),
            loop="none",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to the server beside it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
