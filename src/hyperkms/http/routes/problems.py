"""What the codes of refusals mean: open without a key, for people and for programs."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from hyperkms.errors import NotFound
from hyperkms.http.problem_page import HTML_HEADERS, list_page, one_page
from hyperkms.http.problems import status_of
from hyperkms.http.routes.documented import described
from hyperkms.http.schemas import ProblemDescription, ProblemsAnswer
from hyperkms.problem_table import PROBLEMS, SITUATIONS, Problem, situation_of

router = APIRouter(prefix="/problems", tags=["problems"])
_VARY = {"Vary": "Accept"}


@router.get("", summary="What every code means", openapi_extra=described(ProblemsAnswer))
async def list_problems(request: Request) -> Response:
    """By situation; as a page where the client would rather have HTML than JSON."""
    if _wants_page(request.headers.get("accept", "")):
        return _page(list_page(SITUATIONS, status_of))
    every = [_description(problem) for situation in SITUATIONS for problem in situation.problems]
    return _json(ProblemsAnswer(problems=every, count=len(every)))


@router.get("/{code}", summary="What a code means", openapi_extra=described(ProblemDescription, "404"))
async def one_problem(request: Request, code: str) -> Response:
    """Title, cause, next step, and whether to try again; the `type` of a refusal leads here."""
    found = PROBLEMS.get(code)
    if found is None:
        raise NotFound("unknown-problem", "This release has no such code; /problems lists those it has.")
    if _wants_page(request.headers.get("accept", "")):
        return _page(one_page(found, situation_of(code), status_of(found)))
    return _json(_description(found))


def _description(problem: Problem) -> ProblemDescription:
    situation = situation_of(problem.code)
    return ProblemDescription(
        type=f"/problems/{problem.code}",
        code=problem.code,
        title=problem.title,
        status=status_of(problem),
        situation=situation.title,
        cause=problem.cause,
        next_step=problem.next_step,
        retry=problem.retry.value,
        shown_by=problem.shown_by or situation.shown_by,
    )


def _json(body: Any) -> Response:
    return Response(msgspec.json.encode(body), headers=_VARY, media_type="application/json")


def _page(text: str) -> Response:
    return Response(text, headers={**_VARY, **HTML_HEADERS}, media_type="text/html")


def _wants_page(accept: str) -> bool:
    """Whether HTML is preferred to JSON (RFC 9110 section 12.5.1); who does not say gets JSON."""
    return _quality(accept, "text", "html") > _quality(accept, "application", "json")


def _quality(accept: str, kind: str, subtype: str) -> float:
    """What the most specific range that covers this type says."""
    best = (0, 0.0)
    for one in accept.lower().split(","):
        media, *parameters = (part.strip() for part in one.split(";"))
        specific = {f"{kind}/{subtype}": 3, f"{kind}/*": 2, "*/*": 1}.get(media, 0)
        if specific > best[0]:
            best = (specific, _weight(parameters))
    return best[1]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
