"""The port on which /metrics needs no key: whoever reaches loopback may read it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from hyperkms.errors import Unavailable
from hyperkms.http.metrics_app import create_metrics_app
from hyperkms.operations.parts import Parts

_HOST = "127.0.0.1"
_DRAIN_S = 2


def metrics_listener(port: int | None) -> socket.socket | None:
    """Bound to loopback; None for no port."""
    if port is None:
        return None
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(16)
    except OSError as error:
        words = f"cannot listen on {_HOST} port {port}: {error.strerror}; choose another with --metrics-port"
        raise Unavailable("address-unavailable", words) from error
    return listener


def metrics_url(listener: socket.socket | None) -> str | None:
    """Where the page is."""
    return None if listener is None else f"http://{_HOST}:{listener.getsockname()[1]}/metrics"


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
