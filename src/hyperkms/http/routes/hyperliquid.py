"""Signing of Hyperliquid actions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Scope
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.request import caller_of, parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import SignActionAnswer, SignActionRequest
from hyperkms.http.views import action_view, answer
from hyperkms.hyperliquid.members import parse_address
from hyperkms.operations.sign import ActionRequest, sign_action
from hyperkms.wallet import Network

router = APIRouter(prefix="/hyperliquid", tags=["hyperliquid"])
Authenticated = Annotated[Client, Depends(client_with(Scope.HYPERLIQUID))]


@router.post("/sign", summary="Sign an action", openapi_extra=documented(SignActionAnswer, SignActionRequest))
async def sign(
    request: Request,
    client: Authenticated,
    body: Annotated[SignActionRequest, Depends(body_of(SignActionRequest, "walletId and action are required"))],
) -> Response:
    """Checked, numbered, signed and written down; the answer can be posted to the exchange as it is."""
    parts = parts_of(request)
    wanted = ActionRequest(
        wallet=wallet_of(request, body.wallet_id),
        action=body.action,
        nonce=body.nonce,
        vault_address=None if body.vault_address is None else parse_address(body.vault_address, "vaultAddress"),
        expires_after=body.expires_after,
        network=Network(body.network) if body.network else None,
    )
    pending = await threads_of(request).sign(sign_action, parts, caller_of(request, client), wanted)
    return answer(action_view(await pending.released()))
