"""SIGTERM: requests under way finish, what was answered is written down, the exit status is 0."""

import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.keep_alive import line_to
from support.record import files_in
from support.service import START_S, Service

BOTS = 6
SIGNED_BEFORE = 200


def _recorded(data: Path) -> dict[tuple[str, int], Any]:
    """Every record of a data directory by its place; each line is whole."""
    found = {}
    for path in files_in(data / "records"):
        text = path.read_text()
        assert not text or text.endswith("\n")
        for number, line in enumerate(text.splitlines()):
            entry = json.loads(line)
            assert entry["index"] == number
            found[entry["log"], entry["index"]] = entry["record"]
    return found


class Load:
    """Bots that sign until the service no longer answers."""

    def __init__(self, service: Service) -> None:
        self.answers: list[Any] = []
        self.refusals: list[Any] = []
        self.halves: list[http.client.IncompleteRead] = []
        self.enough = threading.Event()
        self._service = service
        self._bots = [threading.Thread(target=self._sign, args=(number,)) for number in range(BOTS)]

    def start(self) -> None:
        for bot in self._bots:
            bot.start()

    def join(self) -> None:
        for bot in self._bots:
            bot.join(START_S)

    def _sign(self, number: int) -> None:
        try:
            with line_to(self._service) as line:
                for turn in range(10**6):
                    if (number + turn) % 2:
                        answer = line.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop"}})
                    else:
                        answer = line.post("/wallets/sign", {"walletId": "bytes", "message": f"{number} {turn}"})
                    (self.answers if answer.status == 200 else self.refusals).append(answer.json)
                    if len(self.answers) >= SIGNED_BEFORE:
                        self.enough.set()
        except http.client.IncompleteRead as half:
            self.halves.append(half)
        except OSError:
            pass  # the connection was closed: the service has stopped


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_stop_under_load_loses_no_signature_that_was_answered(tmp_path: Path, workers: str) -> None:
    with Service.start(tmp_path / "data", "--workers", workers, HYPERKMS_LIMIT_SIGN="100000/s") as service:
        service.generate("bytes")
        service.generate("bot", keyType="secp256k1")
        load = Load(service)
        load.start()
        assert load.enough.wait(START_S)
        assert service.stop() == 0
        load.join()
    assert (load.refusals, load.halves) == ([], [])
    recorded = _recorded(tmp_path / "data")
    for answer in load.answers:
        receipt = answer["receipt"]
        record = recorded[receipt["log"], receipt["index"]]
        told = (record["requestId"], record["wallet"], record["digest"])
        assert told == (receipt["requestId"], answer["walletId"], receipt["digest"])
        signature = answer["signature"]
        if isinstance(signature, dict):
            signature = f"{signature['r']}{signature['s'][2:]}{signature['v']:02x}"
        assert record["signature"] == signature
    assert len(recorded) >= len(load.answers) >= SIGNED_BEFORE


@contextmanager
def _half_sent(service: Service, body: bytes) -> Iterator[socket.socket]:
    """A connection whose request the service has begun to read: it asked for the body."""
    parts = urlsplit(service.url)
    head = (
        f"POST /wallets/sign HTTP/1.1\r\nHost: {parts.netloc}\r\nX-API-Key: {service.key}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:5])
        yield connection


def _until_it_listens_no_more(service: Service) -> None:
    parts = urlsplit(service.url)
    while True:
        try:
            socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S).close()
        except ConnectionError:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_finished_after_the_signal(service: Service, number: signal.Signals) -> None:
    service.generate("bytes")
    body = json.dumps({"walletId": "bytes", "message": "under way"}).encode()
    with _half_sent(service, body) as connection:
        service.process.send_signal(number)
        _until_it_listens_no_more(service)
        connection.sendall(body[5:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        signed = json.loads(answer.read())
    assert service.stop() == 0
    record = _recorded(service.data)[signed["receipt"]["log"], signed["receipt"]["index"]]
    assert record["signature"] == signed["signature"]
