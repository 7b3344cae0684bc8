"""The stand-in for the exchange, in a process of its own."""

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.service import START_S, started

_READY = re.compile(r"hyperkms sandbox \(testnet\) listening on (http://127\.0\.0\.1:\d+)\n")


@dataclass(frozen=True)
class Sandbox:
    """A running stand-in."""

    url: str

    def log(self) -> Any:
        """Every post so far, oldest first: {posted, signer, answer{status, body}}."""
        with urllib.request.urlopen(f"{self.url}/sandbox/log", timeout=START_S) as answer:  # noqa: S310 (our own URL)
            return json.load(answer)["entries"]

    def control(self, path: str, **members: object) -> None:
        """POST /sandbox/..., such as fund and faults."""
        body = json.dumps(members).encode()
        with urllib.request.urlopen(f"{self.url}/sandbox/{path}", body, timeout=START_S) as answer:  # noqa: S310 (as above)
            answer.read()


@contextmanager
def sandbox(*flags: str) -> Iterator[Sandbox]:
    """A stand-in on a free port, stopped by its pid at the end; without flags only funded signers have accounts."""
    process = started(["sandbox", "--port", "0", *flags], {}, Path.cwd())
    try:
        assert process.stdout is not None
        ready = _READY.fullmatch(process.stdout.readline())
        assert ready is not None
        yield Sandbox(ready[1])
    finally:
        process.terminate()
        process.communicate()
