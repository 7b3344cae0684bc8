"""Signing requests that are answered in one go: without a task, as long as nothing in them would wait.

The server's protocol class gathers a small body itself and asks here before it makes anything of the
framework's interface. Whatever is out of the ordinary is left to `signing.py`, which answers the same.
"""

import time
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

import msgspec

from hyperkms.access.api_keys import hash_of
from hyperkms.access.clients import Client
from hyperkms.access.limits import What
from hyperkms.errors import Forbidden, HyperkmsError
from hyperkms.http.facts import Facts
from hyperkms.http.idempotency import HEADER
from hyperkms.http.quick_body import read_quickly
from hyperkms.http.signed import HEADER as SIGNATURE
from hyperkms.http.signed import SignedRequest, sent_key
from hyperkms.http.signing import SigningRoutes, Turn, refusal, unexpected
from hyperkms.http.signing_table import SIGNING_ROUTES, SigningRoute, View
from hyperkms.operations.caller import Caller
from hyperkms.operations.pending import Pending
from hyperkms.operations.refusals import decided, forbidden
from hyperkms.state.waiting import MustWait, without_waiting

Reply = Callable[[int, bytes, bytes], None]
"""Takes the status, the header lines (each with its end) and the body of the one answer."""
_WITHOUT_WAITING = without_waiting()
_encode = msgspec.json.Encoder().encode
_JSON = b"content-type: application/json\r\nx-request-id: %b\r\n"


Who = bytes | SignedRequest | None
"""The hash of an API key, or what its client has signed."""


class Outcome(Enum):
    """What became of an attempt."""

    TAKEN = "taken"
    """The answer is given, or will be."""
    LEFT = "left"
    """Nothing has happened."""
    COUNTED = "counted"
    """Nothing has happened but that the client's limit was taken."""


TAKEN, LEFT, COUNTED = Outcome
"""By their own names: to look one up in its class takes as long as to call a function."""


class AtOnce:
    """Answers what it can of the signing routes."""

    urls: Collection[bytes]
    """The request targets to which a POST may be answered here."""

    def __init__(self, routes: SigningRoutes) -> None:
        self._routes = routes
        self._parts = routes.parts
        self._by_url = {
            route.path.encode(): route for route in SIGNING_ROUTES if route.each is None and not route.in_shares
        }
        self.urls = self._by_url.keys()
        self._lines: tuple[object, bytes] = (None, b"")

    def lines_of(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Header lines that all answers have; the server makes a new list of them once a second."""
        of, lines = self._lines
        if of is not headers:
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            self._lines = (headers, lines)
        return lines

    def answer(self, url: bytes, who: Who, raw: bytes, reply: Reply) -> Outcome:
        """Attempt it. `reply` is called once if it is taken: now for a refusal, else when the record is durable."""
        generation = self._parts.client_generation()
        if isinstance(who, SignedRequest):
            client: object = who.attempt(self._parts)
        else:
            client = self._parts.api_keys.known_by_hash(who)
        if not isinstance(client, Client) or client.networks is not None:
            return LEFT
        route = self._by_url[url]
        body = read_quickly(raw, route.body)
        if body is None:
            return LEFT
        turn = self._routes.turn()
        request = _Request(turn, route, reply, client.name)
        counted = LEFT
        caller = Caller(client, request.facts.request_id, None, generation)
        try:
            client.require(*route.operations)
            with _WITHOUT_WAITING:
                self._parts.limits.take(client.number, What.SIGN)
                counted = COUNTED
                work = route.work(body)
                request.facts.wallet = work.wallet
                pending = decided(turn.parts, caller, route.kind, work)
        except MustWait:
            return counted
        except Forbidden as error:
            try:
                request.forbid(caller, error)
            except MustWait:
                return counted
        except Exception as error:  # noqa: BLE001 (nothing may reach the server's own log with its text)
            request.refuse(error)
        else:
            request.view = work.view
            request.release_once_durable(pending)
        return TAKEN


def who_asks(url: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Who:
    """Who sent this POST; None for one with an Idempotency-Key, which is not answered at once."""
    named = dict(headers)
    if HEADER in named:
        return None
    return SignedRequest(b"POST", url, headers, body) if SIGNATURE in named else hash_of(sent_key(headers))


class _Request:
    """A request that is being answered."""

    __slots__ = ("_reply", "_route", "_started", "_turn", "facts", "pending", "view")

    pending: Pending[Any]
    view: View

    def __init__(self, turn: Turn, route: SigningRoute, reply: Reply, client: str) -> None:
        self._turn = turn
        self.facts = Facts(client=client)
        self._route = route
        self._reply = reply
        self._started = time.perf_counter()

    def release_once_durable(self, pending: Pending[Any]) -> None:
        """Answer when the record is durable."""
        self.pending = pending
        pending.then(self._turn.loop, self.release)

    def forbid(self, caller: Caller, error: Forbidden) -> None:
        """The client may not ask for this at all: that is written down, and answered then."""
        try:
            with _WITHOUT_WAITING:
                pending = forbidden(self._turn.parts, caller, self._route.kind, error)
        except HyperkmsError as limited:
            self.refuse(limited)
        else:
            self.release_once_durable(pending)

    def release(self) -> None:
        """The record is durable, or cannot be: answer accordingly."""
        try:
            made = self.pending.now()
            body = _encode(self.view(made))
        except Exception as error:  # noqa: BLE001 (as above)
            self.refuse(error)
        else:
            self._finish(200, _JSON % self.facts.request_id.encode(), body)

    def refuse(self, error: Exception) -> None:
        """Answer the error's problem document."""
        told = error if isinstance(error, HyperkmsError) else unexpected(error, self.facts)
        status, headers, body = refusal(told, self.facts)
        lines = [b"%b: %b\r\n" % header for header in headers]
        self._finish(status, b"".join([*lines, b"x-request-id: %b\r\n" % self.facts.request_id.encode()]), body)

    def _finish(self, status: int, headers: bytes, body: bytes) -> None:
        seconds = time.perf_counter() - self._started
        self._turn.parts.metrics.request("POST", self._route.path, status, seconds, self.facts.code)
        self._reply(status, headers, body)
        self._turn.lines.add(self.facts, "POST", self._route.path, status, self._started)
