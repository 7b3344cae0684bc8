"""Nobody reads the log (`| less`, journald that is stopped): signing goes on, and the end comes."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.scraped import scrape
from support.service import START_S, Service, command, environment

REQUESTS = 60
"""Sent ahead of their answers: as many as a connection may have under way."""
MORE_THAN_A_PIPE_HOLDS = 10 * REQUESTS
"""Their lines have about 250 bytes each, and a pipe holds 64 KiB."""


@contextmanager
def _unread(folder: Path, *flags: str) -> Iterator[Service]:
    """A service whose standard output is read up to the line that says where it listens, and no further."""
    words = command("serve", "--data", str(folder / "data"), "--port", "0", *flags)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), cwd=folder, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "listening":
                    break
            key = (folder / "data" / "admin.key").read_text().strip()
            yield Service(process, folder / "data", event["url"], key)
        finally:
            process.kill()


def _ask(service: Service, requests: int) -> None:
    """So many requests to sign for a wallet that is not there; each is answered."""
    parts = urlsplit(service.url)
    body = b'{"walletId":"nobody","message":"m"}'
    head = f"POST /wallets/sign HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S) as connection:
        for _ in range(requests // REQUESTS):
            connection.sendall(request * REQUESTS)
            answered = 0
            while answered < REQUESTS:
                read = connection.recv(1 << 20)
                assert read
                answered += read.count(b"HTTP/1.1 404")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_does_not_stop_the_signing_nor_the_end(tmp_path: Path, workers: str) -> None:
    with _unread(tmp_path, "--workers", workers) as service:
        service.generate("bytes")
        _ask(service, MORE_THAN_A_PIPE_HOLDS)
        assert service.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).status == 200
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(START_S) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_lines_that_a_full_disk_does_not_take_are_on_the_page_of_metrics(tmp_path: Path) -> None:
    words = command("serve", "--data", str(tmp_path / "data"), "--port", "0")
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(
            words, stdout=full, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, text=True
        ) as process,
    ):
        assert process.stderr is not None
        told = next(line for line in process.stderr if "ready on" in line)
        service = Service(
            process, tmp_path / "data", told.split()[3], (tmp_path / "data" / "admin.key").read_text().strip()
        )
        service.generate("bytes")
        lost = scrape(service).value("hyperkms_log_lines_lost_total")
        assert lost > 0
        while scrape(service).value("hyperkms_log_lines_lost_total") == lost:
            service.get("/health")
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0


def test_no_line_is_missing_after_a_stop(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        _ask(service, 10 * REQUESTS)
        assert service.stop() == 0
    events = [json.loads(line) for line in service.lines]
    assert sum(event["event"] == "request" for event in events) == 10 * REQUESTS
    assert events[-1]["event"] == "stopped"
