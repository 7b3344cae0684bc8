"""Request bodies: read within a limit, parsed strictly, converted to their struct."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import get_args

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from hyperkms.errors import Conflict, Malformed
from hyperkms.http.auth import authenticate, require_network
from hyperkms.http.conversion import S, convert
from hyperkms.http.raw_body import read_raw
from hyperkms.http.request import parts_of
from hyperkms.strict_json import parse

SMALL_BODY = 8 * 1024


def body_of(kind: type[S], required: str = "") -> Callable[[Request], Awaitable[S]]:
    """A dependency that answers the request's body as a struct of this kind; see `read_struct`.

    Unauthorized if the key is not in force once the body is there, which may be long after its headers; Conflict if
    its client may other things by then than it was let in for.
    """

    async def read(request: Request) -> S:
        raw = request.state.raw = await read_raw(request.receive)
        now = await authenticate(parts_of(request), request.scope, run_in_threadpool)
        require_network(now, request.scope)
        before = getattr(request.state, "client", now)
        if now.grants != before.grants:
            words = f"what client {now.name} may do was changed while this request arrived: send it again"
            raise Conflict("client-changed", words)
        return await read_struct(raw, kind, required) if raw or _required(kind) else kind()

    return read


async def read_struct(raw: bytes, kind: type[S], required: str) -> S:
    """A body as a struct of this kind.

    `required` is the sentence of the first system for a body that lacks what it needs; those of the
    struct's members that are required are meant, and an empty string counts as missing there.
    """
    # A large body takes milliseconds, in which the loop would answer nobody.
    value = parse(raw) if len(raw) <= SMALL_BODY else await run_in_threadpool(parse, raw)
    if not isinstance(value, dict):
        raise Malformed("malformed-body", "The request body must be a JSON object.")
    for name, may_be_null in _required(kind):
        given = value.get(name, "")
        if given == "" or (given is None and not may_be_null):
            raise Malformed("missing-field", required, {"field": name})
    return convert(value, kind)


@cache
def _required(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """With whether null is one of its values, and not the same as to leave it out."""
    fields = msgspec.structs.fields(kind)
    return tuple((one.encode_name, type(None) in get_args(one.type)) for one in fields if one.required)
