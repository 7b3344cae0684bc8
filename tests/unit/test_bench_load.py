"""The load generator of `make bench` counts answers, not hopes."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench.load import LoadFailed, run

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nslow"


@contextmanager
def answering(listener: socket.socket, pieces: Sequence[bytes]) -> Iterator[None]:
    """Send these pieces to every request of every connection, the next once the last was acknowledged."""
    with listener:
        listener.listen()
        threading.Thread(target=_accept, args=(listener, pieces), daemon=True).start()
        yield


def _accept(listener: socket.socket, pieces: Sequence[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, pieces), daemon=True).start()


def _answer(connection: socket.socket, pieces: Sequence[bytes]) -> None:
    with connection:
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            for piece in pieces:
                connection.sendall(piece)


def on_tcp() -> tuple[socket.socket, tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()


@pytest.mark.parametrize("pieces", [[GOOD], [GOOD[:9], GOOD[9:40], GOOD[40:]], [bytes([each]) for each in GOOD]])
def test_every_answer_is_counted_once_however_it_arrives(pieces: Sequence[bytes]) -> None:
    listener, address = on_tcp()
    with answering(listener, pieces):
        load = run(address, [REQUEST], connections=3, seconds=30, count=50)
    assert load.count == 50
    assert load.percentile_ms(50) <= load.percentile_ms(99) <= load.percentile_ms(100)


def test_a_unix_socket_is_loaded_too(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    with answering(listener, [GOOD]):
        assert run(tmp_path / "s", [REQUEST], connections=2, seconds=30, count=10).count == 10


def test_an_answer_that_is_no_200_ends_the_run_and_is_shown() -> None:
    listener, address = on_tcp()
    with answering(listener, [REFUSED]), pytest.raises(LoadFailed, match="429 Too Many"):
        run(address, [REQUEST], connections=1, seconds=30, count=10)


def test_two_answers_to_one_request_end_the_run() -> None:
    listener, address = on_tcp()
    with answering(listener, [GOOD + GOOD]), pytest.raises(LoadFailed, match="more than one"):
        run(address, [REQUEST], connections=1, seconds=30, count=10)


def test_a_run_ends_with_its_time() -> None:
    listener, address = on_tcp()
    with answering(listener, [GOOD]):
        assert run(address, [REQUEST], connections=1, seconds=0.05).count > 0
