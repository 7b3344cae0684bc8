"""What can go wrong between a bot and the service, by what the bot should do.

SigningClientError
├── Misconfigured      URL or API key are missing or malformed: correct the settings
├── NotConnected       no connection came about; nothing was sent
├── NoAnswer           it was sent and no whole answer came: whether it was done is not known
├── UnexpectedAnswer   what answered is not the service: look at the URL, or at what stands before it
├── NotSignable        an adapter was asked to sign something that is no action
└── ServiceError       the service answered with a problem (RFC 9457)
    ├── Malformed          400, 405, 413: correct the request
    ├── Refused            401, 403: the same request will be refused again
    ├── NotFound           404
    ├── Conflict           409: it exists already, or something else came first
    ├── RateLimited        429: wait `retry_after_s`
    ├── Unavailable        503: something the service needs is away; try again later
    └── Failed             any other: the service's operator has to look

No message holds an API key or the body of a request.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class SigningClientError(Exception):
    """The root. `idempotency_key` is the key that was sent: the same call with it again resumes the request."""

    def __init__(self, message: str, *, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.idempotency_key = idempotency_key


class Misconfigured(SigningClientError):
    """The URL or the API key is missing or malformed."""


class NotConnected(SigningClientError):
    """No connection came about; nothing was sent."""


class NoAnswer(SigningClientError):
    """The request was sent, at least in part, and no whole answer came: whether it was done is not known."""


class UnexpectedAnswer(SigningClientError):
    """What answered is not the service; `status` is its HTTP status, None if it did not speak HTTP."""

    def __init__(self, message: str, *, status: int | None = None, idempotency_key: str | None = None) -> None:
        super().__init__(message, idempotency_key=idempotency_key)
        self.status = status


class NotSignable(SigningClientError):
    """An adapter was asked for something that the service does not sign; nothing was sent."""


class ServiceError(SigningClientError):
    """The service's problem document. `str` is one sentence with status, code and request id.

    `code` is stable and empty if what answered named none; `field` names the place of a malformed member;
    `details` are the members of the document beside those of RFC 9457, such as `nearest` and `canonical`.
    """

    def __init__(
        self,
        status: int,
        problem: Mapping[str, Any],
        *,
        retry_after_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        sentence = _text(problem, "error") or _text(problem, "detail") or "no reason given"
        super().__init__(_text(problem, "message") or sentence if status == _RATE_LIMITED else sentence)
        self.idempotency_key = idempotency_key
        self.status = status
        self.code = _text(problem, "code")
        self.request_id = _text(problem, "requestId")
        self.field = _text(problem, "field") or None
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, Any] = MappingProxyType({k: v for k, v in problem.items() if k not in _STANDARD})

    def __str__(self) -> str:
        where = f" [{self.code}]" if self.code else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"the signing service answered {self.status}: {self.message}{where}{request}"


class Malformed(ServiceError):
    """The request is not of the documented form."""


class Refused(ServiceError):
    """No valid credentials, or a rule forbids it; the same request will be refused again."""


class NotFound(ServiceError):
    """There is no such thing."""


class Conflict(ServiceError):
    """It exists already, or something else came first."""


class RateLimited(ServiceError):
    """Too many requests; nothing was done. `retry_after_s` says when there is room again."""


class Unavailable(ServiceError):
    """Something that the service needs is away; the same request may succeed later."""


class Failed(ServiceError):
    """Something is wrong at the service; its operator has to look."""


_RATE_LIMITED = 429
_BY_STATUS: Mapping[int, type[ServiceError]] = {
    400: Malformed,
    401: Refused,
    403: Refused,
    404: NotFound,
    405: Malformed,
    409: Conflict,
    413: Malformed,
    429: RateLimited,
    503: Unavailable,
}
_STANDARD = frozenset({"type", "title", "status", "detail", "code", "requestId", "error", "field", "statusCode"})


def service_error(
    status: int,
    problem: Mapping[str, Any],
    *,
    retry_after_s: float | None = None,
    idempotency_key: str | None = None,
) -> ServiceError:
    """The error for a problem document."""
    kind = _BY_STATUS.get(status, Failed)
    return kind(status, problem, retry_after_s=retry_after_s, idempotency_key=idempotency_key)


def _text(problem: Mapping[str, Any], member: str) -> str:
    value = problem.get(member)
    return value if isinstance(value, str) else ""
