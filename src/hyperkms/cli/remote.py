"""A running service as the commands ask it: JSON over HTTP, refusals as the errors that they were."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hyperkms.config import ServiceAddress
from hyperkms.errors import Conflict, Forbidden, HyperkmsError, Malformed, NotFound, Unauthorized, Unavailable

TIMEOUT_S = 30
MAX_ANSWER = 32 * 1024 * 1024
_OK = 200
_KINDS: Mapping[int, type[HyperkmsError]] = {
    400: Malformed,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Malformed,
    409: Conflict,
    413: Malformed,
    429: Unavailable,
    503: Unavailable,
}


class Remote:
    """One connection for each call; a command makes few."""

    def __init__(self, service: ServiceAddress) -> None:
        self.url = service.url
        self._service = service
        self._address = urlsplit(service.url)

    def get(self, path: str) -> dict[str, Any]:
        """The answer's body; a HyperkmsError of the kind, code and words of the refusal otherwise."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The same with a body to send."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"X-API-Key": self._service.api_key, "Content-Type": "application/json"}
        connection = self._connection()
        try:
            connection.request(method, self._address.path + path, body, headers)
            answer = connection.getresponse()
            status, raw = answer.status, answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            words = f"no answer from {self._service.url} ({type(error).__name__}): is the service running?"
            raise Unavailable("service-unreachable", words) from error
        finally:
            connection.close()
        document = self._document(status, raw)
        if status != _OK:
            raise _refusal(status, document)
        return document

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        return kind(str(self._address.hostname), self._address.port, timeout=TIMEOUT_S)

    def _document(self, status: int, raw: bytes) -> dict[str, Any]:
        try:
            document = json.loads(raw)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            words = f"{self._service.url} answered {status} with something that is no answer of hyperkms"
            raise Unavailable("not-hyperkms", words)
        return document


def _refusal(status: int, document: Mapping[str, Any]) -> HyperkmsError:
    words = document.get("detail") or document.get("error") or f"the service answered {status}"
    return _KINDS.get(status, HyperkmsError)(str(document.get("code", "refused")), str(words))
