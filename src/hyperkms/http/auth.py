"""Authentication of a request: `X-API-Key`, or `Authorization: Bearer`."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hyperkms.access.clients import Client, Scope
from hyperkms.errors import Malformed
from hyperkms.http.facts import facts_of
from hyperkms.operations.parts import Parts

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


def _refuse_idempotency(request: Request) -> None:
    if "idempotency-key" in request.headers:
        words = (
            "Idempotency-Key is not honoured by this release, and to ignore it would break its promise; leave it out"
        )
        raise Malformed("idempotency-not-available", words)


def client_with(scope: Scope) -> Callable[..., Client]:
    """A dependency that answers the client; Unauthorized without a valid key, Forbidden without the scope."""

    def authenticate(
        request: Request,
        key: Annotated[str | None, Depends(_KEY)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Client:
        parts: Parts = request.app.state.parts
        client = parts.clients.authenticate(key or (bearer.credentials if bearer else None))
        facts_of(request).client = client.name
        _refuse_idempotency(request)
        client.require(scope)
        return client

    return authenticate
