"""Making and retiring wallets."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.life_views import retired_view
from hyperkms.http.once import Work, respond, uncompleted
from hyperkms.http.request import Named, actor_of, parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import GenerateAnswer, GenerateRequest, RetireAnswer, RetireRequest
from hyperkms.http.views import wallet_view
from hyperkms.http.wishes import new_wallet, note_on
from hyperkms.operations import retire
from hyperkms.operations.generate_native import generate_by_custody
from hyperkms.wallet import Wallet
from hyperkms.wallet_life import KeyFate

router = APIRouter(prefix="/wallets", tags=["wallets"])
Maker = Annotated[Client, Depends(client_with(Operation.GENERATE, limit=What.GENERATE))]
Retirer = Annotated[Client, Depends(client_with(Operation.RETIRE, limit=What.ADMINISTER))]


@router.post("/generate", summary="Make a wallet", openapi_extra=documented(GenerateAnswer, GenerateRequest))
async def generate_wallet(
    request: Request,
    client: Maker,
    body: Annotated[GenerateRequest, Depends(body_of(GenerateRequest, "walletId is required"))],
) -> Response:
    """A new key under a new id: create-only, atomic, durable. An id that exists is answered 409."""
    parts, wanted = parts_of(request), new_wallet(request, client, body)

    def view(wallet: Wallet) -> GenerateAnswer:
        return GenerateAnswer(success=True, wallet=wallet_view(wallet), note=note_on(wallet, body))

    run = partial(threads_of(request).make, generate_by_custody, parts, actor_of(request, client), wanted)
    return await respond(request, client, Work(run, view))


@router.post(
    "/{wallet_id}/retire", summary="Retire a wallet or a version", openapi_extra=documented(RetireAnswer, RetireRequest)
)
async def retire_wallet(
    request: Request,
    wallet_id: Named,
    client: Retirer,
    body: Annotated[RetireRequest, Depends(body_of(RetireRequest, "an object is due"))],
) -> Response:
    """For ever. A wallet stops signing at once, and its keys are destroyed at the end of a last grace, or now.

    A version that is named is destroyed now; the current one cannot be. The id stays taken and an address
    is never used again.
    """
    wallet = wallet_of(request, wallet_id)
    client.require_wallet(wallet, Operation.RETIRE)
    wanted = retire.RetireRequest(
        wallet=wallet,
        version=body.version,
        reason=body.reason,
        fate=KeyFate.AT_ONCE if body.destroy else KeyFate.AFTER_GRACE,
    )
    make, parts, actor = threads_of(request).make, parts_of(request), actor_of(request, client)
    run = uncompleted(lambda: make(retire.retire, parts, actor, wanted))  # retired again, it answers the same
    return await respond(request, client, Work(run, lambda done: retired_view(done, wallet_view(done.history.wallet))))
