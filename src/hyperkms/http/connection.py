"""One connection, held to bounds: how long a request may take to arrive, how large it is, how many wait.

uvicorn's protocol has no such bounds. Each stage of a request (its head, its body, the taking of the answer) has
a deadline that no byte puts off; one sweep a second looks at the deadlines of all connections, so that a
request costs no timer. What is refused here never reaches the application.
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from hyperkms.access.proxies import Proxies
from hyperkms.errors import HyperkmsError, Malformed, Unavailable
from hyperkms.http.at_once import AtOnce
from hyperkms.http.facts import Facts
from hyperkms.http.problems import PROBLEM_TYPE, problem_of, too_large
from hyperkms.http.protocol import SigningProtocol
from hyperkms.http.raw_body import MAX_BODY
from hyperkms.metrics.counting import Metrics

_log = structlog.stdlib.get_logger("hyperkms.http")
_NEVER = math.inf
_UNKNOWN = "unknown"
_BETWEEN, _HEAD, _BODY = range(3)
"""Where a connection is: between requests, in the head of one, in its body. Numbers, for the sake of speed."""
_STAGES = 3
"""How often the stage changes from one request to the next."""
_LINGER_S = 2.0
"""How long a client that is still sending may take to read why it is refused."""
_FRAMING = 8
"""A body in chunks may be this many times as large on the wire: chunks of one byte are."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a connection may take."""

    request_s: float = 10.0
    idle_s: float = 65.0
    head: int = 16 * 1024
    body: int = MAX_BODY
    unread: int = 16 * 1024
    """Bytes of answers in memory above which nothing more is answered until they are read."""
    pipelined: int = 64
    connections: int = 1000
    drain_s: int = 10
    """What was begun when the server stops has so long to end."""


@dataclass(frozen=True)
class Rules:
    """What holds for every connection of a server."""

    at_once: AtOnce
    bounds: Bounds
    proxies: Proxies
    metrics: Metrics


class Connection(SigningProtocol):
    """A connection of one client."""

    def __init__(self, rules: Rules, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, state, {}, loop)
        self.at_once = rules.at_once
        self._bounds = bounds = rules.bounds
        self._proxies = rules.proxies
        self._metrics = rules.metrics
        self._peer: tuple[str, int] | None = None
        self._proxied = False
        self._stage = _BETWEEN
        self._turns = 0
        """How often the stage has changed."""
        self._arrived = 0
        """Bytes of this stage, as they came."""
        self._chunk = 0
        self._body = 0
        self._declared = 0
        self._reason: HyperkmsError | None = None
        """Why a callback of the parser refused."""
        self._refusal: HyperkmsError | None = None
        """Said as soon as the requests before it are answered."""
        self._ending = False
        self._deadline = loop.time() + bounds.request_s
        self._unread_since = _NEVER
        self._unread = 0

    # ---- from the transport ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Take a client, unless there are too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self._bounds.unread, low=0)
        self._peer = self.client
        self._proxied = self._proxies.trusts(self.client[0] if self.client else None)
        open_now = len(self.connections)
        if open_now > 2 * self._bounds.connections:
            transport.abort()
        elif open_now > self._bounds.connections:
            words = f"This worker has {self._bounds.connections} connections open, which is all it takes."
            self._refuse(Unavailable("too-many-connections", words))

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, of several, or of a part of one."""
        if self._refusal is not None or self._ending:
            return
        stage, turns = self._stage, self._turns
        if stage == _BETWEEN and self.answer_again(data):
            self._deadline = self._between()
            return
        self._chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken here; the request is answered as one of HTTP
        except httptools.HttpParserError:
            self._refuse(self._reason or Malformed("malformed-http", "What was sent is not HTTP/1.1."))
            return
        if self._turns == turns:
            self._arrived += len(data)
        else:
            self._entered(stage, turns, len(data))
            if stage == self._stage == _BETWEEN and self._turns == turns + _STAGES:
                self.remember_head(data)
        if self._stage == _HEAD and self._arrived > self._bounds.head:
            self._refuse(_head_too_large(self._bounds.head))
        elif self._stage == _BODY and self._arrived > _FRAMING * self._bounds.body:
            self._refuse(too_large(self._bounds.body))

    def _entered(self, before: int, turns: int, size: int) -> None:
        """Another stage than before these bytes: its clock starts, once."""
        only_a_head = before == _BETWEEN and self._turns == turns + 1
        self._arrived = size if only_a_head else max(0, size - self._bounds.body)
        self._deadline = self._between() if self._stage == _BETWEEN else self.loop.time() + self._bounds.request_s

    def _between(self) -> float:
        """The deadline of a connection between requests: there is none while one is under way."""
        if self.cycle is not None and self.cycle.response_complete:
            return self.loop.time() + self._bounds.idle_s
        return _NEVER

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        self._unread_since = _NEVER

    def shutdown(self) -> None:
        """The server stops: what was begun is answered, and the first request of who has only just connected."""
        if self._ending:
            self.transport.close()
        elif self._turns == 0:
            self._is_last = True
            self._deadline = min(self._deadline, self.loop.time() + _LINGER_S)
        else:
            super().shutdown()

    # ---- from the parser ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._stage = _HEAD
        self._turns += 1
        self._declared = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; those that stand after a body say nothing here."""
        if self._stage != _HEAD:
            return
        name = name.lower()
        if name == b"content-length":
            self._declared = int(value)
        elif name == b"connection":
            self._says_more = True
        elif name == b"expect":
            self._says_more = True
            self.expect_100_continue = value.lower() == b"100-continue"
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole; the application begins."""
        self._reason = self._objection()
        if self._reason is not None:
            raise self._reason
        if self._proxied:
            self._believe_forwarded()
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False
        self._stage = _BODY
        self._turns += 1
        self._body = 0

    def _objection(self) -> HyperkmsError | None:
        if self._declared > self._bounds.body:
            return too_large(self._bounds.body)
        if self._arrived + self._chunk > self._bounds.head and self._head_size() > self._bounds.head:
            return _head_too_large(self._bounds.head)
        if len(self.pipeline) >= self._bounds.pipelined:
            words = f"More than {self._bounds.pipelined} requests were sent before an answer was taken."
            return Malformed("malformed-http", words)
        return None

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _believe_forwarded(self) -> None:
        lines = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
        client = self._proxies.client_of(lines)
        if client is None and lines:  # it is for somebody, and nobody can tell for whom: of no client's networks
            client = _UNKNOWN
        self.client = self._peer if client is None else (client, 0)

    def on_body(self, body: bytes) -> None:
        """Bytes of the body."""
        self._body += len(body)
        if self._body > self._bounds.body:
            self._reason = too_large(self._bounds.body)
            raise self._reason
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = _BETWEEN
        self._turns += 1
        super().on_message_complete()

    # ---- from the application -------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """An answer is written; the next request is begun, or waited for."""
        if self.transport.is_closing():
            self._ending = True
            self._deadline = self.loop.time() + self._bounds.request_s
        elif self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._say(self._refusal)
        else:
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self._stage == _BETWEEN:
                self._deadline = self.loop.time() + self._bounds.idle_s

    # ---- the sweep ------------------------------------------------------------------------------------

    def is_late(self, now: float) -> bool:
        """Whether a deadline has passed."""
        return now > self._deadline or now > self._unread_since + self._bounds.request_s

    def expire(self, now: float) -> None:
        """End what is late."""
        if now > self._unread_since + self._bounds.request_s:
            left = self.transport.get_write_buffer_size()
            if left > self._unread - self._bounds.unread:
                self._drop("unread-answer")
            else:  # a large answer on a slow line, which is being read
                self._unread, self._unread_since = left, now
        elif self._ending:
            self.transport.abort()
        elif self._stage == _BETWEEN:
            self._ending = True
            self._deadline = now + _LINGER_S
            self.transport.close()
        elif self.flow.read_paused:  # it waits for us
            self._deadline = now + self._bounds.request_s
        else:
            words = f"The request did not arrive within {self._bounds.request_s:g} seconds."
            self._refuse(Malformed("request-timeout", words))

    def _drop(self, why: str) -> None:
        _log.info("dropped", why=why)
        self.transport.abort()

    # ---- refusing -------------------------------------------------------------------------------------

    def _refuse(self, error: HyperkmsError) -> None:
        """Read no more, and say why as soon as the requests before this one are answered."""
        self._refusal = error
        self._deadline = _NEVER
        self.flow.pause_reading()
        if self._stage == _BODY and self._gathered is None:
            self._refuse_begun(error)
        elif self.cycle is None or self.cycle.response_complete:
            self._say(error)

    def _refuse_begun(self, error: HyperkmsError) -> None:
        """The request whose body fails has a task, or waits for one."""
        cycle = self.cycle
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            return
        begun = cycle.response_started
        cycle.disconnected = True
        cycle.message_event.set()
        if begun:
            self._end()
        else:
            self._say(error)

    def _say(self, error: HyperkmsError) -> None:
        facts = Facts(code=error.code)
        made = problem_of(error, facts.request_id)
        headers = {
            "content-type": PROBLEM_TYPE,
            "content-length": str(len(made.body)),
            "connection": "close",
            "x-request-id": facts.request_id,
            **made.headers,
        }
        lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items()]
        lines += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[made.status], *lines, b"\r\n", made.body]))
        self._metrics.request("", None, made.status, 0, error.code)
        _log.info("refused", requestId=facts.request_id, status=made.status, code=error.code)
        self._end()

    def _end(self) -> None:
        """Close when the client has had time to read; at once it would lose the answer to what it still sends."""
        self._ending = True
        self._deadline = self.loop.time() + _LINGER_S
        self.flow.pause_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


def sweep(connections: Iterable[Any], now: float) -> None:
    """End what is late among them."""
    for connection in [each for each in connections if each.is_late(now)]:
        connection.expire(now)


def _head_too_large(limit: int) -> Malformed:
    return Malformed("head-too-large", f"The head of the request is larger than {limit} bytes.")
