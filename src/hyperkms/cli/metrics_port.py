"""The port on which /metrics needs no key: whoever reaches loopback may read it, within bounds."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hyperkms.access.proxies import Proxies
from hyperkms.http.connection import Bounds, Rules
from hyperkms.http.metrics_app import NothingAtOnce, create_metrics_app
from hyperkms.http.server import Place, Server
from hyperkms.operations.parts import Parts

_CONNECTIONS = 16
_PIPELINED = 4
_DRAIN_S = 2


@asynccontextmanager
async def metrics_served(parts: Parts, listener: socket.socket | None, *, request_s: float) -> AsyncIterator[None]:
    """Serve the page for as long as the block lasts; without a listener nothing is served.

    Several workers may have one listener: whichever answers tells the sum over all.
    """
    if listener is None:
        yield
        return
    bounds = Bounds(request_s=request_s, connections=_CONNECTIONS, pipelined=_PIPELINED, drain_s=_DRAIN_S)
    rules = Rules(NothingAtOnce(), bounds, Proxies(), parts.metrics)
    server = Server(create_metrics_app(parts), [Place(listener)], rules)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving
