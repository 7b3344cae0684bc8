"""The first system's routes for wallets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.request import parts_of, threads_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import (
    GenerateAnswer,
    GenerateRequest,
    PublicKeyAnswer,
    WalletsAnswer,
)
from hyperkms.http.views import answer, wallet_view
from hyperkms.operations.generate import NewWallet, generate
from hyperkms.operations.permission import wallet_for
from hyperkms.wallet import KeyType, Network

router = APIRouter(prefix="/wallets", tags=["wallets"])
Maker = Annotated[Client, Depends(client_with(Operation.GENERATE))]
Reader = Annotated[Client, Depends(client_with(Operation.READ))]

_NOTE = (
    "This is an ed25519 wallet, as the first system made them. Hyperliquid verifies secp256k1 signatures "
    'only: give "keyType": "secp256k1" for a wallet that trades.'
)
MAX_PAGE = 1000


@router.post("/generate", summary="Make a wallet", openapi_extra=documented(GenerateAnswer, GenerateRequest))
async def generate_wallet(
    request: Request,
    client: Maker,
    body: Annotated[GenerateRequest, Depends(body_of(GenerateRequest, "walletId is required"))],
) -> Response:
    """A new key under a new id: create-only, atomic, durable. An id that exists is answered 409."""
    parts = parts_of(request)
    wallet_id = wallet_of(request, body.wallet_id)
    client.require_new_wallet(wallet_id)
    wanted = NewWallet(
        id=wallet_id,
        key_type=KeyType(body.key_type) if body.key_type else None,
        network=Network(body.network) if body.network else None,
        metadata=body.metadata or {},
    )
    wallet = await threads_of(request).make(generate, parts, wanted)
    note = _NOTE if wallet.key_type is KeyType.ED25519 and body.key_type is None else None
    return answer(GenerateAnswer(success=True, wallet=wallet_view(wallet), note=note))


@router.get("/{wallet_id}/public-key", summary="A wallet's public key", openapi_extra=documented(PublicKeyAnswer))
def public_key(request: Request, wallet_id: str, client: Reader) -> Response:
    """Read from the record; no key is touched."""
    parts = parts_of(request)
    wallet = wallet_for(parts, client, wallet_of(request, wallet_id))
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
    client: Reader,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Wallets a page.")] = MAX_PAGE,
    after: Annotated[str, Query(max_length=64, description="The `next` of the page before.")] = "",
) -> Response:
    """Those of the client, in byte order of the id; `next` is there while more follow, `total` counts all."""
    parts = parts_of(request)
    page = parts.wallets.page(after=after, limit=limit + 1, among=client.wallets)
    shown = [wallet_view(wallet) for wallet in page[:limit]]
    following = shown[-1].wallet_id if len(page) > limit else None
    total = parts.wallets.count(among=client.wallets)
    return answer(WalletsAnswer(success=True, wallets=shown, count=len(shown), total=total, next=following))
