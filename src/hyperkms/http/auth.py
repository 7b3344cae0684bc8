"""Authentication of a request: `X-API-Key`, `Authorization: Bearer`, or `Hyperkms-Signature`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from hyperkms.access.api_keys import Loading, unauthorized
from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.access.signed_requests import invalid_signature
from hyperkms.errors import Forbidden, Unauthorized
from hyperkms.http.facts import facts_of
from hyperkms.http.limiting import take_limit
from hyperkms.http.request import parts_of
from hyperkms.http.signed import HEADER, SIGNED, InThread, SignedRequest, sent_key
from hyperkms.operations.parts import Parts

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)
_SIGNATURE = APIKeyHeader(
    name=HEADER.decode().title(),
    scheme_name="RequestSignature",
    description="Ed25519 over the request by a key of the client's; docs/formats.md says how, hyperkms.client does it.",
    auto_error=False,
)


async def authenticate(parts: Parts, scope: Scope, in_thread: InThread) -> Client:
    """The client of an ASGI request; Unauthorized without a key that is in force, or a signature by one.

    A thread is needed only after clients have changed; every other request is told apart at once, also
    while every thread is busy.
    """
    try:
        return await require_in_force(parts, scope, in_thread)
    except Unauthorized:
        # Whoever has a key that is in force is not held up by others at the same address.
        parts.limits.failed(_address_of(scope))
        raise


async def require_in_force(parts: Parts, scope: Scope, in_thread: InThread) -> Client:
    """The same for who has authenticated before: it is counted as no attempt."""
    client = await _client(parts, scope, in_thread)
    if client is None:
        raise invalid_signature() if SIGNED in scope else unauthorized()
    return client


def require_network(client: Client, scope: Scope) -> None:
    """Forbidden if the client may not ask from where this comes."""
    networks = client.networks
    if networks is None or networks.has(scope["client"][0] if scope.get("client") else None):
        return
    words = f"client {client.name} may not ask from {_address_of(scope)}; it may from: {', '.join(networks.words())}"
    raise Forbidden("address-not-allowed", words)


async def _client(parts: Parts, scope: Scope, in_thread: InThread) -> Client | None:
    signed = scope.get(SIGNED)
    if isinstance(signed, SignedRequest):
        return await signed.client(parts, in_thread)
    key = sent_key(scope["headers"])
    client = parts.api_keys.known(key)
    if isinstance(client, Loading) or (client is None and parts.requests.are_shared):
        try:
            client = await in_thread(parts.api_keys.authenticate, key)
        except Unauthorized:
            return None
    return client


def _address_of(scope: Scope) -> str:
    """Who is at the other end of the connection; a Unix socket has no address, and one limit."""
    return scope["client"][0] if scope.get("client") else "unix"


def client_with(
    *operations: Operation, limit: What | None = None, everywhere: Operation | None = None
) -> Callable[..., Awaitable[Client]]:
    """A dependency that answers the client; Unauthorized without a valid key, Forbidden without one of these.

    Limited when the client asks for too much of what `limit` counts. `everywhere` is an operation that shows something
    of every wallet: a grant for some is not enough.
    What depends on the wallet is checked where the wallet is found (operations/permission.py).
    """

    async def authenticated(
        request: Request,
        _key: Annotated[str | None, Depends(_KEY)],
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        _signature: Annotated[str | None, Depends(_SIGNATURE)],
    ) -> Client:
        client = await authenticate(parts_of(request), request.scope, run_in_threadpool)
        require_network(client, request.scope)
        facts_of(request).client = client.name
        request.state.client = client
        if operations:
            client.require(*operations)
        if everywhere is not None:
            client.require_everywhere(everywhere)
        if limit is not None:
            await take_limit(parts_of(request), run_in_threadpool, client, limit)
        return client

    return authenticated
