"""How a control route answers: with an `Idempotency-Key` its work is done at most once.

Where the work changes the database, the answer is recorded in the same transaction. So a crash leaves
both or neither, and what was cut off before is done, or finished, by whoever repeats the request.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from hyperkms.access.clients import Client
from hyperkms.http.answers import answer
from hyperkms.http.facts import facts_of
from hyperkms.http.idempotency import REPLAYED, Asked, Attempt, Done, Once, fingerprint, key_of
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.request_rows import RequestName

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Run(Protocol[T_co]):
    """The work, in a thread."""

    def __call__(self, *, completion: Completion[T_co]) -> Awaitable[T_co]:
        """Do it, and call the completion within the transaction of the change, if there is one."""


class Answers(Enum):
    """What becomes of an answer."""

    KEPT = "kept"
    SHOWN_ONCE = "shown once"
    """It has a secret in it, which is written nowhere."""


@dataclass(frozen=True)
class Work(Generic[T]):
    """What a route does, and what it shows of the result."""

    run: Run[T]
    view: Callable[[T], msgspec.Struct]
    answers: Answers = Answers.KEPT


def uncompleted(run: Callable[[], Awaitable[T]]) -> Run[T]:
    """Work that changes nothing, or that does no harm when it is done again: its answer is recorded after it."""

    async def ignoring(*, completion: Completion[T]) -> T:  # noqa: ARG001 (nothing is written with it)
        return await run()

    return ignoring


async def respond(request: Request, client: Client, work: Work[T]) -> Response:
    """200 with the view of the result."""
    key = key_of(request.scope["headers"])
    if key is None:
        return answer(work.view(await work.run(completion=nothing_more)))

    async def attempted(attempt: Attempt) -> Done:
        completing = _Completing(attempt, work)
        result = await work.run(completion=completing)
        return completing.done or completing.make(result)

    once: Once = request.app.state.once
    print_of_it = fingerprint(request.scope["path"], request.state.raw)
    answered = await once.answer(Asked(RequestName(client.name, key), print_of_it, facts_of(request)), attempted)
    headers = {REPLAYED: "true"} if answered.replayed else None
    return Response(answered.body, headers=headers, media_type="application/json")


class _Completing(Generic[T]):
    """Records the answer with the change."""

    def __init__(self, attempt: Attempt, work: Work[T]) -> None:
        self._attempt = attempt
        self._work = work
        self.done: Done | None = None

    def __call__(self, connection: sa.Connection, result: T, /) -> None:
        self.done = self.make(result)
        self._attempt.record_within(connection, self.done.kept)

    def make(self, result: T) -> Done:
        body = msgspec.json.encode(self._work.view(result))
        return Done(body, kept=body if self._work.answers is Answers.KEPT else None)
