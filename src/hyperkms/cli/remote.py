"""A running service as the commands ask it: the client library, with refusals as the errors that they were."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hyperkms import client
from hyperkms.config import ServiceAddress
from hyperkms.errors import (
    Conflict,
    Forbidden,
    HyperkmsError,
    Malformed,
    NotFound,
    Tampered,
    Unauthorized,
    Unavailable,
)

T = TypeVar("T")
READ_S = 30
_FAMILIES: Mapping[int, type[HyperkmsError]] = {
    400: Malformed,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Malformed,
    409: Conflict,
    413: Malformed,
    429: Unavailable,
    500: Tampered,
    503: Unavailable,
}


class Remote:
    """The service at an address (http://, https://, unix:); it is asked with the client's key, and not shown it.

    Each change is sent under an Idempotency-Key of its own, so that a broken connection does not do it twice.
    """

    def __init__(self, service: ServiceAddress, *, read_s: float = READ_S) -> None:
        self.url = service.url
        options = client.Options(read_s=read_s, idempotency=client.Idempotency.ON_REQUEST)
        self._client = _translated(
            lambda: client.SigningClient(
                service.url,
                service.api_key,
                request_key=service.request_key,
                service=service.service if service.request_key else None,
                options=options,
            )
        )

    def get(self, path: str) -> dict[str, Any]:
        """The answer's body; a HyperkmsError of the kind, code and words of the refusal otherwise."""
        return _translated(lambda: self._client.get(path))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The same with a body to send."""
        return _translated(lambda: self._client.post(path, body, idempotency_key=secrets.token_hex(16)))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except client.ServiceError as error:
        raise _refusal(error) from error
    except client.UnexpectedAnswer as error:
        raise Unavailable("not-hyperkms", error.message) from error
    except client.Misconfigured as error:
        raise Malformed("malformed-setting", error.message) from error
    except client.SigningClientError as error:
        raise Unavailable("service-unreachable", f"{error.message}; is the service running?") from error


def _refusal(error: client.ServiceError) -> HyperkmsError:
    family, code = _FAMILIES.get(error.status, HyperkmsError), error.code or "refused"
    return family(code, error.message)
