"""Requests as bytes of HTTP/1.1; the one place of this library that holds the API key, or has requests signed."""

import re
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from hyperkms.client.endpoint import Endpoint
from hyperkms.client.errors import Misconfigured
from hyperkms.client.request_key import RequestSigner

T = TypeVar("T")
_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


class Call(NamedTuple, Generic[T]):
    """One request, and how its answer is read. `key` is its Idempotency-Key.

    `harmless`: nothing follows from doing it twice.
    """

    path: str
    read: Callable[[bytes], T]
    body: bytes | None = None
    key: str | None = None
    harmless: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when it is not known what became of it."""
        return self.body is None or self.key is not None or self.harmless


class Wire:
    """Writes requests for one endpoint, with an API key or signed.

    Neither `repr` nor any attribute without underscore shows the key. What `bytes_of` returns holds it: hand that on
    without giving it a name, since some error reporters print the local variables of every frame.
    """

    __slots__ = ("_common", "_prefix", "_signer")

    def __init__(self, endpoint: Endpoint, by: str | RequestSigner) -> None:
        self._prefix = endpoint.prefix
        self._signer = by if isinstance(by, RequestSigner) else None
        self._common = (
            f" HTTP/1.1\r\nHost: {endpoint.host_header}\r\n{_key_line(by)}"
            "User-Agent: hyperkms-client\r\nAccept: application/json\r\n"
        ).encode()

    def bytes_of(self, call: Call[T]) -> bytes:
        """The whole request; where it is signed, for this one time."""
        path = (self._prefix + call.path).encode()
        if call.body is None:
            return b"GET %b%b%b\r\n" % (path, self._common, self._signature("GET", call))
        key = b"" if call.key is None else b"Idempotency-Key: %b\r\n" % call.key.encode()
        key += self._signature("POST", call)
        return b"POST %b%b%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            path,
            self._common,
            key,
            len(call.body),
            call.body,
        )

    def _signature(self, method: str, call: Call[T]) -> bytes:
        """Over the path as the service sees it: what the URL has before it is for a proxy, which takes it away."""
        if self._signer is None:
            return b""
        value = self._signer.header(method, call.path.encode(), call.body or b"", call.key or "")
        return b"Hyperkms-Signature: %b\r\n" % value


def _key_line(by: str | RequestSigner) -> str:
    if isinstance(by, RequestSigner):
        return ""
    if not _KEY.fullmatch(by):
        raise Misconfigured("the API key is empty, or has a character that no API key has")
    return f"X-API-Key: {by}\r\n"


def checked_key(key: str) -> str:
    """An Idempotency-Key: 1 to 255 visible ASCII characters; ValueError for anything else."""
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
    return key
