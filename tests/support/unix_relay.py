"""A Unix socket whose connections are handed on to a TCP address, byte for byte."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.service import START_S


@contextmanager
def relayed(path: Path, url: str) -> Iterator[str]:
    """The unix: address of the relay."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_accept, args=(listener, str(parts.hostname), parts.port), daemon=True)
        thread.start()
        yield f"unix:{path}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(START_S)


def _accept(listener: socket.socket, host: str, port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection((host, port))
        there = threading.Thread(target=_hand_on, args=(near, far), daemon=True)
        there.start()
        threading.Thread(target=_end, args=(near, far, there), daemon=True).start()


def _end(near: socket.socket, far: socket.socket, there: threading.Thread) -> None:
    _hand_on(far, near)
    there.join()
    near.close()
    far.close()


def _hand_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
