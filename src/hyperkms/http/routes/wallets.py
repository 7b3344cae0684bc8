"""The first system's routes for wallets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Scope
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.request import caller_of, parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import (
    GenerateAnswer,
    GenerateRequest,
    PublicKeyAnswer,
    SignAnswer,
    SignOrderRequest,
    SignRequest,
    WalletsAnswer,
)
from hyperkms.http.views import answer, signed_view, wallet_view
from hyperkms.operations.generate import NewWallet, generate
from hyperkms.operations.sign import sign_message
from hyperkms.operations.sign_order import sign_order
from hyperkms.wallet import KeyType, Network

router = APIRouter(prefix="/wallets", tags=["wallets"])
Authenticated = Annotated[Client, Depends(client_with(Scope.INHERITED))]

_NOTE = (
    "This is an ed25519 wallet, as the first system made them. Hyperliquid verifies secp256k1 signatures "
    'only: give "keyType": "secp256k1" for a wallet that trades.'
)
MAX_PAGE = 1000


@router.post("/generate", summary="Make a wallet", openapi_extra=documented(GenerateAnswer, GenerateRequest))
async def generate_wallet(
    request: Request,
    _client: Authenticated,
    body: Annotated[GenerateRequest, Depends(body_of(GenerateRequest, "walletId is required"))],
) -> Response:
    """A new key under a new id: create-only, atomic, durable. An id that exists is answered 409."""
    parts = parts_of(request)
    wanted = NewWallet(
        id=wallet_of(request, body.wallet_id),
        key_type=KeyType(body.key_type) if body.key_type else None,
        network=Network(body.network) if body.network else None,
        metadata=body.metadata or {},
    )
    wallet = await threads_of(request).make(generate, parts, wanted)
    note = _NOTE if wallet.key_type is KeyType.ED25519 and body.key_type is None else None
    return answer(GenerateAnswer(success=True, wallet=wallet_view(wallet), note=note))


@router.post("/sign", summary="Sign a message", openapi_extra=documented(SignAnswer, SignRequest))
async def sign(
    request: Request,
    client: Authenticated,
    body: Annotated[SignRequest, Depends(body_of(SignRequest, "walletId and message are required"))],
) -> Response:
    """Ed25519: the raw UTF-8 bytes. secp256k1: their EIP-191 form, which no action can have."""
    parts = parts_of(request)
    wallet = wallet_of(request, body.wallet_id)
    pending = await threads_of(request).sign(
        sign_message, parts, caller_of(request, client), wallet, body.message.encode()
    )
    return answer(signed_view(await pending.released()))


@router.post("/sign-order", summary="Sign an order payload", openapi_extra=documented(SignAnswer, SignOrderRequest))
async def sign_order_payload(
    request: Request,
    client: Authenticated,
    body: Annotated[SignOrderRequest, Depends(body_of(SignOrderRequest, "walletId and orderPayload are required"))],
) -> Response:
    """Ed25519: the payload's compact JSON text. secp256k1: a real Hyperliquid order made of it."""
    parts = parts_of(request)
    wallet = wallet_of(request, body.wallet_id)
    pending = await threads_of(request).sign(sign_order, parts, caller_of(request, client), wallet, body.order_payload)
    return answer(signed_view(await pending.released()))


@router.get("/{wallet_id}/public-key", summary="A wallet's public key", openapi_extra=documented(PublicKeyAnswer))
def public_key(request: Request, wallet_id: str, _client: Authenticated) -> Response:
    """Read from the record; no key is touched."""
    parts = parts_of(request)
    wallet = parts.wallets.get(wallet_of(request, wallet_id))
    return answer(
        PublicKeyAnswer(
            success=True,
            wallet_id=wallet.id,
            public_key=wallet.public_key_text,
            key_type=wallet.key_type.value,
            address=wallet.address,
        )
    )


@router.get("", summary="List wallets", openapi_extra=documented(WalletsAnswer))
def list_wallets(
    request: Request,
    _client: Authenticated,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Wallets a page.")] = MAX_PAGE,
    after: Annotated[str, Query(max_length=64, description="The `next` of the page before.")] = "",
) -> Response:
    """In byte order of the id; `next` is there while more follow, `total` counts all."""
    parts = parts_of(request)
    page = parts.wallets.page(after=after, limit=limit + 1)
    shown = [wallet_view(wallet) for wallet in page[:limit]]
    following = shown[-1].wallet_id if len(page) > limit else None
    total = parts.wallets.count()
    return answer(WalletsAnswer(success=True, wallets=shown, count=len(shown), total=total, next=following))
