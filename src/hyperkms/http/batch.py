"""Several requests for signatures in one body: each is signed and answered for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from hyperkms.access.clients import Client
from hyperkms.access.limits import What
from hyperkms.errors import HyperkmsError, Malformed, Unauthorized, Unavailable
from hyperkms.http.body import read_struct
from hyperkms.http.facts import Facts
from hyperkms.http.idempotency import Answered, Asked, Attempt, Done, fingerprint
from hyperkms.http.limiting import take_limit
from hyperkms.http.problems import problem_of
from hyperkms.http.quick_body import read_quickly
from hyperkms.http.signing_table import SigningRoute, View
from hyperkms.operations.caller import Caller
from hyperkms.operations.pending import Pending
from hyperkms.operations.refusals import decided
from hyperkms.state.completion import nothing_within
from hyperkms.state.request_rows import IN_PROGRESS, RequestName
from hyperkms.state.waiting import MustWait, without_waiting

if TYPE_CHECKING:
    from hyperkms.http.signing import SigningRoutes

SLICE = 25
"""After so many signatures the event loop serves others: these hold it for about a millisecond."""
MOST_ELSEWHERE = 50
"""Of the requests in a batch: each is several round trips to cosigners, or one to AWS KMS, one after another."""
Begun: TypeAlias = tuple[View, Pending[Any]] | HyperkmsError
_WITHOUT_WAITING = without_waiting()
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
    caller: Callable[[], Awaitable[Caller]]
    """Unauthorized once its key is not in force any more: a batch takes time, and a client may be revoked meanwhile."""


async def answer_batch(routes: "SigningRoutes", route: SigningRoute, batch: Batch) -> Answered:
    """The answer. A body that is malformed anywhere is refused as a whole, before anything is signed.

    The limit is taken for all of them, or for none. Without a key they are signed in their order.
    """
    body: Any = read_quickly(batch.raw, route.body) or await read_struct(batch.raw, route.body, route.required)
    await _require_few_elsewhere(routes, body.requests)
    await take_limit(routes.parts, routes.threads.sign, batch.client, What.SIGN, len(body.requests))
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


async def _require_few_elsewhere(routes: "SigningRoutes", bodies: Sequence[Any]) -> None:
    """Malformed for so many signatures that are made elsewhere that whoever sent them would give up before the last."""
    parts = routes.parts
    if len(bodies) <= MOST_ELSEWHERE or (parts.in_shares is None and parts.native is None):
        return

    def count() -> int:
        names = [body.wallet_id for body in bodies]
        elsewhere = {name for name in set(names) if (found := parts.wallets.find(name)) and found.signs_elsewhere}
        return sum(name in elsewhere for name in names)

    found = await asyncio.to_thread(count)
    if found > MOST_ELSEWHERE:
        words = f"{found} are for wallets in shares or in AWS KMS, of which a batch takes at most {MOST_ELSEWHERE}"
        raise Malformed.at("requests", words, "batch-too-large")


async def _all(routes: "SigningRoutes", route: SigningRoute, batch: Batch, bodies: list[msgspec.Struct]) -> bytes:
    """Slice after slice, each while the client is in force; from then on every request is refused."""
    begun: list[Begun] = []
    try:
        for start in range(0, len(bodies), SLICE):
            await asyncio.sleep(0)
            caller = msgspec.structs.replace(await batch.caller(), position=start)
            begun += await _begin(routes, route, caller, bodies[start : start + SLICE])
    except Unauthorized as revoked:
        begun += [revoked] * (len(bodies) - len(begun))
    for entry in begun:
        if not isinstance(entry, HyperkmsError) and not entry[1].settled:
            await entry[1].settling()
    return _answer([_shown(batch, entry) for entry in begun])


async def _begin(
    routes: "SigningRoutes", route: SigningRoute, caller: Caller, bodies: list[msgspec.Struct]
) -> list[Begun]:
    """Each in its order, here as long as nothing would wait; what would is begun in a thread.

    The caller's position is that of the first.
    """
    begun = _begin_here(routes, route, caller, bodies)
    while len(begun) < len(bodies):
        at = msgspec.structs.replace(caller, position=caller.position + len(begun))
        begun.append(await _begin_in_a_thread(routes, route, at, bodies[len(begun)]))
        begun += _begin_here(routes, route, caller, bodies[len(begun) :])
    return begun


def _begin_here(
    routes: "SigningRoutes", route: SigningRoute, caller: Caller, bodies: list[msgspec.Struct]
) -> list[Begun]:
    """The first of them, up to one that would wait."""
    parts, begun = routes.turn().parts, list[Begun]()
    with _WITHOUT_WAITING:
        for body in bodies:
            try:
                work = route.work(body)
                begun.append((work.view, decided(parts, caller, route.kind, work)))
            except MustWait:
                break
            except HyperkmsError as error:
                begun.append(error)
    return begun


async def _begin_in_a_thread(
    routes: "SigningRoutes", route: SigningRoute, caller: Caller, body: msgspec.Struct
) -> Begun:
    try:
        work = route.work(body)
        return work.view, await routes.begin_in_a_thread(route, work, caller)
    except HyperkmsError as error:
        return error


def _shown(batch: Batch, entry: Begun) -> msgspec.Struct | msgspec.Raw:
    if isinstance(entry, HyperkmsError):
        return _refused(batch, entry)
    view, pending = entry
    try:
        return view(pending.now())
    except HyperkmsError as error:
        return _refused(batch, error)


async def _all_once(routes: "SigningRoutes", route: SigningRoute, batch: Batch, bodies: list[msgspec.Struct]) -> bytes:
    """Each under the key and its place; a space is in no key that is sent.

    Unavailable if one of them is, Unauthorized if the client was revoked before all were settled: it would be kept as
    the answer to a request that may yet be signed. Whoever repeats the batch is answered what was signed already, and
    the rest is done.
    """

    async def once(number: int, body: msgspec.Struct) -> msgspec.Raw:
        name = RequestName(batch.client.name, f"{batch.key} {number}")
        facts = Facts(request_id=batch.facts.request_id, client=batch.client.name)
        asked = Asked(name, fingerprint(route.path, batch.raw), facts)

        async def read() -> tuple[Caller, msgspec.Struct]:
            return msgspec.structs.replace(await batch.caller(), position=number), body

        try:
            return msgspec.Raw((await routes.sign_once(asked, route, read)).body)
        except (Unauthorized, Unavailable):
            raise
        except HyperkmsError as error:
            if error.code == IN_PROGRESS:  # another worker has signed it, and its row is still to come
                raise
            return _refused(batch, error)

    every = [once(number, body) for number, body in enumerate(bodies)]
    results = await asyncio.gather(*every, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return _answer([result for result in results if isinstance(result, msgspec.Raw)])


def _answer(results: Sequence[msgspec.Struct | msgspec.Raw]) -> bytes:
    return _encode({"success": True, "results": results})


def _refused(batch: Batch, error: HyperkmsError) -> msgspec.Raw:
    made = problem_of(error, batch.facts.request_id)
    return msgspec.Raw(_encode({"success": False, "problem": msgspec.Raw(made.body)}))
