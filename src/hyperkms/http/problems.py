"""Errors as RFC 9457 problem documents; the only place that knows status codes."""

from collections.abc import Mapping

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
_BY_CODE = {
    "body-too-large": (413, "Content Too Large"),
    "method-not-allowed": (405, "Method Not Allowed"),
}


def problem(error: HyperkmsError, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
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
    if isinstance(error, Unauthorized):
        headers = {"WWW-Authenticate": "Bearer"}
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def too_large(limit: int) -> Malformed:
    """The refusal of a body over the limit."""
    return Malformed("body-too-large", f"The request body is larger than {limit} bytes.")


def _status(error: HyperkmsError) -> tuple[int, str]:
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), (500, "Internal Error"))
