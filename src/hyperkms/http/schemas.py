"""Bodies of requests and answers; the OpenAPI document is made of these."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from hyperkms.access.approvals import LONGEST_TEXT, MOST
from hyperkms.receipt import Receipt

KeyTypeName = Literal["ed25519", "secp256k1"]
CustodyName = Literal["standard", "kms-native"]
NetworkName = Literal["mainnet", "testnet", "any"]
Object = dict[str, Any]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""Whole milliseconds that JavaScript can hold as well."""

NAME_GRAMMAR = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of wallets and clients, for the document; the layers below check it, and say what is wrong in their own words."""

WalletName = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": NAME_GRAMMAR})]
NotEmpty = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1})]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="A key version, from 1.")]
NO_NUL = r"^[^\u0000]*$"
"""PostgreSQL takes no NUL in a text."""
Reason = Annotated[str, msgspec.Meta(max_length=500, pattern=NO_NUL, description="For the record and the history.")]
StateName = Literal["pending", "active", "retiring", "retired"]


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A body that is sent: nothing is in it but what is declared."""


class AnswerBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A body that is answered: what is not there is left out."""


class GenerateRequest(RequestBody, frozen=True):
    """Make a wallet; `keyType` defaults to ed25519 (HYPERKMS_DEFAULT_KEY_TYPE)."""

    wallet_id: WalletName
    metadata: Object | None = None
    key_type: KeyTypeName | None = None
    network: NetworkName | None = None
    custody: CustodyName | None = None
    """`kms-native`: AWS KMS makes the key and keeps it; else `standard`."""


class SignRequest(RequestBody, frozen=True):
    """Sign the UTF-8 bytes of a message."""

    wallet_id: WalletName
    message: NotEmpty
    version: Version | None = None


class SignOrderRequest(RequestBody, frozen=True):
    """Sign an order payload."""

    wallet_id: WalletName
    order_payload: Object
    version: Version | None = None


Approvals: TypeAlias = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT, description="as `hyperkms approve` prints it")]],
    msgspec.Meta(max_length=MOST),
]


class SignActionRequest(RequestBody, frozen=True):
    """Sign a Hyperliquid action; a nonce is allocated unless one is given."""

    wallet_id: WalletName
    action: Object
    nonce: Milliseconds | None = None
    vault_address: str | None = None
    expires_after: Milliseconds | None = None
    network: Literal["mainnet", "testnet"] | None = None
    version: Version | None = None
    approvals: Approvals | None = None


MAX_BATCH = 200


class SignBatchRequest(RequestBody, frozen=True):
    """Sign several messages; each is answered for itself."""

    requests: Annotated[list[SignRequest], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class SignActionBatchRequest(RequestBody, frozen=True):
    """Sign several actions; each is answered for itself."""

    requests: Annotated[list[SignActionRequest], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class RotateRequest(RequestBody, frozen=True):
    """Make a new key version; current at once for ed25519, pending for secp256k1, unless `activate` says."""

    wallet_id: WalletName
    reason: Reason | None = None
    activate: bool | None = None


class ActivateRequest(RequestBody, frozen=True):
    """Make the pending version the current one."""

    version: Version
    reason: Reason | None = None


class RetireRequest(RequestBody, frozen=True):
    """Retire a wallet, or one version of it; `destroy` does not wait for the end of the grace."""

    version: Version | None = None
    reason: Reason | None = None
    destroy: bool = False


class MigrateRequest(RequestBody, frozen=True):
    """The first system's call that made a wallet versioned."""

    wallet_id: WalletName


class WalletView(AnswerBody, frozen=True):
    """A wallet; times are RFC 3339 in UTC."""

    wallet_id: str
    public_key: str
    created_at: str
    key_type: KeyTypeName
    version: int
    origin: Literal["generated", "imported"]
    address: str | None = None
    network: NetworkName | None = None
    metadata: Object | None = None
    retired_at: str | None = None
    retired_reason: str | None = None
    custody: Literal["mpc", "kms-native"] | None = None
    """There for a wallet whose key is in shares, or in AWS KMS."""


class WalletAnswer(AnswerBody, frozen=True):
    """One wallet."""

    success: Literal[True]
    wallet: WalletView


class GenerateAnswer(AnswerBody, frozen=True):
    """A new wallet."""

    success: Literal[True]
    wallet: WalletView
    note: str | None = None


class WalletsAnswer(AnswerBody, frozen=True):
    """A page of wallets in order of id; `next` is the `after` of the next page."""

    success: Literal[True]
    wallets: list[WalletView]
    count: int
    total: int
    next: str | None = None


class PublicKeyAnswer(AnswerBody, frozen=True):
    """The public key of a wallet."""

    success: Literal[True]
    wallet_id: str
    public_key: str
    key_type: KeyTypeName
    address: str | None = None


class VersionView(AnswerBody, frozen=True):
    """A key version; it signs while it is active, and in grace (retiring) until `expiresAt`."""

    version: int
    state: StateName
    public_key: str
    origin: Literal["generated", "imported"]
    created_at: str
    address: str | None = None
    activated_at: str | None = None
    expires_at: str | None = None
    retired_at: str | None = None
    destroyed_at: str | None = None
    kms_key: str | None = None
    """Of a wallet whose key is in AWS KMS: its ARN."""


class VersionsAnswer(AnswerBody, frozen=True):
    """Every version of a wallet, in order of number."""

    success: Literal[True]
    wallet_id: str
    current_version: int
    versions: list[VersionView]


class RotationView(AnswerBody, frozen=True):
    """`state` is the new version's: active, or pending until it is activated."""

    wallet_id: str
    new_version: int
    new_public_key: str
    old_version: int
    old_public_key: str
    grace_period_days: float
    state: StateName
    new_address: str | None = None
    old_address: str | None = None
    expires_at: str | None = None
    """The end of the old version's grace."""


class RotateAnswer(AnswerBody, frozen=True):
    """What a rotation came to."""

    success: Literal[True]
    rotation: RotationView


class HistoryVersionView(AnswerBody, frozen=True):
    """A version as the first system shows it."""

    public_key: str
    status: StateName
    created_at: str
    rotated_at: str | None = None
    expires_at: str | None = None


class HistoryRotationView(AnswerBody, frozen=True):
    """A rotation as the first system shows it."""

    from_version: int
    to_version: int
    rotated_at: str
    reason: str


class HistoryView(AnswerBody, frozen=True):
    """The versions by number, and the rotations in order."""

    wallet_id: str
    current_version: int
    versions: dict[str, HistoryVersionView]
    rotation_history: list[HistoryRotationView]


class HistoryAnswer(AnswerBody, frozen=True):
    """The history of a wallet."""

    success: Literal[True]
    wallet_id: str
    history: HistoryView


class RetireAnswer(AnswerBody, frozen=True):
    """What stands of a wallet after one or all of its versions were retired."""

    success: Literal[True]
    wallet: WalletView
    versions: list[VersionView]
    note: str | None = None
    """Of a wallet in shares: which cosigners would still sign with it, and why."""


class MigrateAnswer(AnswerBody, frozen=True):
    """The first system's answer."""

    success: Literal[True]
    message: str
    wallet_id: str


class SignAnswer(AnswerBody, frozen=True):
    """A signature: 0x and 128 hex digits (Ed25519) or 130 (secp256k1: r, s, v)."""

    success: Literal[True]
    signature: str
    public_key: str
    wallet_id: str
    receipt: Receipt
    address: str | None = None
    action: Object | None = None
    nonce: int | None = None
    expires_after: int | None = None
    """Of an order that ends by itself, by its policy or because its wallet is in shares: it is posted with it."""
    mpc_signing: Literal[True] | None = None
    """There for a wallet in shares."""


class SignatureView(AnswerBody, frozen=True):
    """What the exchange takes: r and s 0x and 64 hex digits, v 27 or 28."""

    r: str
    s: str
    v: int

    @classmethod
    def of(cls, signature: str) -> "SignatureView":
        """Of 0x and 130 hex digits."""
        return cls(r=signature[:66], s="0x" + signature[66:130], v=int(signature[130:], 16))


class SignActionAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Ready to be posted to the exchange: action, nonce, signature, vaultAddress, expiresAfter."""

    success: Literal[True]
    wallet_id: str
    address: str
    action: Object
    nonce: int
    vault_address: str | None
    expires_after: int | None
    signature: SignatureView
    receipt: Receipt


class ProblemView(AnswerBody, frozen=True):
    """RFC 9457, with the sentence again as `error`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    error: str
    field: str | None = None
    canonical: str | None = None
    nearest: str | list[str] | None = None


class ProblemDescription(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a code means; `status` is null for one that stops a command and is never an answer."""

    type: str
    code: str
    title: str
    status: int | None
    situation: str
    cause: str
    next_step: str
    retry: Literal["no", "yes", "after Retry-After"]
    shown_by: str


class ProblemsAnswer(AnswerBody, frozen=True):
    """Every code of this release, by situation."""

    problems: list[ProblemDescription]
    count: int


class BatchRefusal(AnswerBody, frozen=True):
    """What stands in the place of an answer that was refused."""

    success: Literal[False]
    problem: ProblemView


class SignBatchAnswer(AnswerBody, frozen=True):
    """In the order of the requests: what the route for one answers, or a refusal."""

    success: Literal[True]
    results: list[Any]


class SignActionBatchAnswer(AnswerBody, frozen=True):
    """In the order of the requests: what the route for one answers, or a refusal."""

    success: Literal[True]
    results: list[Any]


RESULTS: Mapping[type[msgspec.Struct], type[msgspec.Struct]] = {
    SignBatchAnswer: SignAnswer,
    SignActionBatchAnswer: SignActionAnswer,
}
"""What stands in `results` beside BatchRefusal; msgspec's schemas have no such choice."""

ALL = (
    SignBatchRequest,
    SignActionBatchRequest,
    SignBatchAnswer,
    SignActionBatchAnswer,
    BatchRefusal,
    GenerateRequest,
    SignRequest,
    SignOrderRequest,
    SignActionRequest,
    RotateRequest,
    ActivateRequest,
    RetireRequest,
    MigrateRequest,
    WalletAnswer,
    VersionsAnswer,
    RotateAnswer,
    HistoryAnswer,
    RetireAnswer,
    MigrateAnswer,
    GenerateAnswer,
    WalletsAnswer,
    PublicKeyAnswer,
    SignAnswer,
    SignActionAnswer,
    ProblemView,
    ProblemDescription,
    ProblemsAnswer,
)
