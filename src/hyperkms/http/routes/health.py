"""Open without a key: is it alive, can it sign."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hyperkms.http.request import parts_of
from hyperkms.http.routes.documented import open_route
from hyperkms.operations.readiness import require_ready

router = APIRouter(tags=["health"])


@router.get("/health", summary="Whether the process is alive")
async def health() -> dict[str, str]:
    """Always 200 while the process answers."""
    return {"status": "ok", "service": "hyperliquid-kms"}


@router.get("/ready", summary="Whether it can sign", openapi_extra=open_route("500", "503"))
def ready(request: Request) -> JSONResponse:
    """200 when records and the database can be written and the secret arena stands; else 503."""
    parts = parts_of(request)
    require_ready(parts)
    workers = parts.metrics.workers.strength()
    return JSONResponse({"status": "ready", "workers": {"wanted": workers.wanted, "running": workers.running}})
