"""What counts and remembers for all processes: mapped files of this host, or the database that instances share."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperkms import _core
from hyperkms.access.limits import Limits, What
from hyperkms.cli.directories import has_several, let_several
from hyperkms.cli.layout import METERS, REPLAYS, REQUESTS, SHARED
from hyperkms.config import Config, Instances
from hyperkms.http.left_requests import recover_left
from hyperkms.hyperliquid.nonces import Nonces
from hyperkms.hyperliquid.shared_nonces import SharedNonces
from hyperkms.operations.parts import Parts
from hyperkms.state.boot import boot_id
from hyperkms.state.confirmed import CLIENTS, WALLETS, Confirmed, Elsewhere
from hyperkms.state.database import Database
from hyperkms.state.generation import CLIENT_CHANGES, WALLET_CHANGES, Generation
from hyperkms.state.replays import Replays
from hyperkms.state.requests import Requests
from hyperkms.state.shared_cells import SharedCells
from hyperkms.state.shared_meters import SharedMeters
from hyperkms.state.shared_replays import SharedReplays

if TYPE_CHECKING:
    from hyperkms.state.instances import Lease


@dataclass(frozen=True, kw_only=True)
class Counting:
    """The parts that differ by whether other instances count with this one."""

    wallet_changes: Generation
    client_changes: Generation
    nonces: Nonces | SharedNonces
    meters: _core.Meters | SharedMeters
    meters_since: str | None
    """Since when their amounts are whole: this boot; None where the system does not tell."""
    cells: SharedCells | None
    shared: _core.SharedCounters
    replays: Replays | SharedReplays
    requests: Requests
    fence: Callable[[], None] | None
    """Unavailable while this process may release nothing."""
    is_sweeper: Callable[[], bool]
    forget_old: Callable[[], None]
    """Once a sweep."""
    require_in_place: Callable[[], None]
    """Unavailable if a file that counts was replaced."""
    close: Callable[[], None]

    def limits(self, config: Config, salt: bytes, refused: Callable[[What], None]) -> Limits:
        """The limits of clients."""
        return Limits(self.shared, config.limits, salt, time.time_ns, refused=refused, shared=self.cells)


def open_counting(
    config: Config, database: Database, counters: _core.SharedCounters, lease: "Lease | None", clock: Callable[[], int]
) -> Counting:
    """In the database if this instance shares it, and has its lease by now."""
    shared = _core.SharedCounters.open(config.data / SHARED)
    if config.instances is Instances.SEVERAL and lease is not None:
        return _in_the_database(config, database, shared, lease, clock)
    meters = _core.Meters.open(config.data / METERS)
    replays = Replays(database, config.data / REPLAYS, clock)
    nonces = Nonces(database, counters, clock, boot=boot_id())
    requests = Requests(database, config.data / REQUESTS)

    def require_in_place() -> None:
        counters.require_in_place()
        shared.require_in_place()
        replays.check()

    return Counting(
        wallet_changes=Generation(shared, WALLET_CHANGES),
        client_changes=Generation(shared, CLIENT_CHANGES),
        nonces=nonces,
        meters=meters,
        meters_since=boot_id(),
        cells=None,
        shared=shared,
        replays=replays,
        requests=requests,
        fence=None if lease is None else lease.require,
        is_sweeper=lambda: True,
        forget_old=lambda: None,
        require_in_place=require_in_place,
        close=nonces.close,
    )


def _in_the_database(
    config: Config, database: Database, shared: _core.SharedCounters, lease: "Lease", clock: Callable[[], int]
) -> Counting:
    confirmed = Confirmed(database)
    confirmed.keep()
    meters, replays = SharedMeters(database), SharedReplays(database, clock)
    nonces = SharedNonces(database, clock)

    def fence() -> None:
        lease.require()
        confirmed.require()

    def close() -> None:
        for part in (nonces, meters, replays, confirmed):
            part.close()

    return Counting(
        wallet_changes=Generation(shared, WALLET_CHANGES, Elsewhere(confirmed, WALLETS)),
        client_changes=Generation(shared, CLIENT_CHANGES, Elsewhere(confirmed, CLIENTS)),
        nonces=nonces,
        meters=meters,
        meters_since="shared",
        cells=SharedCells(database),
        shared=shared,
        replays=replays,
        requests=Requests(database, config.data / REQUESTS, epoch=lambda: lease.epoch),
        fence=fence,
        is_sweeper=lease.is_first,
        forget_old=replays.forget_old,
        require_in_place=shared.require_in_place,
        close=close,
    )


def bring_into_the_database(config: Config, parts: Parts) -> None:
    """With the first start in that way: what the files of this directory counted is there, and others may join."""
    if config.instances is Instances.SEVERAL and not has_several(parts.database):
        recover_left(parts)
        let_several(parts.database)
