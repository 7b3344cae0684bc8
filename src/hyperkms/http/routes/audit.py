"""The record as an auditor asks for it; nothing here is part of signing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.audit.reading import decisions, pages
from hyperkms.http.answers import answer
from hyperkms.http.audit_schemas import DecisionsAnswer, HeadsAnswer, ProofAnswer
from hyperkms.http.audit_views import decision_view, heads_view, proof_view
from hyperkms.http.auth import client_with
from hyperkms.http.request import parts_of
from hyperkms.http.routes.documented import documented
from hyperkms.operations.audit import heads, proof_of

router = APIRouter(prefix="/audit", tags=["audit"])
Auditor = Annotated[Client, Depends(client_with(Operation.AUDIT, limit=What.READ, everywhere=Operation.AUDIT))]
"""Of records, which come in many small pages."""
Prover = Annotated[Client, Depends(client_with(Operation.AUDIT, limit=What.ADMINISTER, everywhere=Operation.AUDIT))]
"""Of what reads much for one answer."""
LogName = Annotated[str, Query(pattern="^[0-9a-f]{32}$", description="A log id.")]
Index = Annotated[int, Query(ge=0, le=2**53 - 1, description="A line of the log, from 0.")]
Text = Annotated[str | None, Query(max_length=255)]
Moment = Annotated[int | None, Query(ge=0, le=2**53 - 1, description="Milliseconds since 1970.")]


@router.get("/heads", summary="The newest head of each log", openapi_extra=documented(HeadsAnswer))
def show_heads(
    request: Request,
    client: Prover,  # noqa: ARG001 (who asks was checked)
    after: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
) -> Response:
    """As they stand in the files; keep them elsewhere, and a later cut or rewriting of a log can be shown."""
    return answer(heads_view(heads(parts_of(request), after=after)))


@router.get("/proof", summary="Prove a line", openapi_extra=documented(ProofAnswer))
def show_proof(
    request: Request,
    client: Prover,  # noqa: ARG001 (who asks was checked)
    log: LogName,
    index: Index,
) -> Response:
    """That the line stands in its place under the newest head of its log; check it with `hyperkms audit verify`."""
    return answer(proof_view(proof_of(parts_of(request), log, index)))


@router.get("/records", summary="Decisions", openapi_extra=documented(DecisionsAnswer))
def show_records(  # noqa: PLR0913, PLR0917 (what one may ask for)
    request: Request,
    client: Auditor,  # noqa: ARG001 (who asks was checked)
    wallet: Text = None,
    by: Annotated[str | None, Query(alias="client", max_length=255)] = None,
    operation: Text = None,
    request_id: Annotated[str | None, Query(alias="requestId", max_length=255)] = None,
    since: Moment = None,
    until: Moment = None,
    refused: bool | None = None,  # noqa: FBT001 (a parameter of the address)
    log: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    index: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=pages.MOST)] = 100,
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """File by file; each request reads at most 4 MiB, so a page can be short, or empty, and have a `next`."""
    parts = parts_of(request)
    query = decisions.Query(
        wallet=wallet,
        client=by,
        operation=operation,
        request_id=request_id,
        since=since,
        until=until,
        refused=refused,
        log=log,
        index=index,
    )
    found = pages.page(parts.records, query, limit=limit, after=after)
    views = [decision_view(decision) for decision in found.decisions]
    return answer(DecisionsAnswer(success=True, records=views, count=len(views), next=found.next))
