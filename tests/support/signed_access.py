"""Signed requests over a real database and a real memory of them, with a clock that a test turns."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from hyperkms._core import RequestSignature, SharedCounters
from hyperkms.access.administration import Issued, NewClient
from hyperkms.access.client_records import read_identities
from hyperkms.access.clients import Client, Operation, Role
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.signed_requests import Identities, Sent, SignedRequests
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.replays import Replays
from support.access import Access
from support.signed import Request, Signer

SERVICE = "5e" * 16
WINDOW_MS = 30_000


@dataclass
class SignedAccess(Access):
    """What one process has; `another` is a second process on the same directory."""

    window_ms: int = WINDOW_MS
    signed: SignedRequests = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        changes = Generation(SharedCounters.open(self.folder / "shared"), CLIENT_CHANGES)
        self.signed = SignedRequests(
            Identities(self.database, changes, partial(read_identities, self.rows), self.clock),
            Replays(self.database, self.folder / "replays", self.clock),
            service=SERVICE,
            window_ms=self.window_ms,
            clock=self.clock,
        )

    def another(self) -> "SignedAccess":
        return replace(self)

    def signer(self, name: str = "bot", **members: Any) -> Signer:
        """A new client that signs its requests."""
        signer = Signer(SERVICE)
        new = NewClient(name=name, role=Role.BOT, allowed=frozenset({Operation.TRADE}), **members)
        self.create(replace(new, identity=key_of(signer)))
        return signer

    def rotated(self, name: str, *, overlap: int) -> Signer:
        """Another key for it."""
        signer = Signer(SERVICE)
        self.give(name, signer, overlap=overlap)
        return signer

    def give(self, name: str, signer: Signer, *, overlap: int) -> Issued:
        return self.clients.rotate(
            name, overlap=overlap, now=self.clock(), before_commit=self.noted.append, identity=key_of(signer)
        )

    def add(self, name: str, signer: Signer) -> None:
        self.clients.add_identity(name, key_of(signer), now=self.clock(), before_commit=self.noted.append)

    def request(self, signer: Signer, **changes: Any) -> Request:
        """One of now, unless told."""
        return signer.request("POST", "/wallets/sign", b"{}", **{"time": self.clock(), **changes})

    def accept(self, signer: Signer, request: Request) -> Client:
        """As it comes from its signer."""
        signature = RequestSignature.read(signer.sign(request).encode())
        assert signature is not None
        return self.signed.accept(signature, sent(request))

    def ask(self, signer: Signer, **changes: Any) -> Client:
        return self.accept(signer, self.request(signer, **changes))


def sent(request: Request) -> Sent:
    return Sent(request.method.encode(), request.target.encode(), request.body, request.idempotency_key.encode())


def key_of(signer: Signer) -> IdentityKey:
    return IdentityKey.parse(signer.text)
