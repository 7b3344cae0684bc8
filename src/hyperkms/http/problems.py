"""Errors as RFC 9457 problem documents; the only place that knows status codes."""

import msgspec
from starlette.responses import Response

from hyperkms.errors import (
    Conflict,
    Forbidden,
    HyperkmsError,
    Malformed,
    NotFound,
    Refused,
    Tampered,
    Unauthorized,
    Unavailable,
)

_STATUS: dict[type[HyperkmsError], tuple[int, str]] = {
    Malformed: (400, "Bad Request"),
    Unauthorized: (401, "Unauthorized"),
    Forbidden: (403, "Forbidden"),
    Refused: (403, "Refused"),
    NotFound: (404, "Not Found"),
    Conflict: (409, "Conflict"),
    Unavailable: (503, "Service Unavailable"),
    Tampered: (500, "Integrity Check Failed"),
}
_TOO_LARGE = "body-too-large"


def problem(error: HyperkmsError, request_id: str) -> Response:
    """The document: type, title, status, detail, code, requestId, and `error` for first-system clients."""
    status, title = _status(error)
    sentence = error.message
    body = {
        "type": f"/problems/{error.code}",
        "title": title,
        "status": status,
        "detail": sentence,
        "code": error.code,
        "requestId": request_id,
        "error": sentence,
        **error.details,
    }
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def too_large(limit: int) -> Malformed:
    """The refusal of a body over the limit."""
    return Malformed(_TOO_LARGE, f"The request body is larger than {limit} bytes.")


def _status(error: HyperkmsError) -> tuple[int, str]:
    if error.code == _TOO_LARGE:
        return 413, "Content Too Large"
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), (500, "Internal Error"))
