"""Open a data directory and put the parts together: which back end stands behind which Protocol."""

import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hyperkms import _core
from hyperkms.access.administration import Clients
from hyperkms.access.api_keys import ApiKeys, ConfiguredKey
from hyperkms.access.client_records import read_identities, read_keys
from hyperkms.access.clients import CONFIGURED, LEGACY, Role, client
from hyperkms.access.policy.facts import Prices
from hyperkms.access.policy.store import Policies
from hyperkms.access.reservations import Reservations
from hyperkms.access.signed_requests import Identities, SignedRequests
from hyperkms.audit.anchor import Anchor
from hyperkms.audit.copy import RecordCopy
from hyperkms.audit.file_sink import FileSink
from hyperkms.audit.left_logs import bring_in_order
from hyperkms.audit.log import MIB, Logs, Writing
from hyperkms.audit.log_key import LogKey
from hyperkms.audit.manifest import Manifest
from hyperkms.cli.clock import clock
from hyperkms.cli.cosigners import in_shares_of
from hyperkms.cli.counting import Counting, bring_into_the_database, open_counting
from hyperkms.cli.custody import first_system_of, native_keys_of, open_custody
from hyperkms.cli.layout import (
    ADMIN_KEY,
    COPIES,
    DATABASE,
    DATABASE_MARK,
    NONCES,
    RECORDS,
    ROWS_INDEX,
)
from hyperkms.cli.places import has_database
from hyperkms.cli.state import directory_of, open_state, take_lease
from hyperkms.cli.telling import Tell, tell_operator
from hyperkms.config import AuditStore, Config, Instances
from hyperkms.custody.key_copies import KeyCopies, read_recipient
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.log_keys import open_log_key
from hyperkms.errors import NotFound, Refused, Tampered, Unavailable
from hyperkms.hyperliquid.market import Market
from hyperkms.hyperliquid.marks import MarketPrices, Marks
from hyperkms.metrics.counting import Metrics
from hyperkms.mode import Kind, Mode
from hyperkms.operations.at_hand import MOST_SIGNERS, SignersAtHand
from hyperkms.operations.parts import Defaults, Lifetimes, Parts
from hyperkms.operations.signed_rows import RowParts, open_rows
from hyperkms.operations.spent import spent_lately
from hyperkms.state import facts
from hyperkms.state.boot import boot_id
from hyperkms.state.census import Census
from hyperkms.state.database import Database
from hyperkms.state.durable import sync
from hyperkms.state.frozen import frozen
from hyperkms.state.generation import Generation
from hyperkms.state.kind import kind_of, require_kind
from hyperkms.state.kms_keys import KmsKeysBegun
from hyperkms.state.orphans import Orphans
from hyperkms.state.remembered import Remembered
from hyperkms.state.upkeep import Upkeep
from hyperkms.state.used_approvals import UsedApprovals
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import Network

if TYPE_CHECKING:
    from hyperkms.state.instances import Lease

DAY_MS = 24 * 3600 * 1000


def assemble(
    config: Config, *, create: bool, tell: Tell = tell_operator, warn: Tell | None = None, kind: Kind | None = None
) -> Parts:
    """Open the data directory, or make it where `create` allows, and check that it is this mode's.

    It must be of this kind; what makes a directory makes a service's, unless it says otherwise, and other commands take
    one of either kind.

    1. The directory.  2. Locked memory.  3. The root key, which must be the one the database names.
    4. The database and its mode, once this instance has the right to write.  5. Nonces, clients, the record.
    """
    _open_directory(config, create=create, tell=tell)  # (1)
    protect_memory(config, tell)  # (2)
    database = open_state(config)
    counters = _core.SharedCounters.open(config.data / NONCES)
    lease = take_lease(config, database, counters, logs=warn is None)
    metrics = Metrics(config.data, workers=config.workers)
    _require_kind(database, kind or (Kind.SERVICE if create else None))
    custody = open_custody(config, database, metrics.aws_called)  # (3)
    root_key, key_store = custody.root_key, custody.key_store
    _settle_mode(config, database)  # (4)
    log_key = LogKey(open_log_key(database, root_key, now=clock(), before=custody.conditions.before))  # (5)
    counting = open_counting(config, database, counters, lease, clock)
    wallet_changes, client_changes = counting.wallet_changes, counting.client_changes
    is_service = kind_of(database) is not Kind.COSIGNER
    requests = counting.requests
    anchor = _anchor(config, metrics, warn)
    manifest = Manifest(config.data / RECORDS, log_key, clock, anchor)
    record = FileSink(
        Logs(manifest, log_key, _writing(config, emergency_mb=config.audit_emergency_mb if is_service else 0)),
        fsync=metrics.timed(os.fsync),
        observer=metrics,
        keyed=requests.transfers,
        witness=anchor,
        fence=counting.fence,
        copy=_copy_of_the_record(config, database, lease, manifest),
    )
    rows, examine_rows = open_rows(
        RowParts(
            database=database,
            root_key=root_key,
            before=custody.conditions.before,
            record=record,
            folder=config.data / RECORDS,
            index=config.data / ROWS_INDEX,
            clock=clock,
            altered=_alarm(metrics, warn),
            is_shared=config.instances is Instances.SEVERAL,
        )
    )
    wallets = WalletRecords(database, wallet_changes, rows)
    clients = Clients(database, client_changes, rows)
    _ensure_administrator(config, clients, tell, is_service=is_service)

    signers: SignersAtHand = Remembered(wallet_changes, MOST_SIGNERS)
    keyring = Keyring(root_key, key_store, opened=metrics.key_opened, conditions=custody.conditions)

    def settle_changes() -> None:
        for changes in (wallet_changes, client_changes):
            changes.settle(database)
        counting.forget_old()

    settle_changes()

    def check_writable() -> None:
        database.check_writable()
        counting.require_in_place()
        reservations.require_in_place()
        root_key.check()

    service = facts.settle(database, "service_id", secrets.token_hex(16))
    in_shares = in_shares_of(config, service, tell, create=create) if is_service else None
    reservations = _reservations(config, database, counting, tell)
    markets, prices = _markets(config)

    def close() -> None:
        if in_shares:
            in_shares.coordinator.stop()
        keyring.close()
        for part in (record, anchor, requests, counting, lease, database, metrics):
            if part is not None:
                part.close()

    parts = Parts(
        mode=config.mode,
        defaults=defaults_of(config),
        lifetimes=_lifetimes(config),
        replay_vectors=config.replay_vectors,
        clock=clock,
        database=database,
        rows=rows,
        examine_rows=examine_rows,
        wallets=wallets,
        upkeep=Upkeep(database),
        census=Census(database),
        orphans=Orphans(database),
        key_store=key_store,
        keyring=keyring,
        native=native_keys_of(config, custody, service, metrics.aws_called) if is_service else None,
        kms_keys=KmsKeysBegun(database),
        first_system=first_system_of(config, metrics.aws_called) if is_service else None,
        copies=_copies(config) if is_service else None,
        signers=signers,
        in_shares=in_shares,
        api_keys=ApiKeys(database, client_changes, partial(read_keys, rows), _configured_key(config), clock),
        signed_requests=SignedRequests(
            Identities(database, client_changes, partial(read_identities, rows), clock),
            counting.replays,
            service=service,
            window_ms=config.request_window_s * 1000,
            clock=clock,
        ),
        clients=clients,
        client_generation=client_changes.current,
        limits=counting.limits(config, _address_salt(database), metrics.limited),
        nonces=counting.nonces,
        policies=Policies(database, wallet_changes, rows),
        reservations=reservations,
        approvals=UsedApprovals(database),
        markets=markets,
        prices=prices,
        record=record,
        manifest=manifest,
        frozen=frozen(database),
        requests=requests,
        metrics=metrics,
        records=config.data / RECORDS,
        durability=config.audit_durability,
        tidy_record=partial(_tidy_record, manifest, record),
        check_writable=check_writable,
        is_sweeper=counting.is_sweeper,
        watch=_watch(keyring, signers, (wallet_changes, client_changes)),
        settle_changes=settle_changes,
        close=close,
    )
    bring_into_the_database(config, parts)
    return parts


def _watch(keyring: Keyring, signers: SignersAtHand, changes: Sequence[Generation]) -> Callable[[], None]:
    def watch() -> None:
        if keyring.keep_leases():
            signers.forget()
        for kind in changes:
            kind.watch()
        signers.tidy()

    return watch


def _require_kind(database: Database, wanted: Kind | None) -> None:
    if wanted is not None:
        require_kind(database, wanted)


def _reservations(config: Config, database: Database, counting: Counting, tell: Tell) -> Reservations:
    """The meters of limits over time, with everything counted that the record of the last days has."""
    reservations = Reservations(database, counting.meters, clock, boot=counting.meters_since)
    counted = reservations.ensure_whole(lambda: spent_lately(config.data / RECORDS, clock()))
    if counted:
        tell(f"hyperkms: limits over time were counted again from the record: {counted} signatures")
    return reservations


def _markets(config: Config) -> tuple[dict[Network, Market], dict[Network, Prices]]:
    """Assets and prices of both networks, read when they are first needed."""
    urls = {Network.MAINNET: config.mainnet_url, Network.TESTNET: config.testnet_url}
    markets = {network: Market(url, clock) for network, url in urls.items()}
    prices: dict[Network, Prices] = {
        network: MarketPrices(market, Marks(urls[network], market, clock)) for network, market in markets.items()
    }
    return markets, prices


def _writing(config: Config, *, emergency_mb: int) -> Writing:
    return Writing(
        release=version("hyperkms"),
        boot=boot_id(),
        durability=config.audit_durability,
        segment_bytes=config.audit_segment_mb * MIB,
        processes=config.workers,
        emergency_bytes=emergency_mb * MIB,
    )


def _copy_of_the_record(
    config: Config, database: Database, lease: "Lease | None", manifest: Manifest
) -> RecordCopy | None:
    if config.audit_store is not AuditStore.DATABASE or lease is None:
        return None
    from hyperkms.state.record_chunks import RecordChunks  # noqa: PLC0415 (PostgreSQL alone has them)

    return RecordCopy(RecordChunks(database, directory_of(config), lambda: lease.epoch), manifest)


def _tidy_record(manifest: Manifest, record: FileSink) -> None:
    bring_in_order(manifest)
    record.keep_space_ahead()


def _anchor(config: Config, metrics: Metrics, warn: Tell | None) -> Anchor | None:
    """The one that is configured. Where it cannot be written the log is told each time; or `warn`, once.

    A command has no log: its standard output is for its answer.
    """
    if config.audit_anchor is None:
        return None
    is_told = threading.Event()

    def log_fault(why: str | None) -> None:
        import structlog  # noqa: PLC0415 (a tenth of a second, for a service alone)

        log = structlog.stdlib.get_logger("hyperkms.record")
        if why is None:
            log.info("anchor-written-again")
        else:
            log.error("anchor-failed", error=why)

    def failed(why: str | None) -> None:
        if why is not None:
            metrics.anchor_failed()
        if warn is None:
            log_fault(why)
        elif why is not None and not is_told.is_set():
            is_told.set()
            warn(f"hyperkms: the anchor cannot be written, and the record goes on without it: {why}")

    return Anchor(config.audit_anchor, failed=failed)


def _alarm(metrics: Metrics, warn: Tell | None) -> Callable[[Tampered], None]:
    """Counts what is not as it was signed, and says so in the log; a command has none, and tells who called it."""

    def altered(why: Tampered) -> None:
        metrics.row_altered()
        if warn is not None:
            warn(f"hyperkms: {why.message}")
            return
        import structlog  # noqa: PLC0415 (as in `_anchor`)

        structlog.stdlib.get_logger("hyperkms.rows").error(why.code, error=why.message, **why.details)

    return altered


def defaults_of(config: Config) -> Defaults:
    """What a request that does not say gets."""
    return Defaults(key_type=config.default_key_type, network=config.default_network)


def _lifetimes(config: Config) -> Lifetimes:
    days = config.rotate_after_days
    return Lifetimes(
        grace_ms=round(config.grace_days * DAY_MS), rotate_after_ms=None if days is None else round(days * DAY_MS)
    )


def _open_directory(config: Config, *, create: bool, tell: Tell) -> None:
    data = config.data
    if data.is_dir():
        _require_writable(data)
    if not has_database(config):
        if not create:
            words = f"{data} is no data directory of hyperkms: name yours with --data or HYPERKMS_DATA, or make one"
            raise NotFound("no-data-directory", f"{words} with `hyperkms serve`")
        _require_new(config)
        tell(f"hyperkms: making a new data directory at {data}")
        try:
            _make_directory(data)
        except OSError as error:
            raise Unavailable("data-directory-unavailable", f"{data}: {error.strerror}") from error
    if data.stat().st_mode & 0o077:
        raise Refused("data-directory-permissions", f"{data} is open to other users: chmod 700 {data}")


def _require_writable(data: Path) -> None:
    """Every command writes: counters are drawn and locks are taken, also by those that only look."""
    if os.access(data, os.W_OK | os.X_OK):
        return
    if os.statvfs(data).f_flag & os.ST_RDONLY:
        words = "it is on a read-only file system: mount that for writing"
    else:
        words = "this user may not write there: run as the user that owns it, or chown it"
    raise Unavailable("data-directory-not-writable", f"{data} cannot be written to; {words}")


def _require_new(config: Config) -> None:
    """Refuse to begin anew where a database once was: its wallets, nonces and clients would be forgotten."""
    for name in (NONCES, ADMIN_KEY):  # made after the database, so no start that was cut off leaves them without it
        if (config.data / name).exists() and not has_database(config):  # another first start may have made both now
            missing = DATABASE if config.database is None else DATABASE_MARK
            words = f"{config.data} has the file {name} and no database: put {missing} back from a backup"
            raise Tampered("database-missing", f"{words}, or name an empty directory")


def _make_directory(path: Path) -> None:
    """Make it and those above it, each durable in the one that holds it."""
    if path.is_dir():
        return
    _make_directory(path.absolute().parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.absolute().parent)


def protect_memory(config: Config, tell: Tell) -> None:
    """Make the memory for keys; Unavailable in production where it cannot be locked."""
    protection = _core.start_memory(config.memory_lock)
    if protection.lock != "none":
        return
    words = "memory for keys could not be locked (raise RLIMIT_MEMLOCK to at least 512 KiB)"
    if config.mode is Mode.PRODUCTION:
        raise Unavailable("memory-unprotected", words)
    tell(f"hyperkms: warning: {words}")


def _copies(config: Config) -> KeyCopies | None:
    if config.recovery_recipient is None:
        return None
    return KeyCopies(config.data / COPIES, read_recipient(config.recovery_recipient))


def _address_salt(database: Database) -> bytes:
    return bytes.fromhex(facts.settle(database, "address_salt", secrets.token_hex(16)))


def _settle_mode(config: Config, database: Database) -> None:
    standing = facts.settle(database, "mode", config.mode.value)
    if standing != config.mode.value:
        raise Refused(
            "wrong-mode",
            f"{config.data} was made for {standing} and stays so for ever; this is {config.mode.value}: "
            f"set HYPERKMS_ENV={standing}, or name another directory with --data",
        )


def _configured_key(config: Config) -> ConfiguredKey | None:
    if config.api_key is None:
        return None
    if config.mode is Mode.DEVELOPMENT:
        return ConfiguredKey(config.api_key, client(CONFIGURED, Role.ADMINISTRATOR))
    return ConfiguredKey(config.api_key, client(LEGACY, Role.LEGACY))


def _ensure_administrator(config: Config, clients: Clients, tell: Tell, *, is_service: bool) -> None:
    """A cosigner serves no HTTP, so that nobody needs a key of it."""
    if not is_service:
        return
    path = config.data / ADMIN_KEY

    def publish(key: str) -> None:
        draft = path.with_name(ADMIN_KEY + ".draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        if sys.stderr.isatty():
            tell(f"hyperkms: the administrator's API key is {key}")

    if clients.ensure_administrator(publish, now=clock()):
        tell(f"hyperkms: the administrator's API key is in {path} (mode 0600)")
