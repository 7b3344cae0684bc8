"""What a coordinator asks of a cosigner, and in which bytes.

A connection carries frames: 4 bytes of length, big-endian, and so many of msgpack. A frame of the coordinator is a
`Call`, one of the cosigner an `Answer` with the call's number; answers come in any order. A cosigner believes nothing
of a call but what it verifies: the openings, messages, commitments and acknowledgements in it are signed by other
cosigners, and the request by the client.
"""

from typing import Final, Literal, TypeAlias

import msgspec

PROTOCOL: Final = 3
MOST_FRAME: Final = 2 * 1024 * 1024
"""Bytes of a frame; the largest message of key generation stays far under it."""

KeyTypeName: TypeAlias = Literal["ed25519", "secp256k1"]
NetworkName: TypeAlias = Literal["none", "mainnet", "testnet", "any"]


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's request as it came over HTTP, with the header that signs it: the only evidence of who asks."""

    authorization: bytes
    """The value of the header: `v1 key=...,to=...,ts=...,id=...,sig=...` (docs/formats.md)."""
    method: bytes
    target: bytes
    body: bytes
    idempotency_key: bytes = b""


class Asker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who asks, as the coordinator says. Cosigners of an earlier release know no approvals, and are sent none."""

    client: str
    request_id: str
    signed: SignedRequest | None = None
    """None: the client showed a bearer key, which proves nothing to a cosigner."""
    approvals: list[str] = []
    """Of a request without a client's signature; one that is signed has them in its body."""


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be signed, in full; the cosigner makes the digest of it."""

    form: Literal["action", "eip191", "ed25519", "test"]
    operation: str
    """sign-action, sign-order, sign-message ...: the operation of the client's request; "test" for a test message."""
    position: int = 0
    """Which of the actions or messages of the request's body it is, from 0."""
    action: bytes = b""
    """form action: the action as JSON, as it is posted to the exchange."""
    nonce: int = 0
    vault_address: str | None = None
    expires_after: int | None = None
    network: Literal["mainnet", "testnet", "none"] = "none"
    message: bytes = b""
    """forms eip191 and ed25519."""


class ShareName(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One wallet's key version, in one epoch."""

    wallet: str
    version: int
    epoch: int


class Hello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="hello"):
    """First call of a connection; the cosigner says who it is."""

    protocol: int = PROTOCOL


class Status(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="status"):
    """How it is."""


class Shares(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="shares"):
    """Every share it holds, or those of one wallet."""

    wallet: str | None = None


class OpenCeremony(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="open-ceremony"):
    """Begin key generation, refresh or repair.

    `keygen` and a repair's target need all of it; for the others the share says it.
    """

    kind: Literal["keygen", "refresh", "repair-helper", "repair-target"]
    share: ShareName
    """keygen: epoch 0 is made; refresh: the epoch that is, the next is made; repair: the epoch that is."""
    key_type: KeyTypeName
    network: NetworkName
    asker: Asker
    helpers: list[int] = []
    target: int = 0
    group_key: bytes = b""


class OpenSigning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="open-signing"):
    """Begin to sign with secp256k1: it decides here whether it will."""

    share: ShareName
    signers: list[int]
    intent: Intent
    asker: Asker
    prepared: bool = False
    """With the share of an epoch that is not in force yet; test messages only."""


class Begin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="begin"):
    """The openings of all others."""

    session: str
    openings: list[bytes]


class Advance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="advance"):
    """The messages to it of one round."""

    session: str
    messages: list[bytes]


class Keep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="keep"):
    """Seal what a ceremony made and keep it, durable and not in force; gives a signed acknowledgement."""

    session: str


class Prepare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="prepare"):
    """Ed25519 commitments ahead of use."""

    share: ShareName
    signers: list[int]
    count: int
    prepared: bool = False


class SignShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sign-share"):
    """Ed25519: decide, record, and give its share of a signature."""

    share: ShareName
    signers: list[int]
    commitments: list[bytes]
    intent: Intent
    asker: Asker
    prepared: bool = False


class TestSignature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signature of one set over the test message of an epoch."""

    signers: list[int]
    signature: bytes


class Commit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="commit"):
    """Put the kept epoch in force: with the acknowledgements of all n and a test signature of every set of t.

    The answer is the cosigner's signed word that it is in force there. The epoch before stays, and signs too.
    """

    share: ShareName
    acknowledgements: list[bytes]
    """In the order of the members."""
    tests: list[TestSignature]


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="release"):
    """Destroy the shares of the epochs before: with the signed word of all n that this one is in force there."""

    share: ShareName
    in_force: list[bytes]
    """In the order of the members."""


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a member says under its identity key, as another one is shown it."""

    member: int
    statement: bytes


class Drop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="drop"):
    """Let go of a kept epoch; of one in force only with the word of so many others that too few are left to use it."""

    share: ShareName
    group_key: bytes = b""
    """Of the epoch that is meant; empty: of whatever is kept."""
    dropped: list[Word] = []


class Retire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="retire"):
    """Destroy the share of a version, for ever: on the client's request, or the words of t that they have."""

    wallet: str
    version: int
    asker: Asker
    retired: list[Word] = []


class RetireWallet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="retire-wallet"):
    """Sign with no version of the wallet any more, and destroy its shares when its last grace is over.

    On the client's request, or the words of t that they do.
    """

    wallet: str
    asker: Asker
    retired: list[Word] = []


class Admit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="admit"):
    """Sign with a version that waits as well, and with the current one as before: on the client's request alone."""

    wallet: str
    version: int
    asker: Asker


class Activate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="activate"):
    """Have a version that waits be the current one: if admitted, on the client's request, or the words of t others."""

    wallet: str
    version: int
    asker: Asker
    active: list[Word] = []


class Witness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="witness"):
    """The newest signed head of the coordinator's record, to be written into the cosigner's own."""

    log: str
    size: int
    head: str


HEAD_PURPOSE = "record head"
HEADS_KEPT = 8
"""Logs of one member that others remember: it begins a new one at every start, and the word of the last must not hide
those before."""


class RecordHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a member's record had come, as it said itself, for HEAD_PURPOSE."""

    member: int
    log: str
    """32 hex digits."""
    size: int
    """Lines of this log that were durable."""
    time: int
    statement: bytes


class Heads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="heads"):
    """Heads of records of members, for the others to keep; and, of its own, for a cosigner to compare."""

    heads: list[RecordHead]


Ask: TypeAlias = (
    Hello
    | Status
    | Shares
    | OpenCeremony
    | OpenSigning
    | Begin
    | Advance
    | Keep
    | Prepare
    | SignShare
    | Commit
    | Release
    | Drop
    | Retire
    | RetireWallet
    | Admit
    | Activate
    | Witness
    | Heads
)


class Greeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Hello`."""

    protocol: int
    group: bytes
    index: int
    identity: bytes
    release: str


class HeldShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share as the cosigner holds it."""

    name: ShareName
    state: Literal["kept", "in-force", "superseded", "retired"]
    key_type: KeyTypeName
    network: NetworkName
    public_key: bytes
    group_key: bytes
    acknowledgement: bytes = b""
    """What `Keep` gave; of a share that is in force too, for a member that has not heard of it."""
    session: bytes = b""
    """Of the ceremony that made it: the same at all that took part, and another one where the share was repaired."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Status`."""

    index: int
    wallets: int
    signed: int
    """Shares of signatures given since it started."""
    refused: int
    banned: list[int]
    log: str
    head_size: int
    memory: str
    time: int


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Shares`."""

    shares: list[HeldShare]


class Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `OpenCeremony` and `OpenSigning`."""

    session: str
    opening: bytes


class Messages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Begin` and `Advance`."""

    messages: list[bytes]
    done: bool = False
    signature: bytes = b""
    """At the end of signing with secp256k1: 65 bytes."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Keep`."""

    acknowledgement: bytes
    public_key: bytes
    group_key: bytes


class Prepared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Prepare`."""

    commitments: list[bytes]


class ShareGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `SignShare`."""

    share: bytes


class InForce(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Commit`: the cosigner's signed word, for purpose "share in force"."""

    statement: bytes


class Dropped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Drop`: the cosigner's signed word, for purpose "share dropped"; empty where no epoch was named."""

    statement: bytes


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Activate`, `Retire` and `RetireWallet`: the signed word.

    For purpose "version active", "version retired" or "wallet retired".
    """

    statement: bytes


class HeadsKnown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Heads`: that of its own record now, and the newest that it keeps of others."""

    own: RecordHead | None
    seen: list[RecordHead]


class Done(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answer to `Release`, `Admit` and `Witness`."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refusal: the kind is the class of `hyperkms.errors`."""

    kind: str
    code: str
    message: str
    details: dict[str, str | int | list[str]] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frame of the coordinator."""

    number: int
    ask: Ask
    deadline_ms: int
    """How long the coordinator waits for the answer; work that has not begun by then is not begun."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frame of the cosigner: msgpack of the answer's own type, or a problem."""

    number: int
    body: msgspec.Raw = msgspec.Raw(b"\xc0")
    """Nil beside a problem: an empty one would leave a frame that nobody can read."""
    problem: Problem | None = None


def acknowledgement_statement(share: ShareName, session: bytes, group_key: bytes) -> bytes:
    """What a member signs, for purpose "share kept", when it has sealed its share of an epoch."""
    parts = (share.wallet.encode(), session, group_key)
    numbers = share.version.to_bytes(4, "big") + share.epoch.to_bytes(4, "big")
    return numbers + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def standing_statement(share: ShareName, group_key: bytes) -> bytes:
    """What a member signs of an epoch, for purpose "share in force" or "share dropped".

    It names the group key, which no two sessions make alike, and no session: a repaired share has one of its own.
    """
    return acknowledgement_statement(share, b"", group_key)


def head_statement(head: RecordHead) -> bytes:
    """What a member signs of its record, for HEAD_PURPOSE."""
    return head.log.encode() + head.size.to_bytes(8, "big") + head.time.to_bytes(8, "big")


def version_statement(wallet: str, version: int, public_key: bytes) -> bytes:
    """What a member signs of a key version, for purpose "version active" or "version retired"."""
    return acknowledgement_statement(ShareName(wallet=wallet, version=version, epoch=0), b"", public_key)


def wallet_statement(wallet: str) -> bytes:
    """What a member signs of a whole wallet, for purpose "wallet retired": ids are used once."""
    return version_statement(wallet, 0, b"")
