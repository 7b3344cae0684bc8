"""An HTTP/1.1 load generator: N keep-alive connections, one request under way on each, one epoll loop.

Requests are bytes made beforehand, sent in turn. Every answer must be a 200; anything else ends the run
with an error that shows the answer. A run is bounded in time and in count, and by a silence.
"""

import gc
import re
import select
import socket
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SILENCE_S = 30.0
_READ = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_SHOWN = 600

Address = tuple[str, int] | Path
"""Host and port, or a Unix socket."""


class LoadFailed(Exception):
    """An answer that is no 200, a connection that ended, or silence."""


@dataclass(frozen=True)
class Load:
    """What one run did."""

    latencies: "array[int]"
    """Nanoseconds from the send of a request to the last byte of its answer, sorted."""
    elapsed_s: float

    @property
    def count(self) -> int:
        """Answers."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.elapsed_s

    def percentile_ms(self, percent: float) -> float:
        """Milliseconds that this part of the answers took at most."""
        return self.latencies[min(self.count - 1, int(self.count * percent / 100))] / 1e6


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: int = 0
    received: bytes = b""
    due: int = 0
    """Bytes of the whole answer; 0 while its head has not come."""


def run(
    address: Address, requests: Sequence[bytes], *, connections: int, seconds: float, count: int | None = None
) -> Load:
    """Load an address for so many seconds, or until `count` answers have come if that is earlier."""
    epoll = select.epoll()
    opened = [_Connection(_connect(address)) for _ in range(connections)]
    try:
        by_descriptor = {connection.socket.fileno(): connection for connection in opened}
        for descriptor in by_descriptor:
            epoll.register(descriptor, select.EPOLLIN)
        with _without_collector():
            return _loop(epoll, by_descriptor, requests, seconds=seconds, count=count)
    finally:
        epoll.close()
        for connection in opened:
            connection.socket.close()


def _loop(
    epoll: select.epoll,
    connections: dict[int, _Connection],
    requests: Sequence[bytes],
    *,
    seconds: float,
    count: int | None,
) -> Load:
    now = time.perf_counter_ns
    latencies = array("q")
    total = len(requests)
    limit = count or 1 << 62
    sent = 0
    began = now()
    ends = began + int(seconds * 1e9)
    for connection in connections.values():
        if sent < limit:
            _send(connection, requests[sent % total], now())
            sent += 1
    under_way = sent
    while under_way:
        events = epoll.poll(SILENCE_S)
        if not events:
            raise LoadFailed(f"no answer for {SILENCE_S:.0f} s, after {len(latencies)} answers")
        for descriptor, _ in events:
            connection = connections[descriptor]
            if not _receive(connection):
                continue
            at = now()
            latencies.append(at - connection.sent_at)
            if at < ends and sent < limit:
                _send(connection, requests[sent % total], at)
                sent += 1
            else:
                under_way -= 1
    elapsed = (now() - began) / 1e9
    return Load(array("q", sorted(latencies)), elapsed)


def _send(connection: _Connection, request: bytes, now: int) -> None:
    connection.sent_at = now
    # The buffer of an idle connection takes a request whole; a body of a batch may be larger than it.
    if connection.socket.send(request) != len(request):
        raise LoadFailed(f"a request of {len(request)} bytes does not fit into the socket's buffer")


def _receive(connection: _Connection) -> bool:
    """Read what has come; True once the answer is whole."""
    data = connection.socket.recv(_READ)
    if not data:
        raise LoadFailed("the server closed a connection that was in use")
    if connection.received:
        data = connection.received + data
    if not connection.due:
        connection.due = _length(data)
    if len(data) < connection.due or not connection.due:
        connection.received = data
        return False
    if len(data) > connection.due:
        raise LoadFailed(f"more than one answer to a request: {data[:_SHOWN]!r}")
    if not data.startswith(b"HTTP/1.1 200 "):
        raise LoadFailed(f"not a 200: {data[:_SHOWN]!r}")
    connection.received = b""
    connection.due = 0
    return True


def _length(data: bytes) -> int:
    """Bytes of the whole answer, or 0 while its head has not come."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    found = _LENGTH.search(data, 0, head + 2)
    if found is None:
        raise LoadFailed(f"an answer without content-length: {data[:_SHOWN]!r}")
    return head + 4 + int(found[1])


def _connect(address: Address) -> socket.socket:
    if isinstance(address, Path):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(address))
    else:
        connection = socket.create_connection(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
    connection.setblocking(False)  # noqa: FBT003 (the name of the standard library)
    return connection


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection: a pause here would count as the server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
