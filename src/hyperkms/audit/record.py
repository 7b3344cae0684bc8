"""What is written down: every decision on a signature before it is told, every change before it holds."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from hyperkms.receipt import CosignedBy


class Objection(msgspec.Struct, frozen=True):
    """A rule that would have refused."""

    policy: str
    rule: str
    words: str


class ApprovalRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An approval that was used up for a signature."""

    name: str
    """The approver's, as the policy has it."""
    key: str
    """The fingerprint of their key."""
    id: str
    until: int


class SignatureRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """One signature. Numbers are milliseconds; byte strings are 0x and hex digits."""

    time: int
    request_id: str
    client: str
    wallet: str
    key_version: int
    public_key: str
    operation: str
    """sign-message, sign-order, sign-action."""
    signed: dict[str, Any]
    """What a person can read of it: the action and its nonce; for a message its length alone."""
    digest: str
    """The 32 bytes that were signed; for an Ed25519 message its SHA-256."""
    signature: str
    explained: str | None = None
    """What the action does, in a sentence."""
    policy: str | None = None
    """The version of the rules by which it was allowed."""
    grant: str | None = None
    """What permitted its client to ask."""
    reserved: list[list[int]] | UnsetType = UNSET
    """What limits over time have counted for it: meter, period, amount and end (0: the period's) of each."""
    shadow: Objection | UnsetType = UNSET
    """What the policy in shadow would have refused."""
    cosigned: CosignedBy | UnsetType = UNSET
    """Of a wallet in shares: which cosigners made it, and how."""
    approvals: list[ApprovalRecord] | UnsetType = UNSET
    """Who approved it."""


class KeyedSignatureRecord(SignatureRecord, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """The signature of a request with an Idempotency-Key: after a crash its answer is made of this again."""

    idempotency_key: str
    fingerprint: str
    """0x and 64 hex digits: SHA-256 of route and body, as docs/formats.md says."""


class RefusalRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """A signature that was asked for and refused by permission or rule."""

    time: int
    request_id: str
    client: str
    wallet: str | None
    """None: the client may not do this with any."""
    operation: str
    code: str
    """That of the problem, as docs/errors.md explains it."""
    reason: str
    """Its sentence."""
    rule: str | None
    detail: Mapping[str, Any]
    """The further members of the problem document."""
    policy: str | None
    signed: Mapping[str, Any] | None
    """What was asked, as far as it could be read."""
    explained: str | None
    """What the action would have done, in a sentence."""


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key version as it stands after a change."""

    version: int
    state: str
    public_key: str


class LifeRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A change in the life of a wallet: who asked for it, and which versions it changed."""

    time: int
    request_id: str
    client: str
    wallet: str
    operation: str
    """generate, import, rotate, activate, retire-version, retire-wallet, expire, destroy."""
    versions: list[VersionRecord]
    reason: str | None


class AdministrationRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A client that was made, revoked or given a new key: who asked for it, and how it stands after."""

    time: int
    request_id: str
    client: str
    """Who asked."""
    operation: str
    """create-client, revoke-client, rotate-client-key, add-client-key, grant, end-grant."""
    subject: str
    """The client that was changed."""
    role: str
    wallets: list[str] | None
    """None: every wallet."""
    may: list[str]
    grants: list[dict[str, Any]]
    """Each with id, operation and what holds it to something."""
    networks: list[str] | None
    """None: it may ask from anywhere."""
    expires_at: int | None
    keys: list[str]
    """Of its keys that are not revoked, oldest first: prefixes of API keys, then fingerprints of those that sign."""


class PolicyRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The policy of a wallet as it stands after a change: who asked for it."""

    time: int
    request_id: str
    client: str
    wallet: str
    operation: str
    """apply-policy, choose-policy."""
    enforced: int | None
    """The version that decides; None: trade-only."""
    shadow: int | None
    version: int | None
    """The one that was made, if one was."""
    document: dict[str, Any] | None
    """That version as a whole."""
    reason: str | None


class ShareRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """A share of one signature, given by a cosigner: no signature, which takes a threshold of them."""

    time: int
    request_id: str
    client: str
    """By the evidence of its signed request; else as the coordinator says."""
    evidence: str
    """signed: by a request that the client signed; bearer: by nothing; test: for the test message of a new epoch."""
    request: str | None
    """The signature of that request, 0x and 128 hex digits."""
    position: int
    """Which of the actions or messages of the request."""
    wallet: str
    key_version: int
    epoch: int
    public_key: str
    operation: str
    """As the client's request; test."""
    signed: dict[str, Any]
    digest: str
    session: str
    """0x and 64 hex digits: the run of the protocol, the same at every signer."""
    signers: list[int]
    """Whose shares would make the signature."""
    explained: str | None
    policy: str | None
    grant: str | None
    reserved: list[list[int]] | UnsetType = UNSET
    shadow: Objection | UnsetType = UNSET
    approvals: list[ApprovalRecord] | UnsetType = UNSET
    """Who approved it, by what this cosigner has verified; each permits this digest alone."""


class WitnessRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest signed head of the coordinator's record, as it was shown to a cosigner."""

    time: int
    log: str
    size: int
    head: str
    """The head as JSON text."""


class BanRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cosigner that proved to be false: this one never signs with it again."""

    time: int
    member: int
    identity: str
    """Its identity key, 0x and 64 hex digits."""
    reason: str


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The group that a cosigner trusts from here on, by the word of its operator, who compared the fingerprint."""

    time: int
    client: str
    """Who said so."""
    operation: str
    """join-group, describe-group (the same members, described anew), replace-cosigner, fence-record."""
    group: str
    """Its name."""
    group_id: str
    """0x and 64 hex digits."""
    fingerprint: str
    member: int | None
    """Which member was replaced."""


class FenceRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Signing goes on from here in a directory that was put back: what was signed before it is behind the fence."""

    time: int
    request_id: str
    client: str
    """Who said so."""
    operation: str
    """fence."""
    backup: str | None
    """Of which backup the directory is; None: it was put back by other means."""
    taken_at: int | None
    manifest: int | None
    """How many lines the manifest of the backup has, and the hash of the last."""
    manifest_hash: str | None
    nonce_floor: int
    """Every nonce from here on is above it."""
    voided: int
    """Requests that were unfinished and never will be."""
    store_key: str | None = None
    """The id of the key that signs the rows of the database from here on, as they stand."""
    rows_accepted: int | None = None
    """Subjects of rows that were accepted as they stand."""


class DatabaseRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A database that was moved or promoted holds as it stands: somebody knows that nothing was lost."""

    time: int
    request_id: str
    client: str
    """Who said so."""
    operation: str
    """accept-database."""
    before: str
    """The incarnation that was known: system identifier, timeline, oid."""
    now: str


class ResealRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Every key of the directory was sealed anew."""

    time: int
    request_id: str
    client: str
    operation: str
    """reseal."""
    keys: int
    """By the last run; one that was cut off before has done others."""
    root_key_before: str
    root_key: str
    """Its id; the same as before where the data keys alone are new."""


class RowState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subject whose rows are signed, and how far it has come."""

    kind: str
    """wallet, client, policy."""
    id: str
    sequence: int
    """One more with every change. A row below it was put back."""


class RowsRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the signed rows of the database have come to: read again at a start, and compared with what stands there."""

    time: int
    operation: str
    """rows-adopted, rows-committed."""
    store_key: str
    """The id of the key that signs them."""
    adoption: int | None
    """Of rows-adopted: which it is, from 1. From then on rows signed by an earlier key are none."""
    subjects: list[RowState]


class AlteredRowRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Rows of the database are not those that were signed last: what they are of decides nothing until it is mended."""

    time: int
    operation: str
    """row-altered."""
    wallet: str | None
    """The wallet, also of a policy; None: it is a client."""
    subject: str
    """Its kind and id."""
    code: str
    """That of the problem, as docs/errors.md explains it."""
    reason: str


class OpeningRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The first line of a log: who writes it, and what a reader needs to check it."""

    time: int
    release: str
    boot: str | None
    """The boot of the machine; None where the system names none."""
    pid: int
    key_id: str
    public_key: str
    """Of the log key, 0x and 64 hex digits."""
    durability: str
    """fsync: a line is on the disk before anyone is told; os: it is with the operating system."""


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A signed tree head: the root of all lines before this one."""

    time: int
    size: int
    root: str
    """64 hex digits."""
    key_id: str
    signature: str


Record: TypeAlias = (
    SignatureRecord
    | KeyedSignatureRecord
    | RefusalRecord
    | LifeRecord
    | AdministrationRecord
    | PolicyRecord
    | ShareRecord
    | WitnessRecord
    | BanRecord
    | GroupRecord
    | FenceRecord
    | DatabaseRecord
    | ResealRecord
    | RowsRecord
    | AlteredRowRecord
    | OpeningRecord
    | HeadRecord
)


OPENING = 11
SIGNATURE = 12
LIFE = 13
ADMINISTRATION = 14
KEYED_SIGNATURE = 15
REFUSAL = 16
HEAD = 17
POLICY = 18
SHARE = 19
WITNESS = 20
BAN = 21
GROUP = 22
FENCE = 23
RESEAL = 24
ROWS = 25
ALTERED_ROW = 26
DATABASE = 27
"""Formats: what the member `record` of a line is."""
KEYED_SIGNATURE_UNCHAINED = 4
"""The release before wrote these, in lines without `prev`."""

_KINDS = {
    OpeningRecord: OPENING,
    SignatureRecord: SIGNATURE,
    LifeRecord: LIFE,
    AdministrationRecord: ADMINISTRATION,
    PolicyRecord: POLICY,
    ShareRecord: SHARE,
    WitnessRecord: WITNESS,
    BanRecord: BAN,
    GroupRecord: GROUP,
    FenceRecord: FENCE,
    ResealRecord: RESEAL,
    RowsRecord: ROWS,
    AlteredRowRecord: ALTERED_ROW,
    DatabaseRecord: DATABASE,
    KeyedSignatureRecord: KEYED_SIGNATURE,
    RefusalRecord: REFUSAL,
    HeadRecord: HEAD,
}
_encode = msgspec.json.Encoder().encode


class Encoded(msgspec.Struct, frozen=True):
    """A record as the JSON that its line will hold: made by who hands it over, so that the writer only writes."""

    kind: int
    text: bytes


def encode(record: Record) -> Encoded:
    """The record's JSON; no member contains a raw newline."""
    return Encoded(_KINDS[type(record)], _encode(record))
