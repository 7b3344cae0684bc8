"""Authentication of a request: `X-API-Key`, or `Authorization: Bearer`."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hyperkms.access.clients import Client, Scope
from hyperkms.errors import Malformed
from hyperkms.http.facts import facts_of
from hyperkms.http.request import parts_of

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


def _refuse_idempotency(request: Request) -> None:
    if "idempotency-key" in request.headers:
        words = (
            "Idempotency-Key is not honoured by this release, and to ignore it would break its promise; leave it out"
        )
        raise Malformed("idempotency-not-available", words)


def sent_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The API key of a request: X-API-Key, else Authorization: Bearer."""
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1")
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].decode("latin-1")
    return bearer


def client_with(scope: Scope) -> Callable[..., Awaitable[Client]]:
    """A dependency that answers the client; Unauthorized without a valid key, Forbidden without the scope."""

    async def authenticate(
        request: Request,
        key: Annotated[str | None, Depends(_KEY)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Client:
        parts = parts_of(request)
        sent = key or (bearer.credentials if bearer else None)
        # Known keys need no thread, so they are told apart even while every thread waits.
        client = parts.clients.known(sent)
        if client is None:
            client = await run_in_threadpool(parts.clients.authenticate, sent)
        facts_of(request).client = client.name
        _refuse_idempotency(request)
        client.require(scope)
        return client

    return authenticate
