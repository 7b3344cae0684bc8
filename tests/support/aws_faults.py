"""What AWS does on a bad day: a proxy in front of the emulator that spoils chosen calls."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = {
    "throttled": (400, "ThrottlingException"),
    "too-many": (429, "TooManyRequestsException"),
    "internal": (500, "KMSInternalException"),
    "unavailable": (503, "ServiceUnavailable"),
    "expired": (400, "ExpiredTokenException"),
    "denied": (400, "AccessDeniedException"),
    "disabled": (400, "DisabledException"),
}
"""Faults that are an answer: the status and the code."""
FAULTS = (*BUSY, "cut-before", "cut-after", "truncated", "garbage", "slow", "hang")
_SLOW_S = 0.2
_HANG_S = 4.0


@dataclass
class Spoiler:
    """Spoils the next calls of an operation; counts what is asked."""

    url: str
    upstream: str
    asked: Counter[str] = field(default_factory=Counter)
    _faults: dict[str, list[str]] = field(default_factory=dict)
    _lasting: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, operation: str, *faults: str) -> None:
        """The next calls of this operation meet these, one each."""
        with self._lock:
            self._faults[operation] = list(faults)

    def spoil_all(self, fault: str, *operations: str) -> None:
        """Every call of these operations meets this fault, until `heal`."""
        with self._lock:
            self._lasting.update(dict.fromkeys(operations, fault))

    def heal(self) -> None:
        """Nothing is spoiled any more."""
        with self._lock:
            self._faults.clear()
            self._lasting.clear()

    def next_fault(self, operation: str) -> str | None:
        """What this call meets."""
        with self._lock:
            self.asked[operation] += 1
            due = self._faults.get(operation)
            return due.pop(0) if due else self._lasting.get(operation)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        fault = self.server.spoiler.next_fault(operation)
        if fault == "cut-before":
            self.close_connection = True
            return
        if fault == "hang":
            time.sleep(_HANG_S)
            self.close_connection = True
            return
        if fault in BUSY:
            status, code = BUSY[fault]
            told = {"__type": code, "message": "User: arn:aws:iam::1:user/somebody and what AWS says"}
            self._answer(status, json.dumps(told).encode())
            return
        if fault == "slow":
            time.sleep(_SLOW_S)
        status, answer = self._forward(body)
        if fault == "cut-after":
            self.close_connection = True
        elif fault == "truncated":
            self._answer(status, answer[: len(answer) // 2], length=len(answer))
            self.close_connection = True
        else:
            self._answer(status, b"<html>" if fault == "garbage" else answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.server.spoiler.upstream)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            sent = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request("POST", self.path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        with suppress(OSError):  # whoever asked may have given up
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, spoiler: Spoiler) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spoiler = spoiler


@contextmanager
def spoiled(upstream: str) -> Iterator[Spoiler]:
    """A proxy in front of the emulator at `upstream`."""
    spoiler = Spoiler("", upstream)
    server = _Server(spoiler)
    spoiler.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield spoiler
    finally:
        server.shutdown()
        server.server_close()
