"""Authentication of a request: `X-API-Key`, or `Authorization: Bearer`."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hyperkms.access.clients import Client, Scope
from hyperkms.http.facts import facts_of
from hyperkms.operations.parts import Parts

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


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
        client.require(scope)
        return client

    return authenticate
