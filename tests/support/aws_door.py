"""What stands between a service and the emulator of AWS: it is shown each call and decides what becomes of it."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import urlsplit


class Call(BaseHTTPRequestHandler):
    """One call of AWS."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """An answer is two writes: the second would wait for the acknowledgement of the first, which takes 40 ms."""
    server: "_Server"

    @property
    def target(self) -> str:
        """Service and operation, as the JSON protocols of AWS say them."""
        return self.headers.get("X-Amz-Target", "")

    def do_POST(self) -> None:
        """Let it be decided."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.decide(self, body)

    def forward(self, body: bytes) -> tuple[int, bytes]:
        """What the emulator says."""
        parts = urlsplit(self.server.upstream)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            sent = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request("POST", self.path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        """Say it; `length` is another one than it has."""
        with suppress(OSError):  # whoever asked may have given up
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

    def hang_up(self) -> None:
        """Close the connection, with or without an answer."""
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_END_S = 0.02
"""How long a door may take to see that it is being closed."""
Decide: TypeAlias = Callable[[Call, bytes], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, decide: Decide) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.upstream = upstream
        self.decide = decide


@contextmanager
def door(upstream: str, decide: Decide) -> Iterator[str]:
    """The address of one in front of the emulator at `upstream`."""
    server = _Server(upstream, decide)
    thread = threading.Thread(target=server.serve_forever, args=(_END_S,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
