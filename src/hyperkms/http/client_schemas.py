"""Bodies of the requests and answers about clients."""

from typing import Annotated, Any, Literal

import msgspec

from hyperkms.access.client_terms import DEFAULT_OVERLAP_HOURS, MAX_EXPIRY_DAYS, MAX_OVERLAP_HOURS, ClientState
from hyperkms.http.schemas import NAME_GRAMMAR, AnswerBody, RequestBody, WalletName

RoleName = Literal["administrator", "operator", "auditor", "bot", "legacy"]
Allowable = Literal[
    "trade",
    "sign-order",
    "sign-bytes",
    "sign-text",
    "read",
    "generate",
    "rotate",
    "retire",
    "migrate",
    "metrics",
    "audit",
]
ActionClassName = Literal["order", "cancel", "leverage", "transfer", "authority", "settings"]
WalletNames = Annotated[list[WalletName], msgspec.Meta(max_length=1000)]
ClientName = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": NAME_GRAMMAR})]
PublicKeyText = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^ed25519:[0-9a-f]{64}$"})]
Days = Annotated[int, msgspec.Meta(ge=1, le=MAX_EXPIRY_DAYS)]
Hours = Annotated[int, msgspec.Meta(ge=0, le=MAX_OVERLAP_HOURS)]


class CreateClientRequest(RequestBody, frozen=True):
    """Make a client: for these wallets (every one if left out), allowed these operations (none if left out).

    With a `publicKey` (Ed25519) it signs its requests, and gets no API key.
    """

    name: ClientName
    wallets: WalletNames | None = None
    allow: list[Allowable] | None = None
    actions: list[ActionClassName] | None = None
    limits: dict[str, Any] | None = None
    networks: list[str] | None = None
    expires_in_days: Days | None = None
    role: RoleName = "bot"
    public_key: PublicKeyText | None = None


class GrantRequest(RequestBody, frozen=True):
    """Give a bot more: each of these operations with each of these wallets (every one if left out)."""

    allow: list[Allowable]
    wallets: WalletNames | None = None
    actions: list[ActionClassName] | None = None
    limits: dict[str, Any] | None = None
    expires_in_days: Days | None = None


class EndGrantRequest(RequestBody, frozen=True):
    """Nothing more has to be said."""


class GrantView(AnswerBody, frozen=True):
    """A grant; without `wallet` it is for every one, without `actions` for whatever the policy allows."""

    id: str
    operation: str
    wallet: str | None = None
    actions: list[str] | None = None
    limits: dict[str, Any] | None = None
    expires_at: str | None = None


class RevokeClientRequest(RequestBody, frozen=True):
    """Nothing more has to be said."""


class RotateClientRequest(RequestBody, frozen=True):
    """How long the keys until now stay good; with a `publicKey` that is the new key, else an API key is made."""

    overlap_hours: Hours = DEFAULT_OVERLAP_HOURS
    public_key: PublicKeyText | None = None


class AddKeyRequest(RequestBody, frozen=True):
    """A further Ed25519 public key, which signs the client's requests."""

    public_key: PublicKeyText


class KeyView(AnswerBody, frozen=True):
    """An API key as it may be shown: its first 11 characters."""

    prefix: str
    created_at: str
    expires_at: str | None = None


class IdentityView(AnswerBody, frozen=True):
    """A public key that signs a client's requests, and its fingerprint, by which a request names it."""

    fingerprint: str
    public_key: str
    created_at: str
    expires_at: str | None = None


class ClientView(AnswerBody, frozen=True):
    """A client; without `wallets` it is for every one. `may` is what its grants come to, or its role."""

    name: str
    role: RoleName
    state: ClientState
    may: list[str]
    grants: list[GrantView]
    keys: list[KeyView]
    created_at: str
    identities: list[IdentityView] | None = None
    created_by: str | None = None
    wallets: list[str] | None = None
    networks: list[str] | None = None
    expires_at: str | None = None
    revoked_at: str | None = None


class ClientAnswer(AnswerBody, frozen=True):
    """One client."""

    success: Literal[True]
    client: ClientView


class ClientsAnswer(AnswerBody, frozen=True):
    """Every client."""

    success: Literal[True]
    clients: list[ClientView]
    count: int


class IssuedAnswer(AnswerBody, frozen=True):
    """A client and its new API key: keep it now, it is not shown again.

    Where the new key is a `publicKey`, there is no `apiKey`, and `service` is the id for which requests are signed.
    """

    success: Literal[True]
    client: ClientView
    api_key: str | None = None
    service: str | None = None

    def __repr__(self) -> str:
        return f"IssuedAnswer({self.client.name})"


CLIENT_BODIES = (
    CreateClientRequest,
    GrantRequest,
    EndGrantRequest,
    RevokeClientRequest,
    RotateClientRequest,
    AddKeyRequest,
    ClientAnswer,
    ClientsAnswer,
    IssuedAnswer,
)
