"""Several workers are one service: one set of limits, one ready line, and it goes on when one of them dies."""

import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.commands import run
from support.keep_alive import Line, line_to
from support.scraped import scrape
from support.service import START_S, Service

CONNECTIONS = 16
ALLOWED = 120


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Service]:
    """A service of two workers."""
    with Service.start(tmp_path / "data", "--workers", "2") as running:
        yield running


def _workers(service: Service) -> list[int]:
    listed = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    return [int(word) for word in listed.read_text().split()]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


def test_a_limit_is_exact_over_all_workers(tmp_path: Path) -> None:
    with ExitStack() as ends:
        limit = f"{ALLOWED}/h"
        service = ends.enter_context(Service.start(tmp_path / "data", "--workers", "3", HYPERKMS_LIMIT_SIGN=limit))
        service.generate("bytes")
        lines = [ends.enter_context(line_to(service)) for _ in range(CONNECTIONS)]
        statuses: Counter[int] = Counter()
        logs = set()

        def ask(line: Line) -> None:
            for turn in range(20):
                answer = line.post("/wallets/sign", {"walletId": "bytes", "message": str(turn)})
                statuses[answer.status] += 1
                if answer.status == 200:
                    logs.add(answer.json["receipt"]["log"])

        bots = [threading.Thread(target=ask, args=(line,)) for line in lines]
        for bot in bots:
            bot.start()
        for bot in bots:
            bot.join(START_S)
    assert statuses == {200: ALLOWED, 429: CONNECTIONS * 20 - ALLOWED}
    assert len(logs) > 1, "connections spread over workers, each of which has a log of its own"


def test_it_says_once_that_it_is_ready(pair: Service) -> None:
    assert pair.stop() == 0
    events = [json.loads(line)["event"] for line in pair.lines]
    assert (events.count("listening"), events.count("stopped")) == (1, 1)


@linux
def test_a_worker_that_is_killed_is_replaced_and_nobody_is_turned_away(pair: Service) -> None:
    victim = _workers(pair)[0]
    os.kill(victim, signal.SIGKILL)
    while not any('"worker-started"' in line for line in pair.lines):
        assert pair.get("/ready").status == 200
    assert len(_workers(pair)) == 2
    assert victim not in _workers(pair)
    ended = next(json.loads(line) for line in pair.lines if '"worker-ended"' in line)
    assert (ended["pid"], ended["status"]) == (victim, -signal.SIGKILL)


@linux
def test_a_worker_that_is_told_to_stop_ends_in_order_and_is_replaced(pair: Service) -> None:
    victim = _workers(pair)[1]
    os.kill(victim, signal.SIGTERM)
    while not any('"worker-started"' in line for line in pair.lines):
        assert pair.get("/ready").status == 200
    assert next(json.loads(line) for line in pair.lines if '"worker-ended"' in line)["status"] == 0


def _count(service: Service, event: str) -> int:
    return sum(f'"{event}"' in line for line in service.lines)


@linux
def test_nobody_is_left_waiting_for_a_worker_that_cannot_be_started_again(pair: Service) -> None:
    assert pair.get("/ready").json == {"status": "ready", "workers": {"wanted": 2, "running": 2}}
    pair.generate("bytes")
    pair.data.chmod(0o755)  # a worker that starts refuses it; who runs does not look again
    os.kill(_workers(pair)[1], signal.SIGKILL)
    while _count(pair, "worker-missing") < 1:
        assert pair.process.poll() is None
    for _ in range(CONNECTIONS):
        answer = pair.get("/ready")
        assert (answer.status, answer.json["workers"]) == (200, {"wanted": 2, "running": 1})
    page = scrape(pair)
    assert (page.value("hyperkms_workers_wanted"), page.total("hyperkms_workers")) == (2, 1)
    pair.data.chmod(0o700)
    while _count(pair, "worker-started") < 1:
        assert pair.get("/ready").status == 200
    assert pair.get("/ready").json["workers"] == {"wanted": 2, "running": 2}
    logs: set[str] = set()
    while len(logs) < 2:
        logs.add(pair.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).json["receipt"]["log"])


@linux
def test_workers_do_not_outlive_their_parent(pair: Service) -> None:
    workers = _workers(pair)
    pair.kill()
    while not all(_is_gone(worker) for worker in workers):
        pass


def test_a_second_signal_does_not_wait_for_a_client_that_dawdles(pair: Service) -> None:
    parts = urlsplit(pair.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S) as connection:
        head = f"POST /wallets/sign HTTP/1.1\r\nHost: x\r\nX-API-Key: {pair.key}\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Length: 10\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        pair.process.send_signal(signal.SIGTERM)
        pair.process.send_signal(signal.SIGINT)
        assert pair.stop() == 0


def test_what_a_worker_is_refused_the_service_is_refused_in_one_line(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data"):
        pass
    done = run(
        "serve",
        "--data",
        str(tmp_path / "data"),
        "--port",
        "0",
        "--workers",
        "2",
        cwd=tmp_path,
        HYPERKMS_ENV="production",
    )
    assert (done.returncode, done.stdout.count(b'"listening"')) == (1, 0)
    lines = done.stderr.decode().splitlines()
    assert [line[-12:] for line in lines] == ["[wrong-mode]"]


def test_two_services_do_not_share_a_port(pair: Service, tmp_path: Path) -> None:
    port = str(urlsplit(pair.url).port)
    done = run("serve", "--data", str(tmp_path / "other"), "--port", port, "--workers", "2", cwd=tmp_path)
    assert (done.returncode, b"[address-unavailable]" in done.stderr) == (1, True)
    assert not (tmp_path / "other").exists()


def test_the_number_of_workers_can_be_a_setting(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_WORKERS="2") as service:
        assert json.loads(service.lines[-1])["workers"] == 2
        connection = HTTPConnection(str(urlsplit(service.url).hostname), urlsplit(service.url).port, timeout=START_S)
        connection.request("GET", "/ready")
        assert connection.getresponse().status == 200
        connection.close()
