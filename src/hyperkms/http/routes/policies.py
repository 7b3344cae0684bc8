"""The policies of wallets."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from hyperkms.access.clients import Client, Operation
from hyperkms.access.limits import What
from hyperkms.access.policy.document import policy_of
from hyperkms.http.answers import answer
from hyperkms.http.auth import client_with
from hyperkms.http.body import body_of
from hyperkms.http.facts import facts_of
from hyperkms.http.once import Work, respond
from hyperkms.http.policy_schemas import (
    ApplyPolicyRequest,
    ChoosePolicyRequest,
    DoubtPolicyAnswer,
    DoubtPolicyRequest,
    ExplainAnswer,
    ExplainRequest,
    PoliciesAnswer,
    PolicyAnswer,
)
from hyperkms.http.policy_views import (
    applied_answer,
    choice_of,
    explain_answer,
    explain_request,
    new_policy,
    policies_answer,
    policy_answer,
)
from hyperkms.http.request import Named, caller_of, parts_of, wallet_of
from hyperkms.http.routes.documented import documented
from hyperkms.operations.explain import explain_action
from hyperkms.operations.policies import apply_policy, choose_policy, doubt_policy, show_policy

router = APIRouter(tags=["policies"])
Reader = Annotated[Client, Depends(client_with(Operation.READ, limit=What.READ))]
Administrator = Annotated[Client, Depends(client_with(Operation.ADMINISTER, limit=What.ADMINISTER))]


@router.get("/wallets/{wallet_id}/policy", summary="Show a wallet's policy", openapi_extra=documented(PoliciesAnswer))
def show(request: Request, wallet_id: Named, client: Reader) -> Response:
    """What decides, what watches in shadow, and every version there ever was."""
    return answer(policies_answer(show_policy(parts_of(request), client, wallet_of(request, wallet_id))))


@router.post(
    "/hyperliquid/explain",
    summary="Say what an action does, and whether it would be signed",
    openapi_extra=documented(ExplainAnswer, ExplainRequest),
)
async def explain(
    request: Request,
    client: Reader,
    body: Annotated[ExplainRequest, Depends(body_of(ExplainRequest, "walletId and action are required"))],
) -> Response:
    """Nothing is numbered, reserved or signed. The verdict is for the client that asks."""
    wanted = explain_request(body)
    facts_of(request).wallet = wanted.wallet
    found = await run_in_threadpool(explain_action, parts_of(request), client, wanted)
    return answer(explain_answer(found))


@router.post(
    "/wallets/{wallet_id}/policy",
    summary="Change a wallet's policy",
    openapi_extra=documented(PolicyAnswer, ApplyPolicyRequest),
)
async def apply(
    request: Request,
    wallet_id: Named,
    client: Administrator,
    body: Annotated[ApplyPolicyRequest, Depends(body_of(ApplyPolicyRequest, "policy is required"))],
) -> Response:
    """It holds, in every process, once this is answered. What holds already is left as it is, and makes no version."""
    new = new_policy(wallet_of(request, wallet_id), body)
    run = partial(run_in_threadpool, apply_policy, parts_of(request), caller_of(request, client), new)
    return await respond(request, client, Work(run, applied_answer))


@router.post(
    "/wallets/{wallet_id}/policy-notes",
    summary="Say what speaks against a policy",
    openapi_extra=documented(DoubtPolicyAnswer, DoubtPolicyRequest),
)
async def doubt(
    request: Request,
    wallet_id: Named,
    client: Reader,
    body: Annotated[DoubtPolicyRequest, Depends(body_of(DoubtPolicyRequest, "policy is required"))],
) -> Response:
    """Before it is applied; nothing is changed."""
    wallet, document = wallet_of(request, wallet_id), policy_of(body.policy)
    notes = await run_in_threadpool(doubt_policy, parts_of(request), client, wallet, document)
    return answer(DoubtPolicyAnswer(success=True, wallet_id=wallet, notes=notes))


@router.post(
    "/wallets/{wallet_id}/policy-version",
    summary="Choose a version of a wallet's policy",
    openapi_extra=documented(PolicyAnswer, ChoosePolicyRequest),
)
async def choose(
    request: Request,
    wallet_id: Named,
    client: Administrator,
    body: Annotated[ChoosePolicyRequest, Depends(body_of(ChoosePolicyRequest, "version is required"))],
) -> Response:
    """An earlier one again, or none: then the built-in trade-only decides."""
    choice = choice_of(wallet_of(request, wallet_id), body)
    run = partial(run_in_threadpool, choose_policy, parts_of(request), caller_of(request, client), choice)
    return await respond(request, client, Work(run, policy_answer))
