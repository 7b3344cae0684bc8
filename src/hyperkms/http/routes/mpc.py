"""The first system's MPC routes, while threshold signing is off."""

from typing import Annotated

from fastapi import APIRouter, Depends

from hyperkms.access.clients import Client
from hyperkms.errors import Malformed
from hyperkms.http.auth import client_with
from hyperkms.http.routes.documented import always_refused

router = APIRouter(prefix="/mpc", tags=["mpc"])
_WORDS = "MPC is not enabled. Set MPC_ENABLED=true in .env"
_OFF = always_refused(_WORDS)
Authenticated = Annotated[Client, Depends(client_with())]


@router.get("/status", summary="Whether threshold signing is on")
async def status() -> dict[str, object]:
    """Open without a key; the values are text, as in the first system."""
    return {
        "mpcEnabled": False,
        "threshold": "2",
        "totalShares": "3",
        "algorithm": "none",
        "description": "Threshold signing is off: wallets have single keys",
    }


@router.get("/wallets/{wallet_id}/public-key", summary="Off in this release", openapi_extra=_OFF)
async def public_key(wallet_id: str, _client: Authenticated) -> None:  # noqa: ARG001 (part of the path)
    """400 while threshold signing is off."""
    raise _off()


async def _refuse(_client: Authenticated) -> None:
    raise _off()


for _name in ("generate", "sign", "sign-order", "rotate"):
    router.add_api_route(
        f"/wallets/{_name}",
        _refuse,
        methods=["POST"],
        summary="Off in this release",
        name=f"mpc-{_name}",
        openapi_extra=_OFF,
    )


def _off() -> Malformed:
    return Malformed("mpc-disabled", _WORDS)
