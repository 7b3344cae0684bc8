"""The log line of a request, written without the logging library: that one costs more than a signature.

Both write lines of one shape; a test holds them to it.
"""

import logging
import time
from asyncio import AbstractEventLoop
from datetime import UTC, datetime

import msgspec

from hyperkms.http.facts import Facts
from hyperkms.http.log_output import log_output


class RequestLine(msgspec.Struct, frozen=True, rename="camel"):
    """One request: identifiers only, never a body, a key or a token."""

    request_id: str
    method: str
    route: str
    status: int
    client: str | None
    wallet: str | None
    code: str | None
    duration_ms: float
    event: str
    level: str
    logger: str
    time: str


class RequestLines:
    """Lines of one event loop: those of one turn of it are written together."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._wanted = logging.getLogger("hyperkms.http").isEnabledFor(logging.INFO)
        self._gathered: list[bytes] = []
        self._time = ""
        """Of the lines that are gathered: what ends in one turn ends at one time."""
        self._second = 0
        self._second_text = ""
        self._encode = msgspec.json.Encoder().encode

    def add(self, facts: Facts, method: str, route: str, status: int, started: float) -> None:
        """Take the line of a request that ends now; `started` is of time.perf_counter."""
        if not self._wanted:
            return
        if not self._gathered:
            self._loop.call_soon(self._write)
            self._time = self._now()
        line = RequestLine(
            facts.request_id,
            method,
            route,
            status,
            facts.client,
            facts.wallet,
            facts.code,
            round((time.perf_counter() - started) * 1000, 3),
            "request",
            "info",
            "hyperkms.http",
            self._time,
        )
        self._gathered.append(self._encode(line))

    def _now(self) -> str:
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._second_text}{rest // 1000:06d}Z"

    def _write(self) -> None:
        gathered, self._gathered = self._gathered, []
        log_output().put(b"\n".join([*gathered, b""]))
