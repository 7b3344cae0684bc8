"""What the service has done, for Prometheus."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.http.auth import client_with
from hyperkms.http.metrics_page import metrics_page
from hyperkms.http.request import parts_of
from hyperkms.http.routes.documented import refused
from hyperkms.metrics.samples import CONTENT_TYPE

router = APIRouter(tags=["health"])
_PAGE: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "Prometheus text format 0.0.4; docs/metrics.md lists the names.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **refused("401", "403", "429", "503"),
    }
}


Scraper = Annotated[Client, Depends(client_with(Operation.METRICS, limit=What.READ, everywhere=Operation.METRICS))]


@router.get("/metrics", summary="Counters for Prometheus", openapi_extra=_PAGE)
def metrics(request: Request, _client: Scraper) -> Response:
    """The sum over all workers, whichever of them answers; for a client with the operation `metrics`."""
    return Response(metrics_page(parts_of(request)), headers={"Content-Type": CONTENT_TYPE})
