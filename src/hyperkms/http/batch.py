"""Several requests for signatures in one body: each is signed and answered for itself."""

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from hyperkms.access.clients import Client
from hyperkms.access.limits import What
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.http.body import read_struct
from hyperkms.http.facts import Facts
from hyperkms.http.idempotency import Answered, Asked, Attempt, Done, fingerprint
from hyperkms.http.problems import problem_of
from hyperkms.http.signing_table import SigningRoute, Work
from hyperkms.operations.pending import Pending
from hyperkms.operations.sign import Caller
from hyperkms.state.completion import nothing_within
from hyperkms.state.requests import RequestName

if TYPE_CHECKING:
    from hyperkms.http.signing import SigningRoutes

SLICE = 16
"""After so many signatures the event loop serves others: a batch of 200 would hold it for a hundredth of a second."""
_PLAN = '{"kind":"batch"}'
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Batch:
    """A body of several requests, and whose it is."""

    client: Client
    facts: Facts
    raw: bytes
    key: str | None
    """Its Idempotency-Key; each of its requests is then repeated under that key and its place."""


async def answer_batch(routes: "SigningRoutes", route: SigningRoute, batch: Batch) -> Answered:
    """The answer. A body that is malformed anywhere is refused as a whole, before anything is signed.

    The limit is taken for all of them, or for none. Without a key they are signed in their order.
    """
    body: Any = await read_struct(batch.raw, route.body, route.required)
    routes.parts.limits.take(batch.client.number, What.SIGN, len(body.requests))
    if batch.key is None:
        return Answered(await _all(routes, route, batch, body.requests), replayed=False)
    name = RequestName(batch.client.name, batch.key)
    asked = Asked(name, fingerprint(route.path, batch.raw), batch.facts)

    async def attempted(attempt: Attempt) -> Done:
        # From here on the key stands for this batch; what a crash leaves of it is resumed one by one.
        if attempt.plan is None:
            await attempt.reserve(_PLAN, nothing_within)
        made = await _all_once(routes, route, replace(batch, facts=asked.facts), body.requests)
        return Done(made, kept=made)

    return await routes.once.answer(asked, attempted)


async def _all(routes: "SigningRoutes", route: SigningRoute, batch: Batch, bodies: list[msgspec.Struct]) -> bytes:
    caller = Caller(batch.client, batch.facts.request_id)
    begun: list[tuple[Work, Pending[Any]] | HyperkmsError] = []
    for number, body in enumerate(bodies):
        if number and number % SLICE == 0:
            await asyncio.sleep(0)
        try:
            work = route.work(body)
            begun.append((work, await routes.begin(work, caller)))
        except HyperkmsError as error:
            begun.append(error)
    return _answer([await _released(batch, entry) for entry in begun])


async def _released(batch: Batch, entry: tuple[Work, Pending[Any]] | HyperkmsError) -> msgspec.Raw:
    if isinstance(entry, HyperkmsError):
        return _refused(batch, entry)
    work, pending = entry
    try:
        return msgspec.Raw(_encode(work.view(await pending.released())))
    except HyperkmsError as error:
        return _refused(batch, error)


async def _all_once(routes: "SigningRoutes", route: SigningRoute, batch: Batch, bodies: list[msgspec.Struct]) -> bytes:
    """Each under the key and its place; a space is in no key that is sent.

    Unavailable if one of them is: it would be kept as the answer to a request that may yet be signed. Whoever
    repeats the batch is answered what was signed already, and the rest is done.
    """

    async def once(number: int, body: msgspec.Struct) -> msgspec.Raw:
        name = RequestName(batch.client.name, f"{batch.key} {number}")
        facts = Facts(request_id=batch.facts.request_id, client=batch.client.name)
        asked = Asked(name, fingerprint(route.path, batch.raw), facts)

        async def read() -> msgspec.Struct:
            return body

        try:
            return msgspec.Raw((await routes.sign_once(asked, route, batch.client, read)).body)
        except Unavailable:
            raise
        except HyperkmsError as error:
            return _refused(batch, error)

    every = [once(number, body) for number, body in enumerate(bodies)]
    results = await asyncio.gather(*every, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return _answer([result for result in results if isinstance(result, msgspec.Raw)])


def _answer(results: list[msgspec.Raw]) -> bytes:
    return _encode({"success": True, "results": results})


def _refused(batch: Batch, error: HyperkmsError) -> msgspec.Raw:
    made = problem_of(error, batch.facts.request_id)
    return msgspec.Raw(_encode({"success": False, "problem": msgspec.Raw(made.body)}))
