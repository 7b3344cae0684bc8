"""The typed face of the core: opaque handles, sealed bytes, public keys and signatures.

Nothing here returns a secret. Every function raises the errors of `hyperkms.errors`; all release the
GIL while they compute or read a file, but for signatures of up to 4 KiB, which take microseconds. Byte
strings are big-endian.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Literal, TypeAlias, final

_KeyType: TypeAlias = Literal["ed25519", "secp256k1"]
_Binding: TypeAlias = Literal["none", "mainnet", "testnet", "any"]
_Origin: TypeAlias = Literal["generated", "imported"]
_Signed: TypeAlias = tuple[str, str]
"""A signature and the 32 bytes that were signed, each as 0x and hex digits."""

@final
class Protection:
    """What guards the secret arena of this process."""

    @property
    def lock(self) -> Literal["memfd_secret", "mlock", "none"]: ...
    @property
    def private(self) -> bool:
        """True where neither core dumps nor forks carry the pages."""
    @property
    def size(self) -> int:
        """Bytes."""

@final
class Context:
    """What a sealed key is for; bound into every seal as associated data.

    Malformed unless wallet is `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, version at least 1, and network
    "none" exactly for ed25519.
    """

    def __new__(
        cls, *, wallet: str, version: int, key_type: _KeyType, network: _Binding, origin: _Origin
    ) -> Context: ...
    @staticmethod
    def of_log_key() -> Context:
        """That of the key with which a data directory signs its record; any other context is a wallet's."""
    @property
    def purpose(self) -> Literal["private key", "log key", "store key", "cosigner identity"]: ...
    @property
    def wallet(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def key_type(self) -> _KeyType: ...
    @property
    def network(self) -> _Binding: ...
    @property
    def origin(self) -> _Origin: ...

@final
class DataKey:
    """32 random bytes that seal one key version; opaque, sealed in memory."""

@final
class KmsForm:
    """What a key that AWS KMS keeps is asked to sign, hashed by the core, and the judge of what is answered.

    `public_key` is that of the key version. Nothing here is secret, and no form takes a digest from outside.
    """

    @staticmethod
    def l1(
        public_key: bytes,
        msgpack: bytes,
        *,
        nonce: int,
        vault: bytes | None,
        expires_after: int | None,
        network: Literal["mainnet", "testnet"],
    ) -> KmsForm:
        """An L1 action, as `sign_l1`."""
    @staticmethod
    def user_action(
        public_key: bytes,
        *,
        primary_type: str,
        values: Sequence[bool | int | str],
        signature_chain_id: int,
        network: Literal["mainnet", "testnet"],
    ) -> KmsForm:
        """A user-signed action, as `sign_user_action`."""
    @staticmethod
    def eip191(public_key: bytes, message: bytes) -> KmsForm:
        """The EIP-191 form of a message, as `sign_eip191`."""
    @staticmethod
    def ed25519(public_key: bytes, message: bytes) -> KmsForm:
        """Bytes as they are; Malformed for more than 4096, Refused as by `sign_ed25519_message`."""
    @property
    def asked(self) -> bytes:
        """The `Message` of the call: the 32-byte digest (MessageType DIGEST), or the bytes (RAW)."""
    def accept(self, answered: bytes) -> _Signed:
        """The signature that KMS answered, in the form of the other wallets: 64 bytes, or 65 with s low and its v.

        Tampered `kms-signature-wrong` unless `answered` is one by this very key of this very message: 64 bytes, or DER
        of ECDSA in its one form.
        """

@final
class LocalRootKey:
    """A root key in a local file of 32 bytes, mode 0600; opaque, sealed in memory."""

    @staticmethod
    def create(path: str | PathLike[str]) -> LocalRootKey:
        """Make the file, durable and complete on return; Conflict if the path exists."""
    @staticmethod
    def open(path: str | PathLike[str]) -> LocalRootKey:
        """Open the file; Refused unless it is this user's own with mode 0600 or 0400."""
    @property
    def id(self) -> str:
        """`file:` and 32 hex digits derived from the key."""
    def new_data_key(self, context: Context) -> tuple[DataKey, bytes]:
        """A fresh data key and its wrapped form (93 bytes), bound to the context."""
    def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """Open a wrapped data key; Tampered unless this root key wrapped it for this context."""

@final
class KmsClient:
    """Sends signed requests to AWS KMS and reads its answers, which bear data keys. Nothing secret is kept."""

    def __new__(cls, *, trusted: bytes, proxy: str | None, connect_ms: int) -> KmsClient:
        """`trusted`: PEM certificates of authorities; `proxy`: an http:// address; milliseconds for a connection."""
    def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, within_ms: int) -> KmsAnswer:
        """Post it, over a connection of its own; whatever status was answered.

        Unavailable `kms-unreachable` without an answer in that many milliseconds, `kms-answer-malformed` when it is
        not one of KMS; Refused for an address that is neither https nor this machine.
        """

@final
class KmsAnswer:
    """What AWS KMS answered, but for messages, which name resources."""

    @property
    def status(self) -> int:
        """That of HTTP."""
    @property
    def refusal(self) -> str | None:
        """The code of an error, such as `AccessDeniedException`."""
    @property
    def key_id(self) -> str | None:
        """The ARN of the KMS key that was used."""
    @property
    def wrapped(self) -> bytes | None:
        """The data key, wrapped (CiphertextBlob)."""
    def take_data_key(self) -> DataKey | None:
        """The data key, once; None if there is none, or it was taken."""

@final
class FirstSystemAnswer:
    """What AWS KMS answered to a Decrypt of a key of the first system; the key is at rest in memory, if it is one."""

    @property
    def status(self) -> int:
        """That of HTTP."""
    @property
    def refusal(self) -> str | None:
        """The code of an error."""
    @property
    def key_id(self) -> str | None:
        """The ARN of the KMS key that was used."""
    def public_key(self, recorded: bytes | None) -> bytes:
        """That of the key, 32 bytes.

        Tampered `first-system-key-malformed` unless the plaintext is 128 hex digits, a seed and its public key;
        `first-system-key-mismatch` unless that is the recorded one, where one is recorded.
        """
    def seal(
        self, context: Context, data_key: DataKey, wrapped: bytes, root_key_id: str, *, recorded: bytes | None
    ) -> bytes:
        """A sealed key with it, for the context of an imported Ed25519 key; Tampered as above."""

def ask_first_system(
    client: KmsClient, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, within_ms: int
) -> FirstSystemAnswer:
    """`KmsClient.send` for a key of the first system."""

@final
class FirstSystemShare:
    """What AWS KMS answered to a Decrypt of a share of the first system."""

    @property
    def status(self) -> int:
        """That of HTTP."""
    @property
    def refusal(self) -> str | None:
        """The code of an error."""
    @property
    def key_id(self) -> str | None:
        """The ARN of the KMS key that was used."""
    @property
    def copy(self) -> bytes | None:
        """The share, encrypted to the recipient (docs/formats.md); None if there is none, or it is longer than any."""

def copy_first_system_share(
    client: KmsClient,
    request: tuple[str, Sequence[tuple[str, str]], bytes],
    *,
    within_ms: int,
    wallet: str,
    recipient: str,
) -> FirstSystemShare:
    """`KmsClient.send` for a share of the first system: address, headers and body.

    Malformed `malformed-recipient` for a recipient that is none.
    """

@final
class SealedHeader:
    """What anyone can read of a sealed key; not to be trusted before it has been opened."""

    @property
    def context(self) -> Context: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def root_key_id(self) -> str: ...
    @property
    def wrapped(self) -> bytes: ...

@final
class KeyHandle:
    """A private key that may be used, never seen; sealed in memory while idle."""

    @property
    def context(self) -> Context: ...
    @property
    def public_key(self) -> bytes:
        """32 bytes (RFC 8032), or 33 bytes (SEC 1 compressed)."""

@final
class SharedCounters:
    """Counters in a mapped file that all processes of a host share; nothing secret."""

    @staticmethod
    def open(path: str | PathLike[str]) -> SharedCounters:
        """Map the file, made whole (1 MiB) if it is not there."""
    @property
    def file(self) -> str:
        """Device and inode of the file: a name that no other file of this machine has at the same time."""
    def draw(self, counter: int, *, now: int, limit: int) -> int:
        """max(now, last + 1), atomically; Unavailable when that is past `limit`. Milliseconds."""
    def require_in_place(self) -> None:
        """Unavailable when the file at the path is no longer the one that is mapped."""
    def raise_to(self, counter: int, *, floor: int) -> None:
        """Never draw `floor` or anything below it again."""
    def read(self, counter: int) -> int:
        """The value as it stands."""
    def settled(self, taken: int, finished: int) -> int | None:
        """The value of `taken`; None if `finished` is less."""
    def add(self, counter: int, *, amount: int) -> int:
        """Add, atomically; the new value."""
    def observe(self, bucket: int, *, total: int, amount: int) -> None:
        """Add one to a histogram's bucket and `amount` to its sum."""
    def observe_spans(self, first: int, *, bounds: Sequence[int], stamps: Sequence[int]) -> None:
        """Add each span between two following stamps to a histogram of its own.

        The histograms lie one after the other from `first`: a cell for each bound, one for the rest, one for the sum.
        """
    def take_window(self, counter: int, *, amount: int, now: int, limit: int, period: int) -> tuple[bool, int, int]:
        """Take `amount` of the `limit` (below 2**22) of a window that begins with the first one taken.

        All or nothing: (granted, what is left, milliseconds until the window ends).
        """
    def take_bucket(self, counter: int, *, amount: int, now: int, interval: int, burst: int) -> tuple[bool, int, int]:
        """Take tokens of a bucket that holds `burst` and gains one every `interval` nanoseconds.

        All or nothing: (granted, what is left, nanoseconds until it is full, or until it would be granted).
        """

_Demand: TypeAlias = tuple[int, int, int | None, int, int]
"""Meter, period, end (None: it counts for the period), amount, limit. Times are milliseconds, numbers below 2**64."""

@final
class Meters:
    """What was spent lately, in a mapped file that all processes of a host share; nothing secret.

    An amount counts for its whole period, and up to a sixtieth of that longer. A process that dies in the
    middle leaves too much counted, never too little.
    """

    @staticmethod
    def open(path: str | PathLike[str]) -> Meters:
        """Map the file, made whole (8 MiB: meters 1 to 8191) if it is not there."""
    @property
    def file(self) -> str:
        """Device and inode of the file."""
    def require_in_place(self) -> None:
        """Unavailable when the file at the path is no longer the one that is mapped."""
    def reserve(self, demands: list[_Demand], *, now: int) -> int | tuple[int, int, int | None]:
        """Reserve all, and answer from when on they count: now, or later if others have asked since with a later clock.

        Or nothing: then (place of the demand that lacks, what its meter counts, milliseconds to wait). None for the
        wait: more is asked for than the limit ever gives. Unavailable while a stopped process holds the lock.
        """
    def lacks(self, demands: list[_Demand], *, now: int) -> tuple[int, int, int | None] | None:
        """What `reserve` would say to each demand by itself; nothing is taken."""
    def count(self, demands: list[_Demand], *, now: int) -> int:
        """Count all, whatever the limits; answers from when on."""
    def give_back(self, demands: list[_Demand], *, then: int) -> None:
        """Take back what counts from `then` on."""
    def used(self, demand: _Demand, *, now: int) -> int:
        """What the demand's meter counts now."""
    def clear(self) -> None:
        """Nothing is spent any more by any meter."""

@final
class RequestKey:
    """A client's key for signing its requests, or an approver's; opaque, sealed in memory, and of no other use."""

    @staticmethod
    def create(path: str | PathLike[str]) -> RequestKey:
        """Make a new key in a new file of mode 0600, durable on return; Conflict if the path exists."""
    @staticmethod
    def open(path: str | PathLike[str]) -> RequestKey:
        """Open the file; Refused unless it is this user's own with mode 0600 or 0400."""
    @property
    def public_key(self) -> bytes:
        """32 bytes (RFC 8032)."""
    def sign(
        self, service: str, *, time: int, method: bytes, target: bytes, body: bytes, idempotency_key: bytes
    ) -> str:
        """The value of the Hyperkms-Signature header of one request, under a new random id.

        `service` is the service's id (32 hex digits), `time` milliseconds since 1970, `target` path and query as they
        are sent, `idempotency_key` empty where that header is not sent.
        """
    def approve(
        self,
        *,
        wallet: str,
        network: Literal["mainnet", "testnet"],
        vault: bytes | None,
        action: bytes,
        time: int,
        until: int,
    ) -> str:
        """An approval of one action, as text, under a new random id; see `Approval.verify`."""

@final
class RequestSignature:
    """A Hyperkms-Signature header that was read; true only once `verify` has returned."""

    @staticmethod
    def read(header: bytes) -> RequestSignature | None:
        """None unless it is exactly of the documented form."""
    @property
    def key(self) -> str:
        """The fingerprint of the key that is said to have signed: 16 hex digits."""
    @property
    def service(self) -> str:
        """The id of the service for which it was signed: 32 hex digits."""
    @property
    def time(self) -> int:
        """Milliseconds since 1970."""
    @property
    def id(self) -> str:
        """Which request of that key and moment: 16 to 64 characters."""
    def verify(self, public_key: bytes, *, method: bytes, target: bytes, body: bytes, idempotency_key: bytes) -> None:
        """Tampered with code `signature-wrong` unless this key signed exactly this request."""

@final
class Approval:
    """An approval that was read; true only once `verify` has returned."""

    @staticmethod
    def read(text: bytes) -> Approval | None:
        """None unless it is exactly of the documented form."""
    @property
    def key(self) -> str:
        """The fingerprint of the key that is said to have signed: 16 hex digits."""
    @property
    def time(self) -> int:
        """When it was made by the approver's clock, milliseconds since 1970."""
    @property
    def until(self) -> int:
        """Milliseconds since 1970: from then on it counts no more."""
    @property
    def id(self) -> str:
        """Which approval of that key: 32 hex digits."""
    def verify(
        self,
        public_key: bytes,
        *,
        wallet: str,
        network: Literal["mainnet", "testnet"],
        vault: bytes | None,
        action: bytes,
    ) -> None:
        """Tampered with code `signature-wrong` unless this key approved exactly this.

        `action` is msgpack as it is hashed, with the nonce 0 wherever the action repeats its nonce; `vault` 20 bytes.
        """

@final
class SharedReplays:
    """Which signed requests were accepted, in a mapped file that all processes of a host share; nothing secret."""

    @staticmethod
    def open(path: str | PathLike[str], boot: bytes) -> SharedReplays | None:
        """Map the file; None if there is none that was made in this boot (16 bytes) of the machine."""
    @staticmethod
    def create(path: str | PathLike[str], boot: bytes, *, now: int, floor: int) -> None:
        """Put a new file (16 MiB) in the place of whatever is there; only one process may do so at a time."""
    @property
    def floor(self) -> int:
        """Milliseconds since 1970: what was accepted up to then is not remembered here."""
    def take(self, signature: RequestSignature) -> bool:
        """Whether a request is accepted now, and so never again: exact over all processes.

        Its time must be in the window still when this has returned. Unavailable if there is no room, or if the file
        at the path is no longer the one that is mapped.
        """
    def require_in_place(self) -> None:
        """Unavailable when the file at the path is no longer the one that is mapped."""

def request_key_fingerprint(public_key: bytes) -> str:
    """The first 16 hex digits of its SHA-256; Malformed for what vouches for nobody: a point of small order."""

def start_memory(lock: Literal["auto", "memfd_secret", "mlock"]) -> Protection:
    """Make this process's secret arena; Refused if it exists in another mode."""

def memory_protection() -> Protection:
    """What is in force; makes the arena if there is none."""

def harden_process() -> None:
    """No core files and, on Linux, no ptrace by the same user; Unavailable if that fails."""

def use_one_heap() -> None:
    """Let all threads of this process allocate from one heap (glibc): call it before there are threads."""

def is_in_memory(path: str | PathLike[str]) -> bool:
    """Whether the file system of a path is in memory, so that no device can keep a write waiting (tmpfs)."""

def allocate_ahead(descriptor: int, size: int) -> None:
    """Allocate the first `size` bytes of an open file, whose length stays: appending then takes no new block.

    OSError where there is no room (ENOSPC, EDQUOT), or the file system cannot (EOPNOTSUPP).
    """

def generate_key(context: Context, data_key: DataKey, wrapped: bytes, root_key_id: str) -> bytes:
    """A new key, sealed (format v1 of docs/formats.md)."""

def import_key(
    path: str | PathLike[str], context: Context, data_key: DataKey, wrapped: bytes, root_key_id: str
) -> bytes:
    """The key of a file of 64 hex digits (`-`: standard input), sealed.

    Refused unless the file is this user's own with mode 0600 or 0400.
    """

def reseal_key(
    sealed_key: bytes,
    context: Context,
    data_key: DataKey,
    *,
    new_data_key: DataKey,
    wrapped: bytes,
    root_key_id: str,
) -> bytes:
    """The same key sealed anew, under another data key; Tampered as for `open_sealed_key`."""

def copy_key(sealed_key: bytes, context: Context, data_key: DataKey, recipient: str) -> bytes:
    """The key in a copy that only the recovery program opens, with the key behind `recipient` (docs/recovery.md).

    Malformed unless the recipient is what `hyperkms-recover` printed; Tampered as for `open_sealed_key`.
    """

def recipient_fingerprint(recipient: str) -> str:
    """As people read it to each other: 8 groups of 4 hex digits."""

def inspect_sealed_key(sealed: bytes) -> SealedHeader:
    """Read the header; Tampered if the bytes are no sealed key."""

def open_sealed_key(sealed: bytes, context: Context, data_key: DataKey) -> KeyHandle:
    """Open a sealed key; Tampered unless it is exactly the one of this context, unchanged."""

def sign_l1(
    handle: KeyHandle,
    msgpack: bytes,
    *,
    nonce: int,
    vault: bytes | None,
    expires_after: int | None,
    network: Literal["mainnet", "testnet"],
) -> _Signed:
    """Hash and sign an L1 action as `sign_l1_action` of the official Python SDK does.

    `msgpack` is the canonical action, `vault` 20 bytes, nonce and expires_after milliseconds.
    Refused for another network than the key is bound to, and for an ed25519 key. The 65 bytes are r, s, v: RFC 6979
    nonce, s in the lower half of the order, v 27 or 28.
    """

def sign_user_action(
    handle: KeyHandle,
    *,
    primary_type: str,
    values: Sequence[bool | int | str],
    signature_chain_id: int,
    network: Literal["mainnet", "testnet"],
) -> _Signed:
    """Hash and sign a user-signed action (EIP-712) as `sign_user_signed_action` of the official Python SDK does.

    `primary_type` is the name after `HyperliquidTransaction:`; only those of the core's own table are signed. `values`
    are its members' in order, without hyperliquidChain, which the network says; addresses and bytes are 0x and hex.
    Refused for another network than the key is bound to, and for an ed25519 key.
    """

def sign_eip191(handle: KeyHandle, message: bytes) -> _Signed:
    """Sign the EIP-191 (version 0x45) form of a message, which no action can have."""

def sign_ed25519_message(handle: KeyHandle, message: bytes) -> _Signed:
    """The 64 bytes of RFC 8032 section 5.1.6 (R, S); Refused for a secp256k1 key.

    Refused for a message that begins as a signed request does too. Pure Ed25519 signs the message itself; what stands
    for it as digest is its SHA-256.
    """

def store_key_context() -> Context:
    """That of the key with which a database signs its rows."""

def sign_rows(handle: KeyHandle, kind: str, subject: str, sequence: int, rows: bytes) -> bytes:
    """The store key's signature of a subject's rows, 64 bytes; Refused for a key of any other purpose.

    Malformed for a kind or an id that is empty or longer than 255 bytes, and for sequence 0.
    """

def verify_rows(public: bytes, kind: str, subject: str, sequence: int, rows: bytes, signature: bytes) -> None:
    """Tampered with `signature-wrong` unless it is that signature, by the store key of this public key."""

def sign_tree_head(handle: KeyHandle, log: bytes, size: int, root: bytes, time: int) -> str:
    """Sign a tree head of docs/formats.md by the log key; Refused for a wallet's key. 0x and 128 hex digits.

    `log` is 16 bytes, `root` 32, `time` milliseconds. The bytes that are signed are built here.
    """

def sign_manifest_entry(handle: KeyHandle, index: int, prev: bytes, entry: bytes) -> str:
    """The same for an entry of the manifest: its number, the 32-byte hash of the line before, the text of the entry."""

def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Tampered with code `signature-wrong` unless the 64 bytes (R, S) are a signature of the message by the key.

    Strict where RFC 8032 section 5.1.7 leaves a choice: the equation without the cofactor, S below the group order,
    key and R canonical and not of small order.
    """

def read_kms_public_key(key_type: _KeyType, der: bytes) -> bytes:
    """32 or 33 bytes, of a SubjectPublicKeyInfo; Tampered `kms-public-key-wrong` unless it is its type's one form."""

def keccak256(data: bytes) -> bytes:
    """32 bytes."""

def address(public_key: bytes) -> bytes:
    """The 20-byte Ethereum address of a secp256k1 public key (33 bytes compressed)."""
