"""What the operations work with, put together once at start."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyperkms.access.administration import Clients
from hyperkms.access.api_keys import ApiKeys
from hyperkms.access.limits import Limits
from hyperkms.access.policy.facts import Prices
from hyperkms.access.policy.store import Policies
from hyperkms.access.reservations import Reservations
from hyperkms.access.signed_requests import SignedRequests
from hyperkms.audit.log import Durability
from hyperkms.audit.manifest import Manifest
from hyperkms.audit.sink import RecordSink
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.key_copies import KeyCopies
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.native import NativeKeys
from hyperkms.hyperliquid.market import Market
from hyperkms.hyperliquid.nonces import Nonces
from hyperkms.hyperliquid.shared_nonces import SharedNonces
from hyperkms.metrics.counting import Metrics
from hyperkms.mode import Mode
from hyperkms.operations.at_hand import SignersAtHand
from hyperkms.operations.in_shares import InShares
from hyperkms.state.census import Census
from hyperkms.state.database import Database
from hyperkms.state.frozen import Frozen
from hyperkms.state.kms_keys import KmsKeysBegun
from hyperkms.state.orphans import Orphans
from hyperkms.state.requests import Requests
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.upkeep import Upkeep
from hyperkms.state.used_approvals import UsedApprovals
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import KeyType, Network


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a request that does not say gets."""

    key_type: KeyType
    network: Network | None


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """How long key versions live; milliseconds."""

    grace_ms: int
    """How long a version signs after another one became current."""
    rotate_after_ms: int | None
    """The age at which a current version is rotated by itself; None: never."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The layers below the operations."""

    mode: Mode
    defaults: Defaults
    lifetimes: Lifetimes
    replay_vectors: bool
    """Development only: a caller's action is signed without nonce window, expiry and number checks."""
    clock: Callable[[], int]
    """Milliseconds since 1970."""
    database: Database
    """The one that all of these stand on, for what has no part of its own: a second one would be fenced by nothing."""
    rows: RowSignatures
    examine_rows: Callable[[], None]
    """Once a service: look at every signed row, and tell of those that were altered. Reads all of them."""
    wallets: WalletRecords
    upkeep: Upkeep
    census: Census
    orphans: Orphans
    key_store: KeyStore
    keyring: Keyring
    native: NativeKeys | None
    """AWS KMS, for wallets whose keys are made there; None where the root key is elsewhere."""
    kms_keys: KmsKeysBegun
    first_system: FirstSystem | None
    """Where the first system kept its keys; None where no setting says."""
    copies: KeyCopies | None
    """Second copies of master keys; None where no recovery recipient is set."""
    signers: SignersAtHand
    in_shares: InShares | None
    """The cosigners; None where MPC is not enabled."""
    api_keys: ApiKeys
    signed_requests: SignedRequests
    clients: Clients
    client_generation: Callable[[], int | None]
    """A number that differs after every change of a client; None while one is under way."""
    limits: Limits
    policies: Policies
    reservations: Reservations
    approvals: UsedApprovals
    nonces: Nonces | SharedNonces
    markets: dict[Network, Market]
    prices: dict[Network, Prices]
    record: RecordSink
    manifest: Manifest
    frozen: Frozen | None
    """Why nothing is signed here; None: it may be."""
    requests: Requests
    metrics: Metrics
    records: Path
    """The folder of the record, for a status to look at."""
    durability: Durability
    """When a record counts as durable."""
    tidy_record: Callable[[], None]
    """At the start of a service: list what the release before wrote, close what dead processes left."""
    check_writable: Callable[[], None]
    """Unavailable if the database cannot be written now, or the nonce file was replaced."""
    is_sweeper: Callable[[], bool]
    """Whether this instance sweeps, of those that share the database."""
    watch: Callable[[], None]
    """Once a second: let go of keys that no longer sign, and stop remembering if changes of other processes would go
    unseen. Waits for nothing."""
    settle_changes: Callable[[], None]
    """Once a sweep: end what a process left that died in the middle of a change."""
    close: Callable[[], None]
