"""Wallets in shares: the first system's MPC routes, and those that it had not. Signing is in `signing_table`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.http.answers import answer
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.life_views import retired_view, rotation_view
from hyperkms.http.mpc_schemas import (
    ConditionsAnswer,
    MpcGenerateAnswer,
    MpcPublicKeyAnswer,
    MpcStatusAnswer,
    RefreshAnswer,
    RefreshRequest,
    ReplaceAnswer,
    ReplaceRequest,
)
from hyperkms.http.mpc_views import conditions_view, mpc_wallet_view, replaced_view, require_own_size, status_view
from hyperkms.http.once import Work, respond, uncompleted
from hyperkms.http.raw_body import read_raw
from hyperkms.http.request import Named, actor_of, parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented, open_answer
from hyperkms.http.schemas import (
    GenerateRequest,
    RetireAnswer,
    RetireRequest,
    RotateAnswer,
    RotateRequest,
)
from hyperkms.http.signing import mpc_disabled
from hyperkms.http.wishes import new_wallet, note_on
from hyperkms.operations import retire, rotate
from hyperkms.operations.activate import Rotated
from hyperkms.operations.generate import generate_in_shares
from hyperkms.operations.in_shares import InShares, require_mpc
from hyperkms.operations.permission import wallet_for
from hyperkms.operations.refresh import Refreshed, refresh
from hyperkms.operations.replace import replace_lost
from hyperkms.wallet import Wallet
from hyperkms.wallet_life import KeyFate

router = APIRouter(prefix="/mpc", tags=["mpc"])


async def _on(request: Request, _client: Annotated[Client, Depends(client_with())]) -> InShares:
    """The cosigners; Malformed in the first system's words where MPC is off, to whoever has a key."""
    here = parts_of(request).in_shares
    if here is None:
        await read_raw(request.receive)  # one that is too large is refused for that, as everywhere
        raise mpc_disabled()
    return here


On = Annotated[InShares, Depends(_on)]
Maker = Annotated[Client, Depends(client_with(Operation.GENERATE, limit=What.GENERATE))]
Rotator = Annotated[Client, Depends(client_with(Operation.ROTATE, limit=What.ROTATE))]
Retirer = Annotated[Client, Depends(client_with(Operation.RETIRE, limit=What.ADMINISTER))]
Reader = Annotated[Client, Depends(client_with(Operation.READ, limit=What.READ))]
Administrator = Annotated[Client, Depends(client_with(Operation.ADMINISTER, limit=What.ADMINISTER))]


@router.get("/status", summary="The cosigners, and who of them answers", openapi_extra=open_answer(MpcStatusAnswer))
async def status(request: Request) -> Response:
    """Open without a key; the first five members are the first system's, whose values are text."""
    return answer(status_view(parts_of(request).in_shares))


@router.post(
    "/wallets/generate", summary="Make a wallet in shares", openapi_extra=documented(MpcGenerateAnswer, GenerateRequest)
)
async def generate_wallet(
    request: Request,
    here: On,
    client: Maker,
    body: Annotated[GenerateRequest, Depends(body_of(GenerateRequest, "walletId is required"))],
) -> Response:
    """All cosigners make the key together; it is nowhere as a whole, now or later. Takes seconds.

    Shown once every cosigner has its share in force and every quorum has made a verified signature with it. An id that
    exists, or that another call is at, is answered 409; what is cut off is finished by whoever asks for the same again.
    """
    parts, wanted = parts_of(request), new_wallet(request, client, body)
    require_own_size(wanted.metadata, here.coordinator.group)

    def view(wallet: Wallet) -> MpcGenerateAnswer:
        return MpcGenerateAnswer(
            success=True, wallet=mpc_wallet_view(wallet, here.coordinator.group), note=note_on(wallet, body)
        )

    run = partial(threads_of(request).make, generate_in_shares, parts, actor_of(request, client), wanted)
    return await respond(request, client, Work(run, view))


@router.get(
    "/wallets/{wallet_id}/public-key",
    summary="The public key of a wallet in shares",
    openapi_extra=documented(MpcPublicKeyAnswer),
)
def public_key(request: Request, wallet_id: Named, _here: On, client: Reader) -> Response:
    """Read from the record; no cosigner is asked. A wallet with a single key is none here: 404."""
    wallet = require_mpc(wallet_for(parts_of(request), client, wallet_of(request, wallet_id), Operation.READ))
    return answer(
        MpcPublicKeyAnswer(
            success=True,
            wallet_id=wallet.id,
            public_key=wallet.public_key_text,
            key_type=wallet.key_type.value,
            address=wallet.address,
            mpc_enabled=True,
        )
    )


@router.post(
    "/wallets/rotate", summary="Make a new key version in shares", openapi_extra=documented(RotateAnswer, RotateRequest)
)
async def rotate_wallet(
    request: Request,
    _here: On,
    client: Rotator,
    body: Annotated[RotateRequest, Depends(body_of(RotateRequest, "walletId is required"))],
) -> Response:
    """As /wallets/rotate: a new key, made by all cosigners. The one before signs until its grace ends."""
    parts, wallet = parts_of(request), wallet_of(request, body.wallet_id)
    client.require_wallet(wallet, Operation.ROTATE)
    wanted = rotate.RotateRequest(wallet=wallet, reason=body.reason, activate=body.activate)
    run = partial(threads_of(request).make, rotate.rotate_mpc, parts, actor_of(request, client), wanted)

    def view(rotated: Rotated) -> RotateAnswer:
        return RotateAnswer(success=True, rotation=rotation_view(rotated, parts.lifetimes))

    return await respond(request, client, Work(run, view))


@router.post(
    "/wallets/{wallet_id}/retire",
    summary="Retire a wallet in shares, or a version",
    openapi_extra=documented(RetireAnswer, RetireRequest),
)
async def retire_wallet(
    request: Request,
    wallet_id: Named,
    here: On,
    client: Retirer,
    body: Annotated[RetireRequest, Depends(body_of(RetireRequest, "an object is due"))],
) -> Response:
    """As /wallets/:id/retire. `destroyedAt` is there once every cosigner has destroyed its share."""
    wallet = wallet_of(request, wallet_id)
    client.require_wallet(wallet, Operation.RETIRE)
    wanted = retire.RetireRequest(
        wallet=wallet,
        version=body.version,
        reason=body.reason,
        fate=KeyFate.AT_ONCE if body.destroy else KeyFate.AFTER_GRACE,
    )
    make, parts, actor = threads_of(request).make, parts_of(request), actor_of(request, client)

    def run_retire() -> retire.Retired:
        require_mpc(parts.wallets.get(wallet))
        return retire.retire(parts, actor, wanted)

    def view(done: retire.Retired) -> RetireAnswer:
        return retired_view(done, mpc_wallet_view(done.history.wallet, here.coordinator.group))

    return await respond(request, client, Work(uncompleted(lambda: make(run_retire)), view))


@router.post(
    "/wallets/{wallet_id}/refresh",
    summary="Make new shares of the same key",
    openapi_extra=documented(RefreshAnswer, RefreshRequest),
)
async def refresh_wallet(
    request: Request,
    wallet_id: Named,
    _here: On,
    client: Administrator,
    body: Annotated[RefreshRequest, Depends(body_of(RefreshRequest, "an object is due"))],
) -> Response:
    """All cosigners make the next epoch and destroy the shares before: what was stolen of those is worth nothing."""
    wallet = wallet_of(request, wallet_id)
    make, parts, actor = threads_of(request).make, parts_of(request), actor_of(request, client)

    def view(done: Refreshed) -> RefreshAnswer:
        return RefreshAnswer(
            success=True,
            wallet_id=done.wallet.id,
            version=done.version.number,
            epoch=done.epoch,
            public_key=done.version.public_key_text,
        )

    run = uncompleted(lambda: make(refresh, parts, actor, wallet, body.version))
    return await respond(request, client, Work(run, view))


@router.get("/cosigners", summary="What each cosigner says of itself", openapi_extra=documented(ConditionsAnswer))
def cosigners(request: Request, here: On, _client: Administrator) -> Response:
    """Asked now: wallets, shares given and refused since its start, whom it has banned, its log, its clock."""
    return answer(conditions_view(here.coordinator.conditions(), now=parts_of(request).clock()))


@router.post(
    "/replace",
    summary="Give a cosigner that took another's place its shares",
    openapi_extra=documented(ReplaceAnswer, ReplaceRequest),
)
async def replace_cosigner(
    request: Request,
    _here: On,
    client: Administrator,
    body: Annotated[ReplaceRequest, Depends(body_of(ReplaceRequest, "an object is due"))],
) -> Response:
    """For each wallet t others make the missing share, then all make the next epoch: what was lost is worth nothing.

    Takes about a second a wallet. What is done already is left as it is; what fails is named, and the rest goes on.
    """
    make, parts, actor = threads_of(request).make, parts_of(request), actor_of(request, client)
    run = uncompleted(lambda: make(replace_lost, parts, actor, body.after or ""))
    return await respond(request, client, Work(run, replaced_view))
