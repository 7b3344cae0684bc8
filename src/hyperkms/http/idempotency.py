"""`Idempotency-Key`: a request that is repeated under its key is done once and answered the same.

1. In this process: who repeats a request that is under way waits for its outcome.
2. Over processes: who works on a request has taken its name (state/requests.py).
3. What a killed process had answered is recovered from its record.
4. Then the database says what is known of the request: answered, reserved, or nothing.
5. Over instances that share the database: every request is reserved there before it is done, and its answer leaves
   when it is recorded there. What an instance had reserved that is gone another one goes on with.

The answer of a signature leaves when its line in the record is durable, since that has the key in it; its row follows,
and until then 1 and 2 hold. A refusal is not kept: a request that was refused has consumed nothing. Without the
header none of this runs.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa

from hyperkms.audit.sink import Position
from hyperkms.errors import Conflict, HyperkmsError, Malformed
from hyperkms.http.facts import Facts
from hyperkms.http.left_requests import recover_left
from hyperkms.operations.caller import KeyOfRequest
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Within
from hyperkms.state.request_rows import (
    IN_PROGRESS,
    AnsweredRequest,
    KnownRequest,
    Request,
    RequestName,
    RequestState,
    in_progress,
)
from hyperkms.state.transfers import Transfer

HEADER = b"idempotency-key"
REPLAYED = "idempotency-replayed"
HONOURED_MS = 24 * 3600 * 1000
"""So long a key stands for its request; then it is refused until its row is forgotten."""
WAIT_S = 2.0
"""So long one waits for another's work on the same request."""
_POLL_S = 0.01
_POLL_ELSEWHERE_S = 0.02
_KEY = re.compile(rb"[!-~]{1,255}")


@dataclass(frozen=True)
class Asked:
    """A request that came with a key."""

    name: RequestName
    fingerprint: bytes
    facts: Facts


@dataclass(frozen=True, repr=False)
class Answered:
    """The body of an answer 200, and whether it was given before."""

    body: bytes
    replayed: bool


class Attempt:
    """The work on a request that this one alone does now; it ends with its answer recorded."""

    def __init__(self, parts: Parts, request: Request, known: KnownRequest | None = None) -> None:
        self.plan = None if known is None else known.plan
        """What an earlier attempt reserved, or None."""
        self.key = KeyOfRequest(request.name.key, request.fingerprint)
        """For the line of the record."""
        self.request = request
        self._requests = parts.requests
        self._state = None if known is None else RequestState.RESERVED
        self._epoch = None if known is None else known.epoch

    @property
    def is_reserved(self) -> bool:
        """It has a row that waits for its answer."""
        return self._state is RequestState.RESERVED

    async def reserve(self, plan: str | None, also: Within) -> None:
        """Durable when it returns. Without a plan it is for what comes to the same whoever does it, and how often."""
        self._epoch = await asyncio.wrap_future(self._requests.reserve(self.request, plan, also))
        self._state, self.plan = RequestState.RESERVED, plan

    async def drop(self) -> None:
        """It came to nothing: what was reserved without a plan is forgotten."""
        if self.is_reserved and self.plan is None and self._epoch is not None:
            with suppress(HyperkmsError):  # the next one to ask finds it reserved, and does it
                await asyncio.wrap_future(self._requests.drop(self.request.name, self._epoch))

    def record_within(self, connection: sa.Connection, answer: bytes | None) -> None:
        """Recorded if this transaction commits; None for an answer that is not to be kept."""
        self._requests.record_within(connection, self.request, _text(answer))
        self._state = RequestState.RECORDED

    async def record(self, answer: bytes | None) -> None:
        """Recorded and durable when it returns, if it is not already."""
        if self._state is RequestState.RESERVED and answer is not None:
            await asyncio.wrap_future(self._requests.record(self.request.name, answer.decode(), self._epoch))
        elif self._state is not RequestState.RECORDED:
            await asyncio.wrap_future(self._requests.record_alone(self.request, _text(answer)))


@dataclass(frozen=True, repr=False)
class Done:
    """What an attempt came to; it may have a secret in it."""

    body: bytes
    kept: bytes | None
    """What the next one to ask is answered; None if it is told that the answer was not kept."""
    line: Position | None = None
    """Where its line in the record stands, if that has the key in it."""


Work = Callable[[Attempt], Awaitable[Done]]


class _UnderWay:
    """A request on which this process works, for others of its kind to wait for."""

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.outcome: Done | HyperkmsError | None = None
        self.is_in_transfer = False
        """Its answer has left, and its row is still to come."""
        self._ended = asyncio.Event()

    def end(self) -> None:
        self._ended.set()

    async def wait(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._ended.wait()
        except TimeoutError:
            raise in_progress() from None


class Once:
    """Requests with a key, of one event loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._under_way: dict[RequestName, _UnderWay] = {}
        self._recovering = asyncio.Lock()

    async def answer(self, asked: Asked, work: Work) -> Answered:
        """The answer of the request, by `work` if it was never done.

        Conflict if the key stands for another request, is too old, or if its request is under way elsewhere.
        """
        until = asyncio.get_running_loop().time() + WAIT_S
        while other := self._under_way.get(asked.name):
            await other.wait(until)
            if other.fingerprint == asked.fingerprint:
                if isinstance(other.outcome, HyperkmsError):
                    raise other.outcome
                if other.outcome is not None:
                    return _replay(other.outcome.kept)
            elif other.is_in_transfer:
                raise _reused()
        mine = self._under_way[asked.name] = _UnderWay(asked.fingerprint)
        try:
            return await self._alone(asked, work, mine, until)
        except HyperkmsError as error:
            mine.outcome = error
            raise
        finally:
            mine.end()
            if not mine.is_in_transfer:
                del self._under_way[asked.name]

    async def _alone(self, asked: Asked, work: Work, mine: _UnderWay, until: float) -> Answered:
        await self._take(asked.name, until)
        try:
            while True:
                known = await self._known(asked.name, until)
                if known and self._is_answered(known, asked):
                    return _replay(None if known.answer is None else known.answer.encode())
                try:
                    return await self._done(asked, known, work, mine)
                except Conflict as error:  # another instance was a moment faster
                    if error.code != IN_PROGRESS or not self._parts.requests.are_shared:
                        raise
                    await _pause(until)
        finally:
            if not mine.is_in_transfer:
                self._parts.requests.give_back(asked.name)

    async def _done(self, asked: Asked, known: KnownRequest | None, work: Work, mine: _UnderWay) -> Answered:
        attempt = await self._attempt(asked, known)
        try:
            done = await work(attempt)
        except HyperkmsError:
            await attempt.drop()
            raise
        if done.line is None:
            await attempt.record(done.kept)
        else:
            self._transfer(attempt.request, done, done.line)
            mine.is_in_transfer = True
        mine.outcome = done
        return Answered(done.body, replayed=False)

    async def _known(self, name: RequestName, until: float) -> KnownRequest | None:
        requests = self._parts.requests
        while (found := await asyncio.wrap_future(requests.find(name))).left or found.is_elsewhere:
            if found.left:
                async with self._recovering:  # one reads it, and those who waited find nothing left
                    await asyncio.to_thread(recover_left, self._parts)
            else:
                await _pause(until)
        return found.known

    def _transfer(self, request: Request, done: Done, line: Position) -> None:
        loop = asyncio.get_running_loop()

        def has_its_row() -> None:
            self._parts.requests.give_back(request.name)
            with suppress(RuntimeError):  # the loop is closed: nobody asks here any more
                loop.call_soon_threadsafe(self._under_way.pop, request.name)

        answered = AnsweredRequest(request, done.body.decode())
        self._parts.requests.transfer(Transfer(answered, line.log, line.index, has_its_row))

    async def _take(self, name: RequestName, until: float) -> None:
        while not self._parts.requests.take(name):
            if asyncio.get_running_loop().time() >= until:
                raise in_progress()
            await asyncio.sleep(_POLL_S)

    def _is_answered(self, known: KnownRequest, asked: Asked) -> bool:
        if self._parts.clock() - known.request.created_at > HONOURED_MS:
            words = "a request with this Idempotency-Key came more than 24 hours ago; look what became of it"
            raise Conflict("idempotency-key-expired", f"{words}, and take a new key")
        if known.request.fingerprint != asked.fingerprint:
            raise _reused()
        return known.state is RequestState.RECORDED

    async def _attempt(self, asked: Asked, known: KnownRequest | None) -> Attempt:
        if known:
            asked.facts.request_id = known.request.request_id  # the request goes on under its own id
            epoch = await asyncio.wrap_future(self._parts.requests.take_over(known))
            return Attempt(self._parts, known.request, replace(known, epoch=epoch))
        request = Request(
            name=asked.name,
            fingerprint=asked.fingerprint,
            request_id=asked.facts.request_id,
            created_at=self._parts.clock(),
        )
        return Attempt(self._parts, request)


async def _pause(until: float) -> None:
    """Before one looks again what another instance has done; Conflict once it is too late."""
    if asyncio.get_running_loop().time() >= until:
        raise in_progress()
    await asyncio.sleep(_POLL_ELSEWHERE_S)


def key_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key among ASGI headers, or None; Malformed if it is none, or if there are several."""
    found = None
    for name, value in headers:
        if name == HEADER:
            if found is not None or not _KEY.fullmatch(value):
                words = "is one header of 1 to 255 visible ASCII characters, e.g. a random UUID"
                raise Malformed.at("Idempotency-Key", words, "malformed-idempotency-key")
            found = value.decode()
    return found


def fingerprint(path: str, body: bytes) -> bytes:
    """SHA-256 of the length of the path (4 bytes, big-endian), the path, and the body as it came.

    Not of what the body means: equal bytes need no rule for what is equal, and none that a release could change.
    """
    route = path.encode("utf-8", "surrogatepass")
    return hashlib.sha256(len(route).to_bytes(4) + route + body).digest()


def _reused() -> Conflict:
    words = "this Idempotency-Key stands for a request with another route or body"
    return Conflict("idempotency-key-reused", f"{words}; take a new key for a new request")


def _replay(kept: bytes | None) -> Answered:
    if kept is None:
        words = "the request with this Idempotency-Key was done, and its answer shows a secret that is kept nowhere"
        raise Conflict("answer-not-kept", words)
    return Answered(kept, replayed=True)


def _text(answer: bytes | None) -> str | None:
    return None if answer is None else answer.decode()
