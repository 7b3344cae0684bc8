"""The real service in a process of its own, and a plain HTTP client for it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hyperkms.access.limits import What
from support.custody import settings_for
from support.patience import START_S
from support.started import Process, Started, can_be_forked

__all__ = ["NOWHERE", "START_S", "Answer", "Service", "command", "environment"]
NOWHERE = "http://127.0.0.1:9"
"""A loopback port where nothing listens: no test asks the real exchange for its assets."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def command(*words: str) -> list[str]:
    """The installed `hyperkms` command of this environment."""
    return [str(Path(sys.executable).with_name("hyperkms")), *words]


def environment(**settings: str) -> dict[str, str]:
    """An environment that says these settings alone, in development on testnet, with limits that no test meets."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    defaults = {
        "HYPERKMS_ENV": "development",
        "HYPERKMS_NETWORK": "testnet",
        "HYPERKMS_MAINNET_URL": NOWHERE,
        "HYPERKMS_TESTNET_URL": NOWHERE,
    }
    limits = {f"HYPERKMS_LIMIT_{what.name}": "1000000/s" for what in What}
    return {**inherited, **defaults, **limits, **settings}


def started(words: Sequence[str], settings: Mapping[str, str], folder: Path) -> Process:
    """What these words start, with these settings alone; its output and its errors are pipes."""
    own = environment(**settings)
    if can_be_forked(own):
        return Started(words, own, folder)
    return subprocess.Popen(
        command(*words), env=own, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@dataclass
class Service:
    """A running service; `lines` are what it wrote to standard output so far."""

    process: Process
    data: Path
    url: str
    key: str
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @classmethod
    @contextmanager
    def start(cls, data: Path, *flags: str, **settings: str) -> Iterator["Service"]:
        """Start it on a free port, wait until it listens, and stop it by its pid at the end."""
        with cls.start_as_told(data, "--port", "0", *flags, **settings) as service:
            yield service

    @classmethod
    @contextmanager
    def start_as_told(cls, data: Path, *flags: str, **settings: str) -> Iterator["Service"]:
        """The same without a port of its own accord."""
        service = cls._launch(data, *flags, **settings)
        try:
            yield service
        finally:
            service.stop()

    @classmethod
    def _launch(cls, data: Path, *flags: str, **settings: str) -> "Service":
        process = started(["serve", "--data", str(data), *flags], {**settings_for(data), **settings}, data.parent)
        timer = threading.Timer(START_S, process.kill)
        timer.start()
        try:
            lines = []
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                event = json.loads(line)
                if event["event"] == "listening":
                    made = data / "admin.key"  # by the first instance on a database alone
                    key = made.read_text().strip() if made.exists() else ""
                    service = cls(process, data, event["url"], key, lines)
                    service.reader = threading.Thread(target=service._drain, daemon=True)
                    service.reader.start()
                    return service
        finally:
            timer.cancel()
        _, words_of_refusal = process.communicate()
        raise AssertionError(f"the service did not start: {words_of_refusal}")

    def _drain(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=START_S)
        self._read_to_the_end()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait(timeout=START_S)
        self._read_to_the_end()

    def _read_to_the_end(self) -> None:
        if self.reader is not None:
            self.reader.join(START_S)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with the administrator's key unless `headers` are given."""
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=START_S)
        try:
            sent = {"X-API-Key": self.key} if headers is None else dict(headers)
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: object, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def generate(self, wallet: str, **members: object) -> Any:
        """A wallet that must come into being."""
        answer = self.post("/wallets/generate", {"walletId": wallet, **members})
        assert answer.status == 200, answer.body
        return answer.json["wallet"]
