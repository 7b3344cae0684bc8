"""The signing routes, answered in front of the framework, which costs more than a signature.

A request is served in the event loop's own thread as long as nothing in it would wait; else its work is
done again from the start in a thread (state/waiting.py). What the routes take and answer stands in
`signing_table`, of which the OpenAPI document is made too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from hyperkms.access.clients import Client
from hyperkms.access.limits import What
from hyperkms.audit.sink import LoopRecords
from hyperkms.errors import Forbidden, HyperkmsError, Malformed
from hyperkms.http.auth import authenticate, require_in_force, require_network
from hyperkms.http.batch import Batch, answer_batch
from hyperkms.http.body import read_struct
from hyperkms.http.facts import Facts, begin
from hyperkms.http.idempotency import REPLAYED, Answered, Asked, Attempt, Done, Once, fingerprint, key_of
from hyperkms.http.limiting import take_limit
from hyperkms.http.lines import RequestLines
from hyperkms.http.log import describe
from hyperkms.http.problems import PROBLEM_TYPE, internal_error, method_not_allowed, problem_of
from hyperkms.http.raw_body import read_raw
from hyperkms.http.signed import InThread, evidence_of, with_signature
from hyperkms.http.signing_table import SIGNING_ROUTES, SigningRoute, Work
from hyperkms.http.threads import Threads
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.refusals import decided, forbidden, is_decision, refused
from hyperkms.operations.sign_once import Planned, resume
from hyperkms.state.completion import nothing_within
from hyperkms.state.request_rows import RequestName
from hyperkms.state.waiting import MustWait, without_waiting

T = TypeVar("T")
_log = structlog.stdlib.get_logger("hyperkms.http")
_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")
Who: TypeAlias = Callable[[Parts, Scope, InThread], Awaitable[Client]]
COUNTED = "hyperkms.counted"
"""In the scope of a request whose limit was taken already, by an attempt to answer it at once."""


class SigningRoutes:
    """Answers the signing routes and hands every other request on."""

    def __init__(self, app: ASGIApp, parts: Parts, threads: Threads, once: Once) -> None:
        self._app = app
        self.once = once
        self.parts = parts
        self.threads = threads
        self._turn: Turn | None = None
        self._routes = {route.path: route for route in SIGNING_ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            receive = with_signature(scope, receive)
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        # A wallet may be named `sign`, and GET /wallets/sign shows it.
        if route is None or (scope["method"] in {"GET", "HEAD"} and scope["path"].startswith("/wallets/")):
            await self._app(scope, receive, send)
            return
        turn = self.turn()
        started = time.perf_counter()
        facts = begin(scope)
        status, headers, body = await self._answer(route, facts, scope, receive)
        seconds = time.perf_counter() - started
        self.parts.metrics.request(scope["method"], route.path, status, seconds, facts.code)
        headers.append((b"content-length", b"%d" % len(body)))
        headers.append((b"x-request-id", facts.request_id.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        turn.lines.add(facts, scope["method"], route.path, status, started)

    def turn(self) -> "Turn":
        """What gathers in the running loop."""
        self._turn = self._turn or Turn.of(asyncio.get_running_loop(), self.parts)
        return self._turn

    async def _answer(
        self, route: SigningRoute, facts: Facts, scope: Scope, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        try:
            _require_post(scope)
            caller = await self._caller(authenticate, facts, scope)
            self._require_on(route)
            await self._require_permission(route, caller, scope)
            raw = await read_raw(receive)
            caller = await self._caller(authenticate, facts, scope)  # a body may come long after its headers
            await self._require_permission(route, caller, scope)
            key = key_of(scope["headers"])
            if route.each is not None:
                again = partial(self._caller, require_in_force, facts, scope)
                return _given(await answer_batch(self, route, Batch(caller.client, facts, raw, key, again)))
            if COUNTED not in scope:
                await take_limit(self.parts, self.threads.sign, caller.client, What.SIGN)
            if key:
                asked = Asked(RequestName(caller.client.name, key), fingerprint(route.path, raw), facts)

                async def read() -> tuple[Caller, msgspec.Struct]:
                    return caller, await read_struct(raw, route.body, route.required)

                return _given(await self.sign_once(asked, route, read))
            work = await _work(route, raw, facts)
            pending = await self.begin(route, work, caller)
            answer = work.view(await pending.released())
        except HyperkmsError as error:
            status, headers, document = refusal(error, facts)
            return status, headers if scope["method"] == "POST" else [*headers, (b"allow", b"POST")], document
        except Exception as error:  # noqa: BLE001 (nothing may reach the server's own log with its text)
            return refusal(unexpected(error, facts), facts)
        return 200, [_JSON], _encode(answer)

    def _require_on(self, route: SigningRoute) -> None:
        if self.parts.frozen is not None:
            raise self.parts.frozen.refusal()
        if route.in_shares and self.parts.in_shares is None:
            raise mpc_disabled()

    async def _caller(self, who: Who, facts: Facts, scope: Scope) -> Caller:
        """Who asks, known to be in force from here on until a client changes."""
        generation = self.parts.client_generation()
        client = await who(self.parts, scope, self.threads.sign)
        facts.client = client.name
        return Caller(client, facts.request_id, None, generation, evidence_of(scope))

    async def sign_once(
        self, asked: Asked, route: SigningRoute, read: Callable[[], Awaitable[tuple[Caller, msgspec.Struct]]]
    ) -> Answered:
        """The answer of a request that came with a key: it is signed once, however often it comes."""

        async def attempted(attempt: Attempt) -> Done:
            caller, body = await read()
            work = route.work(body)
            asked.facts.wallet = work.wallet
            caller = msgspec.structs.replace(caller, request_id=asked.facts.request_id)
            pending = await self._begin_once(attempt, route, work, caller)
            made = _encode(work.view(await pending.released()))
            return Done(made, kept=made, line=None if attempt.is_reserved else pending.position())

        return await self.once.answer(asked, attempted)

    async def begin(self, route: SigningRoute, work: Work, caller: Caller) -> Pending[Any]:
        """Sign: here if nothing waits, else in a thread."""
        return await self._here_or_in_a_thread(decided, caller, route.kind, work)

    async def begin_in_a_thread(self, route: SigningRoute, work: Work, caller: Caller) -> Pending[Any]:
        """The same for what is known to wait."""
        return await self.threads.sign(decided, self.parts, caller, route.kind, work)

    async def _require_permission(self, route: SigningRoute, caller: Caller, scope: Scope) -> None:
        """Forbidden, and written down, for a client that may ask for nothing of this kind, or not from here."""
        try:
            require_network(caller.client, scope)
            caller.client.require(*route.operations)
        except Forbidden as error:
            pending = await self._here_or_in_a_thread(forbidden, caller, route.kind, error)
            await pending.released()

    async def _begin_once(self, attempt: Attempt, route: SigningRoute, work: Work, caller: Caller) -> Pending[Any]:
        """Begin it; a refusal is in the pending answer, as `decided` has it."""
        try:
            return await self._begin_by_plan(attempt, route, work, caller)
        except HyperkmsError as error:
            if not is_decision(error):
                raise
            return refused(self.turn().parts, caller, route.kind, work, error)

    async def _begin_by_plan(self, attempt: Attempt, route: SigningRoute, work: Work, caller: Caller) -> Pending[Any]:
        """Sign with the key in the record's line; where the nonce is chosen, by a plan that is written down first."""
        if attempt.plan is not None:
            return await self._here_or_in_a_thread(resume, caller, attempt.plan)
        if work.plan is not None and (work.takes_for_good or self.parts.requests.are_shared):
            planned = await self._here_or_in_a_thread(work.plan, caller.client, *work.arguments)
            if planned is not None:
                return await self._by(planned, attempt, caller)
        if self.parts.requests.are_shared:
            if not attempt.is_reserved:
                await attempt.reserve(None, nothing_within)
            return await self.begin(route, work, caller)
        if not self.parts.record.is_announced:
            await self.threads.sign(self.parts.record.announce)
        return await self.begin(route, work, msgspec.structs.replace(caller, under=attempt.key))

    async def _by(self, planned: Planned, attempt: Attempt, caller: Caller) -> Pending[Any]:
        try:
            await attempt.reserve(planned.text, planned.claim)
        except BaseException:
            planned.drop()
            raise
        return await self._here_or_in_a_thread(planned.sign, caller)

    async def _here_or_in_a_thread(self, work: Callable[..., T], *arguments: object) -> T:
        at_hand = self._turn.parts if self._turn else self.parts
        try:
            with without_waiting():
                return work(at_hand, *arguments)
        except MustWait:
            return await self.threads.sign(work, self.parts, *arguments)


@dataclass(frozen=True)
class Turn:
    """What gathers during one turn of the event loop."""

    loop: asyncio.AbstractEventLoop
    parts: Parts
    lines: RequestLines

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop, parts: Parts) -> "Turn":
        """What gathers in this loop."""
        return cls(loop, replace(parts, record=LoopRecords(parts.record, loop)), RequestLines(loop))


def mpc_disabled() -> Malformed:
    """The first system's words where there are no cosigners."""
    return Malformed("mpc-disabled", "MPC is not enabled. Set MPC_ENABLED=true in .env")


async def _work(route: SigningRoute, raw: bytes, facts: Facts) -> Work:
    work = route.work(await read_struct(raw, route.body, route.required))
    facts.wallet = work.wallet
    return work


def _given(answered: Answered) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return 200, [_JSON, (REPLAYED.encode(), b"true")] if answered.replayed else [_JSON], answered.body


def _require_post(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise method_not_allowed()


def unexpected(error: Exception, facts: Facts) -> HyperkmsError:
    """What a caller hears of an error that nobody expected; the log has where it was."""
    _log.error("failed", requestId=facts.request_id, **describe(error))
    return internal_error(facts.request_id)


def refusal(error: HyperkmsError, facts: Facts) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a refusal; the log line names its code."""
    facts.code = error.code
    made = problem_of(error, facts.request_id)
    headers = [(name.lower().encode(), value.encode()) for name, value in made.headers.items()]
    return made.status, [(b"content-type", PROBLEM_TYPE.encode()), *headers], made.body
