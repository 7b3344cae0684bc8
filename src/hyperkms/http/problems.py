"""Errors as RFC 9457 problem documents; the only place that knows status codes.

What a code means stands in `hyperkms.problem_table`; here its family becomes a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from hyperkms.errors import (
    Conflict,
    Forbidden,
    HyperkmsError,
    Limited,
    Malformed,
    NotFound,
    Refused,
    Tampered,
    Unauthorized,
    Unavailable,
)
from hyperkms.problem_table import PROBLEMS, Retry, situation_of
from hyperkms.problem_table import Problem as Explained

_STATUS: dict[type[HyperkmsError], tuple[int, str]] = {
    Malformed: (400, "Bad Request"),
    Unauthorized: (401, "Unauthorized"),
    Forbidden: (403, "Forbidden"),
    Refused: (403, "Refused"),
    NotFound: (404, "Not Found"),
    Conflict: (409, "Conflict"),
    Limited: (429, "Too Many Requests"),
    Unavailable: (503, "Service Unavailable"),
    Tampered: (500, "Integrity Check Failed"),
}
PROBLEM_TYPE = "application/problem+json"
_BY_CODE = {
    "body-too-large": (413, "Content Too Large"),
    "head-too-large": (431, "Request Header Fields Too Large"),
    "request-timeout": (408, "Request Timeout"),
    "method-not-allowed": (405, "Method Not Allowed"),
}
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

RETRY_AFTER_S = 1
"""What an answer proposes where asking again can help: whatever is away or under way is asked again no sooner."""


@dataclass(frozen=True)
class Problem:
    """An error as it is answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def problem_of(error: HyperkmsError, request_id: str) -> Problem:
    """The document: type, title, status, detail, code, requestId, and `error` for first-system clients."""
    status, title = _status(error.code, type(error))
    listed = PROBLEMS.get(error.code)
    sentence = error.message
    body = {
        "type": f"/problems/{error.code}",
        "title": listed.title if listed else title,
        "status": status,
        "detail": sentence,
        "code": error.code,
        "requestId": request_id,
        "error": sentence,
        **error.details,
    }
    headers: dict[str, str] = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Limited):
        headers = _limit_headers(error)
        body |= {
            "statusCode": status,
            "error": title,
            "message": sentence,
            "retryAfter": _in_words(error.retry_after_s),
        }
    elif _may_succeed(error, listed):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Problem(status, headers, msgspec.json.encode(body))


def problem(error: HyperkmsError, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The same as a response of the framework, with these headers beside its own."""
    made = problem_of(error, request_id)
    return Response(made.body, made.status, {**(headers or {}), **made.headers}, PROBLEM_TYPE)


def _may_succeed(error: HyperkmsError, listed: Explained | None) -> bool:
    """Whether the same request is worth sending again, after a while."""
    if isinstance(error, Unavailable):
        return not (listed and listed.retry is Retry.NO)
    return listed is not None and listed.retry is Retry.AFTER


def _limit_headers(error: Limited) -> dict[str, str]:
    """The names that the first system's limiter used."""
    return {
        "Retry-After": str(error.retry_after_s),
        "X-RateLimit-Limit": str(error.most),
        "X-RateLimit-Remaining": str(error.left),
        "X-RateLimit-Reset": str(error.retry_after_s),
    }


def _in_words(seconds: int) -> str:
    """The same time as in `Retry-After`, as the first system wrote it: `5 minutes`, `1 second`."""
    number, word = next((seconds // size, word) for size, word in _UNITS if seconds % size == 0)
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def too_large(limit: int) -> Malformed:
    """The refusal of a body over the limit."""
    return Malformed("body-too-large", f"The request body is larger than {limit} bytes.")


def method_not_allowed() -> Malformed:
    """The refusal of a method that a route has not."""
    return Malformed("method-not-allowed", "This route has no such method.")


def internal_error(request_id: str) -> HyperkmsError:
    """What a caller hears of an error that nobody expected: its text may repeat input and is shown nowhere."""
    return HyperkmsError("internal-error", f"Something went wrong here; the log has it under {request_id}.")


def status_of(listed: Explained) -> int | None:
    """The status with which this code is answered; None for one that only stops a command."""
    return _status(listed.code, listed.family)[0] if situation_of(listed.code).over_http else None


def _status(code: str, family: type[HyperkmsError]) -> tuple[int, str]:
    if code in _BY_CODE:
        return _BY_CODE[code]
    return next((_STATUS[kind] for kind in family.__mro__ if kind in _STATUS), (500, "Internal Error"))
