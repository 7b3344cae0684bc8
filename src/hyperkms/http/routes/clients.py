"""Administration of clients."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from hyperkms.access.administration import Issued
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.client_terms import GRANT_ID_GRAMMAR, parse_grant_id
from hyperkms.access.clients import Client, Operation, parse_client_name
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.limits import What
from hyperkms.http.answers import answer
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.client_schemas import (
    AddKeyRequest,
    ClientAnswer,
    ClientsAnswer,
    CreateClientRequest,
    EndGrantRequest,
    GrantRequest,
    IssuedAnswer,
    RevokeClientRequest,
    RotateClientRequest,
)
from hyperkms.http.client_views import client_view, identity_of, issued_view, new_client, new_grants
from hyperkms.http.once import Answers, Work, respond
from hyperkms.http.request import Named, caller_of, parts_of
from hyperkms.http.routes.documented import documented
from hyperkms.operations.clients import (
    add_client_key,
    create_client,
    end_grant,
    grant,
    list_clients,
    revoke_client,
    rotate_client_key,
    show_client,
)
from hyperkms.operations.parts import Parts

router = APIRouter(prefix="/clients", tags=["clients"])
Administrator = Annotated[Client, Depends(client_with(Operation.ADMINISTER, limit=What.ADMINISTER))]


@router.post("", summary="Make a client", openapi_extra=documented(IssuedAnswer, CreateClientRequest))
async def create(
    request: Request,
    client: Administrator,
    body: Annotated[CreateClientRequest, Depends(body_of(CreateClientRequest, "name is required"))],
) -> Response:
    """`apiKey` is shown in this answer and never again. Without `allow` a bot may do nothing."""
    parts = parts_of(request)
    run = partial(run_in_threadpool, create_client, parts, caller_of(request, client), new_client(body, parts))
    return await respond(request, client, Work(run, partial(_issued_view, parts), _kept(body)))


@router.get("", summary="List clients", openapi_extra=documented(ClientsAnswer))
def list_all(request: Request, client: Administrator) -> Response:
    """All of them, revoked ones included, in the order in which they were made."""
    parts = parts_of(request)
    now = parts.clock()
    views = [client_view(found, now) for found in list_clients(parts, caller_of(request, client))]
    return answer(ClientsAnswer(success=True, clients=views, count=len(views)))


@router.get("/{name}", summary="Show a client", openapi_extra=documented(ClientAnswer))
def show(request: Request, name: Named, client: Administrator) -> Response:
    """Its wallets and operations, and of its keys the public prefixes."""
    parts = parts_of(request)
    found = show_client(parts, caller_of(request, client), parse_client_name(name))
    return answer(_client_answer(parts, found))


@router.post("/{name}/revoke", summary="Revoke a client", openapi_extra=documented(ClientAnswer, RevokeClientRequest))
async def revoke(
    request: Request,
    name: Named,
    client: Administrator,
    _body: Annotated[RevokeClientRequest, Depends(body_of(RevokeClientRequest))],
) -> Response:
    """For ever, with all its keys; they are refused as soon as this is answered."""
    parts = parts_of(request)
    run = partial(run_in_threadpool, revoke_client, parts, caller_of(request, client), parse_client_name(name))
    return await respond(request, client, Work(run, partial(_client_answer, parts)))


@router.post(
    "/{name}/rotate", summary="Give a client a new key", openapi_extra=documented(IssuedAnswer, RotateClientRequest)
)
async def rotate(
    request: Request,
    name: Named,
    client: Administrator,
    body: Annotated[RotateClientRequest, Depends(body_of(RotateClientRequest))],
) -> Response:
    """Its keys until now stay good for `overlapHours` (24); with 0 they end at once."""
    parts = parts_of(request)
    caller = caller_of(request, client)
    named, hours, identity = parse_client_name(name), body.overlap_hours, identity_of(body.public_key)
    run = partial(run_in_threadpool, rotate_client_key, parts, caller, named, overlap_hours=hours, identity=identity)
    return await respond(request, client, Work(run, partial(_issued_view, parts), _kept(body)))


@router.post(
    "/{name}/keys", summary="Add a key that signs requests", openapi_extra=documented(ClientAnswer, AddKeyRequest)
)
async def add_key(
    request: Request,
    name: Named,
    client: Administrator,
    body: Annotated[AddKeyRequest, Depends(body_of(AddKeyRequest, "publicKey is required"))],
) -> Response:
    """Beside the keys that the client has, which stay as good as they were."""
    parts = parts_of(request)
    caller, identity = caller_of(request, client), IdentityKey.parse(body.public_key)
    run = partial(run_in_threadpool, add_client_key, parts, caller, parse_client_name(name), identity=identity)
    return await respond(request, client, Work(run, partial(_client_answer, parts)))


def _kept(body: CreateClientRequest | RotateClientRequest) -> Answers:
    return Answers.SHOWN_ONCE if body.public_key is None else Answers.KEPT


@router.post("/{name}/grants", summary="Grant a bot more", openapi_extra=documented(ClientAnswer, GrantRequest))
async def give(
    request: Request,
    name: Named,
    client: Administrator,
    body: Annotated[GrantRequest, Depends(body_of(GrantRequest, "allow is required"))],
) -> Response:
    """From its next request on."""
    parts = parts_of(request)
    caller, new = caller_of(request, client), new_grants(body, parts)
    run = partial(run_in_threadpool, grant, parts, caller, parse_client_name(name), new)
    return await respond(request, client, Work(run, partial(_client_answer, parts)))


@router.post(
    "/{name}/grants/{grant_id}/end",
    summary="Take a grant back",
    openapi_extra=documented(ClientAnswer, EndGrantRequest),
)
async def take(
    request: Request,
    name: Named,
    grant_id: Annotated[str, Path(json_schema_extra={"pattern": GRANT_ID_GRAMMAR})],
    client: Administrator,
    _body: Annotated[EndGrantRequest, Depends(body_of(EndGrantRequest))],
) -> Response:
    """From its next request on."""
    parts, named, one = parts_of(request), parse_client_name(name), parse_grant_id(grant_id)
    run = partial(run_in_threadpool, end_grant, parts, caller_of(request, client), named, one)
    return await respond(request, client, Work(run, partial(_client_answer, parts)))


def _client_answer(parts: Parts, found: ClientRecord) -> ClientAnswer:
    return ClientAnswer(success=True, client=client_view(found, parts.clock()))


def _issued_view(parts: Parts, issued: Issued) -> IssuedAnswer:
    return issued_view(issued, parts)
