"""What a cosigner works with, put together once at start."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hyperkms.access.policy.facts import Prices
from hyperkms.access.reservations import Reservations
from hyperkms.access.signed_requests import SignedRequests
from hyperkms.audit.sink import RecordSink
from hyperkms.hyperliquid.market import Market
from hyperkms.mode import Mode
from hyperkms.state.bearer_wallets import BearerWallets
from hyperkms.state.wallets import WalletRecords
from hyperkms.threshold.cosigner.asked import ReadAsked
from hyperkms.threshold.cosigner.authorities import Authorities
from hyperkms.threshold.cosigner.bans import Bans
from hyperkms.threshold.cosigner.bucket import Bucket
from hyperkms.threshold.cosigner.continuity import Continuity
from hyperkms.threshold.cosigner.copies import Copies
from hyperkms.threshold.cosigner.holding import Holding
from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.cosigner.promises import Promises
from hyperkms.threshold.cosigner.sealed_shares import SealedShares
from hyperkms.threshold.cosigner.sessions import Sessions
from hyperkms.threshold.cosigner.versions import Versions
from hyperkms.threshold.cosigner.witnessed import Witnessed
from hyperkms.wallet import Network


class Counts:
    """What was decided since the start, and where the record is."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.given = 0
        """Shares of signatures."""
        self.refused = 0
        self.log = ""
        self.lines = 0

    def gave(self) -> None:
        """One more."""
        with self._turn:
            self.given += 1

    def refuse(self) -> None:
        """One more."""
        with self._turn:
            self.refused += 1

    def wrote(self, log: str, index: int) -> None:
        """A line of this log is durable."""
        with self._turn:
            self.lines = index + 1 if log != self.log else max(self.lines, index + 1)
            self.log = log


@dataclass(frozen=True, kw_only=True)
class Cosigner:
    """One cosigner: its keys and shares, and everything by which it decides."""

    mode: Mode
    release: str
    clock: Callable[[], int]
    """Milliseconds since 1970."""
    grace_ms: int
    """How long a version that another one followed may still sign."""
    ourselves: Ourselves
    holding: Holding
    bans: Bans
    promises: Promises
    sessions: Sessions
    continuity: Continuity
    unheard: str | None
    """Why the kernel is not heard of another generation of the virtual machine; None: it is."""
    witnessed: Witnessed
    copies: Copies
    sealed: SealedShares
    wallets: WalletRecords
    versions: Versions
    bearer: BearerWallets
    signed_requests: SignedRequests
    client_generation: Callable[[], int | None]
    read_asked: ReadAsked
    authorities: Authorities
    reservations: Reservations
    markets: dict[Network, Market]
    prices: dict[Network, Prices]
    record: RecordSink
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a share comes into another state: what is said of one under the identity key is true."""
    lines: Bucket = field(default_factory=lambda: Bucket(per_s=20, burst=200))
    """For refusals, whose lines whoever connects can cause without a client."""
    witnessing: Bucket = field(default_factory=lambda: Bucket(per_s=2, burst=20))
    """For heads of the service's record: they take no room from what was refused, nor the other way round."""
    openings: Bucket = field(default_factory=lambda: Bucket(per_s=10, burst=200))
    """For ceremonies, each of which takes this process a second or so of its time."""
    test_messages: Bucket = field(default_factory=lambda: Bucket(per_s=50, burst=1_000))
    """For signatures of test messages, which ask for no client: of ten quorums after each ceremony."""
    counts: Counts = field(default_factory=Counts)
