"""What is known of wallets; no key is touched."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.http.answers import answer
from hyperkms.http.auth import client_with
from hyperkms.http.life_views import history_view, version_view
from hyperkms.http.request import Named, parts_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.schemas import HistoryAnswer, PublicKeyAnswer, VersionsAnswer, WalletAnswer, WalletsAnswer
from hyperkms.http.views import wallet_view
from hyperkms.operations.permission import history_for, wallet_for
from hyperkms.state.which import Which

router = APIRouter(prefix="/wallets", tags=["wallets"])
Reader = Annotated[Client, Depends(client_with(Operation.READ, limit=What.READ))]
MAX_PAGE = 1000
AFTER = "^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$"
"""A wallet id or nothing: PostgreSQL takes no NUL in a text."""


@router.get("/{wallet_id}/public-key", summary="A wallet's public key", openapi_extra=documented(PublicKeyAnswer))
def public_key(request: Request, wallet_id: Named, client: Reader) -> Response:
    """Read from the record; no key is touched."""
    wallet = wallet_for(parts_of(request), client, wallet_of(request, wallet_id), Operation.READ)
    return answer(
        PublicKeyAnswer(
            success=True,
            wallet_id=wallet.id,
            public_key=wallet.public_key_text,
            key_type=wallet.key_type.value,
            address=wallet.address,
        )
    )


@router.get("/{wallet_id}/rotation-history", summary="Versions and rotations", openapi_extra=documented(HistoryAnswer))
def rotation_history(request: Request, wallet_id: Named, client: Reader) -> Response:
    """In the first system's form; `status` is pending, active, retiring or retired."""
    history = history_for(parts_of(request), client, wallet_of(request, wallet_id), Operation.READ)
    return answer(HistoryAnswer(success=True, wallet_id=history.wallet.id, history=history_view(history)))


@router.get("/{wallet_id}/versions", summary="A wallet's key versions", openapi_extra=documented(VersionsAnswer))
def list_versions(request: Request, wallet_id: Named, client: Reader) -> Response:
    """All of them, in order of number, retired ones included."""
    history = history_for(parts_of(request), client, wallet_of(request, wallet_id), Operation.READ)
    return answer(
        VersionsAnswer(
            success=True,
            wallet_id=history.wallet.id,
            current_version=history.wallet.current.number,
            versions=[version_view(version) for version in history.versions],
        )
    )


@router.get("/{wallet_id}", summary="One wallet", openapi_extra=documented(WalletAnswer))
def one_wallet(request: Request, wallet_id: Named, client: Reader) -> Response:
    """Also of a retired one: `retiredAt` is there then."""
    wallet = wallet_for(parts_of(request), client, wallet_of(request, wallet_id), Operation.READ)
    return answer(WalletAnswer(success=True, wallet=wallet_view(wallet)))


@router.get("", summary="List wallets", openapi_extra=documented(WalletsAnswer))
def list_wallets(
    request: Request,
    client: Reader,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Wallets a page.")] = MAX_PAGE,
    after: Annotated[str, Query(pattern=AFTER, description="The `next` of the page before.")] = "",
    state: Annotated[Literal["live", "retired", "all"], Query(description="Which wallets.")] = "live",
) -> Response:
    """Those of the client, in byte order of the id; `next` is there while more follow, `total` counts all.

    Retired wallets are there with `state=all` or `state=retired`, and have `retiredAt`.
    """
    parts = parts_of(request)
    which = Which(state)
    page = parts.wallets.page(after=after, limit=limit + 1, which=which, among=client.wallets_for(Operation.READ))
    shown = [wallet_view(wallet) for wallet in page[:limit]]
    following = shown[-1].wallet_id if len(page) > limit else None
    total = parts.wallets.count(which, among=client.wallets_for(Operation.READ))
    return answer(WalletsAnswer(success=True, wallets=shown, count=len(shown), total=total, next=following))
