"""Serving the stand-in on loopback until a signal ends it."""

import contextlib
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from hyperkms.sandbox.app import create_app
from hyperkms.sandbox.digest import Network
from hyperkms.sandbox.exchange import Exchange

HOST = "127.0.0.1"


def run(*, port: int, funded: Sequence[str], allow_any: bool, network: str) -> None:
    """Serve on 127.0.0.1:`port` (0 takes a free one) until SIGTERM or SIGINT. Main thread only.

    Prints exactly one line on stdout, once it accepts connections:
    `hyperkms sandbox (testnet) listening on http://127.0.0.1:PORT`. Raises ValueError for a network other
    than mainnet or testnet or a `funded` entry that is no address, and OSError when the port is taken.
    """
    chosen = _network(network)
    exchange = Exchange(network=chosen, funded=funded, allow_any=allow_any)
    with socket.create_server((HOST, port)) as listener:
        bound = listener.getsockname()[1]
        ready = f"hyperkms sandbox ({chosen}) listening on http://{HOST}:{bound}"
        config = uvicorn.Config(
            create_app(exchange),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        server = _AnnouncingServer(config, ready)
        with _ending_cleanly(server):
            server.run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(self._ready, flush=True)  # noqa: T201 - the promised line, for whoever waits for the port


@contextlib.contextmanager
def _ending_cleanly(server: uvicorn.Server) -> Iterator[None]:
    # uvicorn raises the signal again after it has shut down, to end the process by it; here it just ends.
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, server.handle_exit) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _network(name: str) -> Network:
    if name == "mainnet":
        return "mainnet"
    if name == "testnet":
        return "testnet"
    raise ValueError(f"network must be mainnet or testnet, not {name!r}")
