"""Clients that dawdle, flood or never read are dropped in time, while others are served and memory stays flat."""

import contextlib
import json
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.keep_alive import Line, line_to
from support.service import START_S, Service

CROWD = 100
MIB = 1 << 20


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits one second for a request."""
    data = tmp_path_factory.mktemp("hurried") / "data"
    with Service.start(data, HYPERKMS_REQUEST_TIMEOUT="1", HYPERKMS_LIMIT_READ="100000/s") as running:
        running.generate("bytes")
        yield running


@pytest.fixture
def others(hurried: Service) -> Iterator[Line]:
    """Somebody else's connection, good before and after."""
    with line_to(hurried) as line:
        assert line.get("/wallets").status == 200
        yield line
        assert line.get("/wallets").status == 200


@contextmanager
def _connected(service: Service) -> Iterator[socket.socket]:
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S) as connection:
        yield connection


def _rest(connection: socket.socket) -> bytes:
    """What comes until the service closes the connection."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


def _code(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    assert b"connection: close" in head, answer
    return int(head.split()[1]), json.loads(body)["code"]


def _drip(connection: socket.socket, piece: bytes, others: Line) -> bytes:
    """Send a piece again and again until the service has had enough; others are served meanwhile."""
    with contextlib.suppress(ConnectionError):
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(piece)
            assert others.get("/wallets").status == 200
    return _rest(connection)


def _resident_kib(service: Service) -> int:
    for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def _head(service: Service, length: str = "Content-Length: 20") -> bytes:
    return f"POST /wallets/sign HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.key}\r\n{length}\r\n\r\n".encode()


def test_a_head_that_comes_byte_by_byte_is_cut_off(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        connection.sendall(b"POST /wallets/sign HTTP/1.1\r\nX: ")
        assert _code(_drip(connection, b"x", others)) == (408, "request-timeout")


def test_a_body_that_comes_byte_by_byte_is_cut_off(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        connection.sendall(_head(hurried, "Content-Length: 60000"))
        assert _code(_drip(connection, b" ", others)) == (408, "request-timeout")


def test_a_body_after_its_answer_is_cut_off_too(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        connection.sendall(b"POST /wallets/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
        _drip(connection, b" ", others)


def test_a_connection_that_says_nothing_is_closed(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        assert _rest(connection) == b""
        assert others.get("/wallets").status == 200


@pytest.mark.parametrize("kind", ["one header", "many headers", "one path"])
def test_a_head_without_end_is_refused(hurried: Service, others: Line, kind: str) -> None:
    start, piece = {
        "one header": (b"GET / HTTP/1.1\r\nX: ", b"x" * 1024),
        "many headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 200),
        "one path": (b"GET /", b"x" * 1024),
    }[kind]
    with _connected(hurried) as connection:
        connection.sendall(start)
        assert _code(_drip(connection, piece, others)) == (431, "head-too-large")


def test_a_whole_head_over_16_kib_is_refused_and_one_below_is_served(hurried: Service) -> None:
    for size, expected in ((15_000, b"HTTP/1.1 200 "), (17_000, b"HTTP/1.1 431 ")):
        with _connected(hurried) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %b\r\n\r\n" % (b"x" * size))
            assert _rest(connection).startswith(expected)


def test_a_body_of_100_mb_is_refused_by_its_length(hurried: Service, others: Line) -> None:
    before = _resident_kib(hurried)
    with _connected(hurried) as connection:
        connection.sendall(_head(hurried, f"Content-Length: {100 * MIB}"))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100 * MIB and not select.select([connection], [], [], 0)[0]:
                sent += connection.send(b"x" * 65536)
        assert _code(_rest(connection)) == (413, "body-too-large")
    assert sent < 10 * MIB
    assert others.get("/wallets").status == 200
    assert _resident_kib(hurried) < before + 20 * 1024


@pytest.mark.parametrize("size", [1, 4096])
def test_a_body_without_end_in_chunks_is_cut_at_the_limit(hurried: Service, others: Line, size: int) -> None:
    with _connected(hurried) as connection:
        connection.sendall(_head(hurried, "Transfer-Encoding: chunked"))
        piece = (b"%x\r\n%b\r\n" % (size, b" " * size)) * (4096 // size)
        with contextlib.suppress(ConnectionError):
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(piece)
        assert _code(_rest(connection)) == (413, "body-too-large")
    assert others.get("/wallets").status == 200


def test_chunks_whose_extensions_have_no_end_are_refused(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        connection.sendall(_head(hurried, "Transfer-Encoding: chunked") + b"1;")
        with contextlib.suppress(ConnectionError):
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(b"x" * 4096)
        assert _code(_rest(connection))[0] in (400, 413)
    assert others.get("/wallets").status == 200


def test_who_never_reads_answers_is_dropped(hurried: Service, others: Line) -> None:
    before = _resident_kib(hurried)
    with ExitStack() as ends:
        crowd = [ends.enter_context(_connected(hurried)) for _ in range(10)]
        for connection in crowd:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(0)
        alive = set(crowd)
        while alive:
            for connection in list(alive):
                try:
                    connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    alive.remove(connection)
            assert others.get("/wallets").status == 200
    assert _resident_kib(hurried) < before + 20 * 1024


def test_a_client_that_goes_away_in_the_middle_of_a_request_costs_nothing(hurried: Service, others: Line) -> None:
    for _ in range(50):
        with _connected(hurried) as connection:
            connection.sendall(_head(hurried))
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 2" not in _rest(connection)
    assert others.get("/wallets").status == 200


def test_a_crowd_that_dawdles_is_dropped_and_memory_is_flat(hurried: Service, others: Line) -> None:
    before = _resident_kib(hurried)
    with ExitStack() as ends:
        crowd = [ends.enter_context(_connected(hurried)) for _ in range(CROWD)]
        for connection in crowd:
            connection.sendall(_head(hurried, "Content-Length: 60000") + b" " * 50_000)
        assert others.get("/wallets").status == 200
        for connection in crowd:
            assert _code(_rest(connection)) == (408, "request-timeout")
    assert _resident_kib(hurried) < before + 20 * 1024


def test_pipelined_requests_are_answered_in_order(hurried: Service) -> None:
    with _connected(hurried) as connection:
        paths = ["/health", "/nowhere", "/mpc/status"] * 5
        last = "\r\nConnection: close"
        text = [f"GET {path} HTTP/1.1\r\nHost: x{last if n == 14 else ''}\r\n\r\n" for n, path in enumerate(paths)]
        connection.sendall("".join(text).encode())
        answers = _rest(connection).decode().split("HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == ["200", "404", "200"] * 5


def test_pipelining_has_a_bound(hurried: Service, others: Line) -> None:
    with _connected(hurried) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        answers = _rest(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * (len(answers) - 1) + [b"400"]
    assert len(answers) <= 70
    assert others.get("/wallets").status == 200


@pytest.mark.parametrize(
    "text",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /wallets/sign HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /wallets/sign HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /wallets/sign HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /wallets/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_and_one_line_in_the_log(hurried: Service, text: bytes) -> None:
    with _connected(hurried) as connection:
        connection.sendall(text)
        answer = _rest(connection)
        assert _code(answer) == (400, "malformed-http")
    request_id = json.loads(answer.partition(b"\r\n\r\n")[2])["requestId"]
    while not (found := [line for line in hurried.lines if request_id in line]):
        pass
    event = json.loads(found[0])
    assert (len(found), event["event"], event["code"], event["status"]) == (1, "refused", "malformed-http", 400)
    assert set(event) == {"requestId", "status", "code", "event", "level", "logger", "time"}


def test_a_malformed_request_behind_a_good_one_does_not_take_its_answer(hurried: Service) -> None:
    with _connected(hurried) as connection:
        connection.sendall(b"GET /wallets HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n")
        first, second = _rest(connection).split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3]) == (b"401", b"400")


def test_an_upgrade_is_answered_as_http(hurried: Service) -> None:
    with _connected(hurried) as connection:
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
        assert _rest(connection).endswith(b'"service":"hyperliquid-kms"}')


def test_more_connections_than_it_takes_are_answered_503(tmp_path: Path) -> None:
    with ExitStack() as ends:
        service = ends.enter_context(Service.start(tmp_path / "data", HYPERKMS_MAX_CONNECTIONS="3"))
        lines = [ends.enter_context(line_to(service)) for _ in range(3)]
        assert [line.get("/health").status for line in lines] == [200, 200, 200]
        with _connected(service) as connection:
            assert _code(_rest(connection)) == (503, "too-many-connections")
        lines[0].connection.close()
        while service.get("/health").status != 200:
            pass


@pytest.fixture
def metrics_port(tmp_path: Path) -> Iterator[Service]:
    """The port of /metrics alone, of a service that waits one second for a request."""
    with Service.start(tmp_path / "data", "--metrics-port", "0", HYPERKMS_REQUEST_TIMEOUT="1") as running:
        url = json.loads(next(line for line in running.lines if '"listening"' in line))["metrics"]
        yield replace(running, url=url.removesuffix("/metrics"))


def test_a_head_that_never_ends_is_cut_off_at_the_metrics_port(metrics_port: Service) -> None:
    with _connected(metrics_port) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert _code(_rest(connection)) == (408, "request-timeout")
    with _connected(metrics_port) as connection:
        assert _rest(connection) == b""


def test_what_is_large_is_refused_at_the_metrics_port(metrics_port: Service) -> None:
    with _connected(metrics_port) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert _code(_rest(connection)) == (431, "head-too-large")
    with _connected(metrics_port) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        assert _code(_rest(connection)) == (413, "body-too-large")


def test_the_metrics_port_takes_few_connections_at_once(metrics_port: Service) -> None:
    with ExitStack() as ends:
        lines = [ends.enter_context(line_to(metrics_port)) for _ in range(16)]
        assert {line.get("/metrics").status for line in lines} == {200}
        with _connected(metrics_port) as connection:
            assert _code(_rest(connection)) == (503, "too-many-connections")


if sys.platform != "linux":
    pytestmark = pytest.mark.skip(reason="memory is read in /proc")
