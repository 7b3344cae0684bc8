"""A server that answers the n-th request with the n-th reply of a script, and keeps what it was asked."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from support.service import START_S

HANG_UP = b""
"""Close the connection instead of an answer."""

SILENCE = b"\0"
"""Say nothing at all, and leave the connection open."""

LAST = "close after it"


def reply(status: int, body: bytes = b"{}", *, headers: Sequence[str] = ()) -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status} Words", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ScriptedServer:
    """Listens on loopback, or on a Unix socket; each connection serves any number of requests.

    A reply may be a pair (bytes, LAST): then the connection is closed after it. Once the script is used up, the
    last reply is repeated.
    """

    def __init__(self, script: Sequence[bytes | tuple[bytes, str]], *, path: Path | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.hung_up = threading.Semaphore(0)  # released once for each connection that was closed here
        self._script = list(script)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(path))
            self._listener.listen()
            self.url = f"unix:{path}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(START_S)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), connection:
                self._converse(connection)
        finally:
            self.hung_up.release()

    def _converse(self, connection: socket.socket) -> None:
        while request := _read_request(connection):
            with self._lock:
                self.requests.append(request)
                entry = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            content, then = entry if isinstance(entry, tuple) else (entry, "")
            if content == HANG_UP:
                return
            if content == SILENCE:
                continue
            connection.sendall(content)
            if then == LAST:
                return


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
