"""New key versions of a wallet."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.life_views import migrated_view, rotation_view
from hyperkms.http.once import Work, respond
from hyperkms.http.request import Named, actor_of, parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import ActivateRequest, MigrateAnswer, MigrateRequest, RotateAnswer, RotateRequest
from hyperkms.operations import rotate
from hyperkms.operations.activate import Rotated, activate
from hyperkms.operations.import_first_system import migrate
from hyperkms.operations.parts import Parts

router = APIRouter(prefix="/wallets", tags=["wallets"])
Rotator = Annotated[Client, Depends(client_with(Operation.ROTATE, limit=What.ROTATE))]
Activator = Annotated[Client, Depends(client_with(Operation.ROTATE, limit=What.ADMINISTER))]
Migrator = Annotated[Client, Depends(client_with(Operation.MIGRATE, limit=What.MIGRATE))]


@router.post("/rotate", summary="Make a new key version", openapi_extra=documented(RotateAnswer, RotateRequest))
async def rotate_wallet(
    request: Request,
    client: Rotator,
    body: Annotated[RotateRequest, Depends(body_of(RotateRequest, "walletId is required"))],
) -> Response:
    """Ed25519: current at once. secp256k1: pending, until the exchange knows its address and it is activated.

    The version before it signs for who names it, until its grace ends. Of several calls at once one wins,
    and the others are answered 409 `wallet-changed`. While a version is pending, it is the answer.
    """
    parts, wallet = parts_of(request), wallet_of(request, body.wallet_id)
    client.require_wallet(wallet, Operation.ROTATE)
    wanted = rotate.RotateRequest(wallet=wallet, reason=body.reason, activate=body.activate)
    run = partial(threads_of(request).make, rotate.rotate, parts, actor_of(request, client), wanted)
    return await respond(request, client, Work(run, partial(_rotated_view, parts)))


@router.post(
    "/{wallet_id}/activate", summary="Use the pending version", openapi_extra=documented(RotateAnswer, ActivateRequest)
)
async def activate_version(
    request: Request,
    wallet_id: Named,
    client: Activator,
    body: Annotated[ActivateRequest, Depends(body_of(ActivateRequest, "version is required"))],
) -> Response:
    """It is the current one from now on, and the one before it is in grace."""
    parts, wallet = parts_of(request), wallet_of(request, wallet_id)
    client.require_wallet(wallet, Operation.ROTATE)
    actor, make = actor_of(request, client), threads_of(request).make
    run = partial(make, activate, parts, actor, wallet, body.version, reason=body.reason)
    return await respond(request, client, Work(run, partial(_rotated_view, parts)))


@router.post(
    "/migrate", summary="Import from the first system", openapi_extra=documented(MigrateAnswer, MigrateRequest)
)
async def migrate_wallet(
    request: Request,
    client: Migrator,
    body: Annotated[MigrateRequest, Depends(body_of(MigrateRequest, "walletId is required"))],
) -> Response:
    """The first system made a wallet versioned by this call; here every wallet is, from the start.

    A wallet that is not here, and that the first system has in AWS, is imported with its versions; nothing of the first
    system is changed.
    """
    wallet = wallet_of(request, body.wallet_id)
    client.require_wallet(wallet, Operation.MIGRATE)
    run = partial(threads_of(request).make, migrate, parts_of(request), actor_of(request, client), wallet)
    return await respond(request, client, Work(run, migrated_view))


def _rotated_view(parts: Parts, rotated: Rotated) -> RotateAnswer:
    return RotateAnswer(success=True, rotation=rotation_view(rotated, parts.lifetimes))
