"""What an administrator sees of the whole."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.http.answers import answer
from hyperkms.http.auth import client_with
from hyperkms.http.request import parts_of
from hyperkms.http.routes.documented import documented
from hyperkms.http.status_views import StatusAnswer, status_view
from hyperkms.operations.status import status

router = APIRouter(tags=["health"])
Administrator = Annotated[Client, Depends(client_with(Operation.ADMINISTER))]


@router.get("/status", summary="What there is, and whether it can sign", openapi_extra=documented(StatusAnswer))
def show_status(request: Request, client: Administrator) -> Response:  # noqa: ARG001 (who asks was checked)
    """Counts, versions that wait or are in grace, the last sweep, the record; 200 also while it cannot sign."""
    parts = parts_of(request)
    return answer(status_view(status(parts), parts.mode))
