"""Threshold signing among cosigners: opaque shares, sealed bytes, messages to be relayed, signatures.

Nothing here returns a share or a key. Every function raises the errors of `hyperkms.errors` and releases the GIL
while it computes. Where a member of the group is at fault, the error is Tampered and its details say so:
`{"cosigner": 2, "ban": 0 or 1}`; `ban` only where the proof was under that member's identity key and the protocol
forbids ever to go on with it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from os import PathLike
from typing import Literal, TypeAlias, final

_KeyType: TypeAlias = Literal["ed25519", "secp256k1"]
_Binding: TypeAlias = Literal["none", "mainnet", "testnet", "any"]

@final
class Protection:
    """What guards the secret arena of this module in this process; as in `hyperkms._core`."""

    @property
    def lock(self) -> Literal["memfd_secret", "mlock", "none"]: ...
    @property
    def private(self) -> bool: ...
    @property
    def size(self) -> int: ...

def start_memory(choice: Literal["auto", "memfd_secret", "mlock"] = "auto") -> Protection:
    """Make the arena; as in `hyperkms._core`."""

@final
class Group:
    """Who the cosigners of a group are: t, and the identity keys of the n members in their order, from index 1.

    Malformed unless 2 <= t <= n <= 5 and t > n / 2, and the keys differ.
    """

    def __new__(cls, *, threshold: int, identities: Sequence[bytes]) -> Group: ...
    @property
    def id(self) -> bytes:
        """32 bytes: SHA-256 over a label, t, n and the identity keys."""
    @property
    def threshold(self) -> int: ...
    @property
    def members(self) -> int: ...

@final
class LocalRootKey:
    """The root key of a cosigner's directory: the same file that `hyperkms._core.LocalRootKey` opens."""

    @staticmethod
    def open(path: str | PathLike[str]) -> LocalRootKey: ...
    @property
    def id(self) -> str: ...
    def new_data_key(self, context: ShareContext | None) -> tuple[DataKey, bytes]:
        """A fresh data key for a share, or, for None, for the identity key; and its wrapped form."""
    def unwrap(self, wrapped: bytes, context: ShareContext | None) -> DataKey:
        """Tampered unless it was wrapped by this root key for exactly this."""

@final
class DataKey:
    """What one share, or the identity key, is sealed with; opaque, sealed in memory."""

@final
class KmsClient:
    """Sends signed requests to AWS KMS and takes data keys out of its answers; as in `hyperkms._core`."""

    def __new__(cls, *, trusted: bytes, proxy: str | None, connect_ms: int) -> KmsClient: ...
    def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, within_ms: int) -> KmsAnswer: ...

@final
class KmsAnswer:
    """What AWS KMS answered, without its words; as in `hyperkms._core`."""

    @property
    def status(self) -> int: ...
    @property
    def refusal(self) -> str | None: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def wrapped(self) -> bytes | None: ...
    def take_data_key(self) -> DataKey | None:
        """The data key, to whoever asks first."""

@final
class Identity:
    """The Ed25519 key by which a cosigner is known to the others; opaque, sealed in memory."""

    @staticmethod
    def generate(data_key: DataKey, wrapped: bytes, root_key_id: str) -> tuple[Identity, bytes]:
        """A new one, and its sealed form for the directory."""
    @staticmethod
    def open(sealed: bytes, data_key: DataKey) -> Identity: ...
    @property
    def public_key(self) -> bytes:
        """32 bytes."""
    def sign_statement(self, purpose: str, statement: bytes) -> bytes:
        """64 bytes over a label, the purpose and the statement; what it signs can be no message of a protocol."""

def reseal_identity(
    sealed: bytes, data_key: DataKey, *, new_data_key: DataKey, wrapped: bytes, root_key_id: str
) -> bytes:
    """The same identity key, sealed with another data key."""

def verify_statement(identity: bytes, purpose: str, statement: bytes, signature: bytes) -> None:
    """Tampered unless the holder of this identity key signed exactly this."""

@final
class ShareContext:
    """What a share is for; bound into its seal, and into every session about it.

    `epoch` counts from 0 at generation; refresh and replacement make the next.
    """

    def __new__(
        cls,
        *,
        wallet: str,
        version: int,
        key_type: _KeyType,
        network: _Binding,
        group: Group,
        index: int,
        epoch: int,
    ) -> ShareContext: ...
    @property
    def wallet(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def key_type(self) -> _KeyType: ...
    @property
    def network(self) -> _Binding: ...
    @property
    def index(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def group(self) -> bytes:
        """The id of the group: 32 bytes."""
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Share:
    """One member's share; opaque, sealed in memory while idle."""

    @staticmethod
    def open(sealed: bytes, context: ShareContext, data_key: DataKey) -> Share:
        """Tampered unless it is the share of exactly this context, unchanged and sealed with this data key."""
    @property
    def context(self) -> ShareContext: ...
    @property
    def public_key(self) -> bytes:
        """The group's: 32 bytes for Ed25519, 33 bytes compressed for secp256k1."""
    @property
    def group_key(self) -> bytes:
        """What all members know of the key, the same bytes at each: type, t, n, public key, public shares."""
    @property
    def is_hollow(self) -> bool:
        """True after a repair of a secp256k1 share, until a refresh: it does not sign."""
    def prepare(self, identity: Identity, group: Group, signers: AbstractSet[int]) -> tuple[bytes, bytes]:
        """Ed25519: one commitment for these signers, as (its id of 32 random bytes, the bytes to hand out).

        Its nonces stay in here, are used at most once, and are let go of after 60 s; of more than 16 for the same
        signers the oldest is. The bytes are signed by the identity key over group, wallet, version, epoch and signers.
        """
    def sign_share(
        self, identity: Identity, group: Group, signers: AbstractSet[int], commitments: Sequence[bytes], form: Form
    ) -> bytes:
        """Ed25519: this member's share of the signature, signed by its identity key, as `aggregate` takes it.

        `commitments` are what each signer handed out, its own among them. The nonces behind its own are used up
        whatever the outcome; Conflict (`commitment-used`) if they are already, or are too old.
        """
    def rebind(self, group: Group, data_key: DataKey, wrapped: bytes, root_key_id: str) -> bytes:
        """Sealed anew for a group of the same t and n, in which another member has a new identity key; or for the same.

        For the replacement of a cosigner, on the word of the operator who compared the new group's fingerprint; and for
        a new root key.
        """
    def copy_for(self, recipient: str) -> bytes:
        """A copy of the share that only the recovery program opens, with the key behind `recipient` (docs/recovery.md).

        Malformed unless the recipient is what `hyperkms-recover` printed.
        """
    def forget_prepared(self) -> None:
        """Let go of all prepared nonces."""

def session_of_commitments(commitments: Sequence[bytes]) -> bytes:
    """The session id that these commitments make: 32 bytes."""

def aggregate(
    group: Group,
    context: ShareContext,
    group_key: bytes,
    signers: AbstractSet[int],
    commitments: Sequence[bytes],
    form: Form,
    shares: Sequence[bytes],
) -> bytes:
    """Ed25519: the signature of the group, 64 bytes, verified; of public data alone.

    `context` is that of any member. Tampered with the culprit in its details if a share or a commitment is wrong.
    """

@final
class Form:
    """What is to be signed; hashed in here, never a digest from outside. The same digests as in `hyperkms._core`."""

    @staticmethod
    def l1(
        msgpack: bytes,
        *,
        nonce: int,
        vault: bytes | None,
        expires_after: int | None,
        network: Literal["mainnet", "testnet"],
    ) -> Form: ...
    @staticmethod
    def user_action(
        *,
        primary_type: str,
        values: Sequence[str | int | bool],
        signature_chain_id: int,
        network: Literal["mainnet", "testnet"],
    ) -> Form: ...
    @staticmethod
    def eip191(message: bytes) -> Form: ...
    @staticmethod
    def ed25519(message: bytes) -> Form:
        """Refused for what begins as a client's signed request does."""
    @staticmethod
    def test(context: ShareContext) -> Form:
        """The test message of a new share's epoch: of no other use, as bytes or in the form of EIP-191."""
    @property
    def key_type(self) -> _KeyType: ...
    @property
    def digest(self) -> bytes:
        """32 bytes: what is signed by secp256k1, SHA-256 of the message for Ed25519."""
    def verify(self, public_key: bytes, signature: bytes) -> None:
        """Tampered (`signature-wrong`) unless this is the signature of it by this key.

        64 bytes for Ed25519; for secp256k1 65: r, s in the lower half, v (27 or 28) that leads back to the key.
        """

@final
class Session:
    """One run of a protocol at one member. Messages are sealed for or signed to their receivers.

    1. `opening` goes to every other member of the set, through whoever relays.
    2. `begin` takes the openings of all others and gives the first messages.
    3. `advance` takes the messages to this member of one round, all of them, and gives the next; until `done`.
    4. The outcome is taken, once.
    Whatever fails ends the session: it is used up.
    """

    @staticmethod
    def keygen(identity: Identity, group: Group, context: ShareContext) -> Session:
        """All n members."""
    @staticmethod
    def refresh(identity: Identity, group: Group, share: Share) -> Session:
        """All n members; the next epoch of the same key."""
    @staticmethod
    def repair_helper(
        identity: Identity, group: Group, share: Share, helpers: AbstractSet[int], target: int
    ) -> Session:
        """At least t helpers; gives nothing but the target's share, to the target."""
    @staticmethod
    def repair_target(
        identity: Identity, group: Group, context: ShareContext, group_key: bytes, helpers: AbstractSet[int]
    ) -> Session:
        """The share of the same epoch, at the member that lost it."""
    @staticmethod
    def sign(
        identity: Identity, group: Group, share: Share, signers: AbstractSet[int], form: Form, banned: AbstractSet[int]
    ) -> Session:
        """secp256k1: exactly t signers. Refused if one of them is banned."""
    @property
    def opening(self) -> bytes: ...
    def begin(self, openings: Sequence[bytes]) -> list[bytes]: ...
    def advance(self, messages: Sequence[bytes]) -> list[bytes]: ...
    @property
    def id(self) -> bytes | None:
        """32 bytes, once it has begun."""
    @property
    def is_last_word(self) -> bool:
        """True if what `advance` gave just now makes the signature: hold it until the record is durable."""
    @property
    def done(self) -> bool: ...
    def take_share(self, data_key: DataKey, wrapped: bytes, root_key_id: str) -> tuple[bytes, bytes]:
        """Key generation, refresh, repair at the target: the sealed share for the directory, and the group key."""
    def take_signature(self) -> bytes:
        """65 bytes: r, s, v (27 or 28); s in the lower half, verified."""

def routing(message: bytes) -> tuple[int, int]:
    """Sender and receiver of a message to be relayed; receiver 0: every other member of the set."""

def session_of_message(message: bytes) -> bytes:
    """The session id that stands on a message to be relayed: 32 bytes, as the sender says."""

def inspect_share(sealed: bytes) -> Mapping[str, str | int | bytes]:
    """What anyone can read of a sealed share; nothing of it is to be trusted before it was opened."""

def read_group_key(group_key: bytes) -> Mapping[str, str | int | bytes]:
    """Its parts: `key_type`, `threshold`, `members`, `public_key`."""
