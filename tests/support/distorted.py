"""A proxy in front of the real service that gets one thing wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.service import Answer, Service

Distort = Callable[[str, str, Answer], Answer]
"""Given method, path and the true answer: the one that is sent instead."""


@contextmanager
def distorted(service: Service, distort: Distort) -> Iterator[str]:
    """The base URL of the proxy."""

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")
            }
            raw = self.rfile.read(length) if length else None
            answer = distort(self.command, self.path, service.request(self.command, self.path, raw=raw, headers=sent))
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _forward  # noqa: N815 (the names that the base class looks for)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
