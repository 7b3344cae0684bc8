"""A request that its client has signed, as it is known on its way through this process.

It is accepted at most once, wherever it is asked for first; whoever asks later is told whether its key is still in
force. Its body is read for that, and given to whoever reads it after.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from starlette.types import Message, Receive, Scope

from hyperkms._core import RequestSignature
from hyperkms.access.clients import Client
from hyperkms.access.signed_requests import Sent, invalid_signature
from hyperkms.errors import HyperkmsError, Unauthorized
from hyperkms.http.idempotency import HEADER as IDEMPOTENCY_KEY
from hyperkms.http.raw_body import read_raw
from hyperkms.operations.parts import Parts
from hyperkms.state.waiting import MustWait, without_waiting
from hyperkms.threshold.wire import SignedRequest as Evidence

T = TypeVar("T")
HEADER = b"hyperkms-signature"
SIGNED = "hyperkms.signed"
"""In the scope of a request that came with the header: the server's protocol class knows its target to the byte."""
Headers = Iterable[tuple[bytes, bytes]]


class InThread(Protocol):
    """Runs what may wait."""

    def __call__(self, work: Callable[..., T], /, *arguments: Any) -> Awaitable[T]:
        """The result of the work."""


class SignedRequest:
    """One request with the header, which may be anything."""

    __slots__ = ("_body", "_client", "_headers", "_method", "_refusal", "_signature", "_target", "receive")

    receive: Receive
    """What the body is read with, where it was not given."""

    def __init__(
        self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes | None = None
    ) -> None:
        self._body = body
        self._method = method
        self._target = target
        self._headers = headers
        self._client: Client | None = None
        self._signature: RequestSignature | None = None
        self._refusal: HyperkmsError | None = None

    def attempt(self, parts: Parts) -> Client | None:
        """The client, if nothing speaks against it and nothing waits; None leaves it to `client`."""
        try:
            with without_waiting():
                return self._accept(parts)
        except Unauthorized as refused:
            self._refusal = refused
        except (HyperkmsError, MustWait):
            pass
        return None

    async def body(self) -> bytes:
        """All of it, read once."""
        if self._body is None:
            self._body = await read_raw(self.receive)
        return self._body

    async def client(self, parts: Parts, in_thread: InThread) -> Client | None:
        """The client; None if its key is not in force any more. Unauthorized unless the request is accepted."""
        if self._refusal is not None:
            raise self._refusal
        self._signature = self._signature or self._read()  # nobody's body is waited for after what is no signature
        await self.body()
        try:
            return await _here_or(in_thread, self._accept, parts)
        except Unauthorized as refused:
            self._refusal = refused
            raise

    def evidence(self) -> Evidence:
        """It as cosigners are shown it; the client is known by then, and so the body is there."""
        return Evidence(
            authorization=_values(self._headers, HEADER),
            method=self._method,
            target=self._target,
            body=self._body or b"",
            idempotency_key=_values(self._headers, IDEMPOTENCY_KEY),
        )

    def _accept(self, parts: Parts) -> Client | None:
        signature = self._signature = self._signature or self._read()
        if self._client is not None:
            return parts.signed_requests.client_of(signature.key)
        sent = Sent(self._method, self._target, self._body or b"", _values(self._headers, IDEMPOTENCY_KEY))
        self._client = parts.signed_requests.accept(signature, sent)
        return self._client

    def _read(self) -> RequestSignature:
        if sent_key(self._headers):
            words = "the request brings an API key and a signature: send one of them"
            raise Unauthorized("two-credentials", words)
        found = RequestSignature.read(_values(self._headers, HEADER))
        if found is None:
            raise invalid_signature()
        return found


async def _here_or(in_thread: InThread, work: Callable[..., T], *arguments: Any) -> T:
    try:
        with without_waiting():
            return work(*arguments)
    except MustWait:
        return await in_thread(work, *arguments)


def with_signature(scope: Scope, receive: Receive) -> Receive:
    """What the body of a request is read with from here on."""
    signed = scope.get(SIGNED)
    if signed is None:
        return receive
    signed.receive = receive
    return _Receive(signed)


def evidence_of(scope: Scope) -> Callable[[], Evidence] | None:
    """What shows cosigners who asks; None for a request that came with an API key."""
    signed = scope.get(SIGNED)
    return signed.evidence if isinstance(signed, SignedRequest) else None


def is_signed(headers: Headers) -> bool:
    """Whether the header is there, whatever it says."""
    return any(name == HEADER for name, _ in headers)


class _Receive:
    """Gives a body that is read as a whole, to whoever asks for it here; later what comes after it."""

    def __init__(self, signed: SignedRequest) -> None:
        self._signed = signed
        self._given = False

    async def __call__(self) -> Message:
        if self._given:
            return await self._signed.receive()
        body = await self._signed.body()
        self._given = True
        return {"type": "http.request", "body": body, "more_body": False}


def sent_key(headers: Headers) -> str | None:
    """The API key among ASGI headers (their names are in lower case); `X-API-Key` comes first."""
    bearer = b""
    for name, value in headers:
        if name == b"x-api-key" and value:
            return value.decode("latin-1")
        if name == b"authorization" and not bearer:
            bearer = value
    scheme, _, token = bearer.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _values(headers: Headers, name: bytes) -> bytes:
    """The header's value; of several what no client signs and no signature is."""
    return b", ".join([value for each, value in headers if each == name])
