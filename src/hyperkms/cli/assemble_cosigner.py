"""Open a cosigner's data directory and put its parts together, on those of any data directory."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import hyperkms_cosign as cosign

from hyperkms import _core
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import IDENTITY, RECORDS, SHARED
from hyperkms.cli.sealed_shares import sealed_shares
from hyperkms.cli.share_root_key import identified, share_root_key
from hyperkms.cli.telling import Tell, tell_operator
from hyperkms.config import Config
from hyperkms.custody.leases import Terms
from hyperkms.custody.root_change import begun
from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.http.asked_for import asked_for
from hyperkms.mode import Kind, Mode
from hyperkms.operations.parts import Parts
from hyperkms.state import facts
from hyperkms.state.ban_rows import BanRows
from hyperkms.state.bearer_wallets import BearerWallets
from hyperkms.state.boot import boot_id, since_boot
from hyperkms.state.database import Database
from hyperkms.state.durable import create_file
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.peer_heads import PeerHeads
from hyperkms.state.share_rows import ShareRows
from hyperkms.state.vm_generation import VmGeneration, listen, receive_from
from hyperkms.threshold.cosigner.authorities import Authorities
from hyperkms.threshold.cosigner.bans import Bans
from hyperkms.threshold.cosigner.continuity import Boot, ClockSet, Continuity, Sign
from hyperkms.threshold.cosigner.copies import Copies
from hyperkms.threshold.cosigner.holding import Holding
from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.promises import Promises
from hyperkms.threshold.cosigner.remembering import promised_lately
from hyperkms.threshold.cosigner.root_key import ShareRootKey, fresh, open_identity
from hyperkms.threshold.cosigner.sealed_shares import SealedShares
from hyperkms.threshold.cosigner.sessions import Sessions
from hyperkms.threshold.cosigner.versions import Versions
from hyperkms.threshold.cosigner.witnessed import Witnessed
from hyperkms.threshold.group import Group, parse_group, read_group

GROUP = "group.json"
NEXT_GROUP = "group.next.json"
"""While a replacement is under way: the group to which the shares are being bound."""
LOCK = "cosigner.lock"
COPIES = "copies"
"""A folder of second copies of shares, for an offline recipient."""
RECORD_MARK = "cosigner"
"""A file in the folder of the record that says whose it is."""
_RECORD = "record_mark"


@dataclass(frozen=True)
class Directory:
    """A cosigner's directory with its keys open: what `init` makes, and `serve` goes on with."""

    parts: Parts
    root: ShareRootKey
    identity: cosign.Identity
    lock: str
    """What guards the memory of shares."""
    sealed: SealedShares


@contextmanager
def opened_directory(config: Config, tell: Tell = tell_operator, *, create: bool = True) -> Iterator[Directory]:
    """Open it, or, where `create` allows, make it with its root key and identity key; closed at the end."""
    parts = assemble(config, create=create, tell=tell, kind=Kind.COSIGNER)
    try:
        _require_settled(parts.database)
        lock = protect_shares(config, tell)
        root = share_root_key(config, parts)
        identity = _identity(config.data / IDENTITY, root)
        sealed = sealed_shares(config, parts, identity.public_key)
        yield Directory(parts, identified(root, identity), identity, lock, sealed)
    finally:
        parts.close()


def settle_group(config: Config, given: Path | None) -> Group:
    """The group of the directory: the one that its operator joined, or, in development, that was given first.

    NotFound if there is none yet; Refused for another one, or while a member is being replaced.
    """
    path = config.data / GROUP
    if (config.data / NEXT_GROUP).exists():
        words = "the replacement of a member was cut off here: give the same `hyperkms mpc join --replace` once more"
        raise Refused("replacement-unfinished", words)
    group = None if given is None else read_group(given)
    if group is not None and config.mode is Mode.DEVELOPMENT and not path.exists():
        with suppress(Conflict):  # another start of this moment has made it
            create_file(path, group.describe())
    standing = standing_group(config.data)
    if standing is None:
        words = "this cosigner knows no group yet: compare the description's fingerprint with the other operators and"
        raise NotFound("group-not-found", f"{words} give it with `hyperkms mpc join`")
    if group is not None and group != standing:
        words = (
            f"{given} is not the group of this cosigner ({standing.name}, {standing.fingerprint}): it trusts that one"
        )
        raise Refused("wrong-group", f"{words} until its operator joins another with `hyperkms mpc join`")
    return standing


def standing_group(data: Path) -> Group | None:
    """The group that the cosigner trusts; None if it knows none yet."""
    try:
        return parse_group((data / GROUP).read_bytes())
    except FileNotFoundError:
        return None


@contextmanager
def assembled(config: Config, given: Path | None, tell: Tell = tell_operator) -> Iterator[tuple[Cosigner, Parts]]:
    """The parts of a cosigner that serves, and those they stand on; closed at the end.

    Unavailable while another process serves the directory: what it has promised it alone remembers.
    """
    with opened_directory(config, tell) as directory, alone(config.data / LOCK):
        _require_fsync(config)
        group = settle_group(config, given)
        ourselves = Ourselves.of(group, directory.identity, directory.root, directory.lock)
        _require_record(directory.parts.database, config.data / RECORDS)
        directory.parts.tidy_record()
        with ExitStack() as ends:
            cosigner = _cosigner(config, directory, ourselves, ends)
            ends.callback(cosigner.holding.close)
            yield cosigner, directory.parts


def _cosigner(config: Config, directory: Directory, ourselves: Ourselves, ends: ExitStack) -> Cosigner:
    parts, sealed = directory.parts, directory.sealed
    database = parts.database
    heads = PeerHeads(database)
    terms = Terms(config.key_lease_s) if parts.keyring.has_leases else None
    holding, sessions = Holding(ourselves, ShareRows(database), sealed, terms), Sessions()
    signs, unheard = _signs(parts, ends)
    changes = Generation(_core.SharedCounters.open(config.data / SHARED), WALLET_CHANGES)
    return Cosigner(
        mode=parts.mode,
        release=version("hyperkms"),
        clock=parts.clock,
        grace_ms=parts.lifetimes.grace_ms,
        ourselves=ourselves,
        holding=holding,
        bans=Bans(ourselves.group, BanRows(database), parts.record, parts.clock),
        promises=Promises(parts.clock, promised_lately(config.data / RECORDS, parts.clock()), heads.fence()),
        witnessed=Witnessed(heads, config.data / RECORDS),
        copies=Copies(config.data / COPIES, config.recovery_recipient),
        sealed=sealed,
        sessions=sessions,
        continuity=continuity_of(holding, sessions, signs),
        unheard=unheard,
        wallets=parts.wallets,
        versions=Versions(parts.wallets, changes),
        bearer=BearerWallets(database),
        signed_requests=parts.signed_requests,
        client_generation=parts.client_generation,
        read_asked=asked_for,
        authorities=Authorities(parts.policies, parts.reservations, changes),
        reservations=parts.reservations,
        markets=parts.markets,
        prices=parts.prices,
        record=parts.record,
    )


def continuity_of(holding: Holding, sessions: Sessions, signs: Sequence[Sign]) -> Continuity:
    """What has everything let go of that was prepared or is under way, where one of these signs says so."""

    def let_go() -> None:
        holding.let_go()
        sessions.let_go()

    return Continuity(signs, let_go)


def _signs(parts: Parts, ends: ExitStack) -> tuple[Sequence[Sign], str | None]:
    """Those of this machine; and why its kernel is not heard, if it is not."""
    signs: list[Sign] = [ClockSet(parts.clock, since_boot).changed, Boot(boot_id).changed]
    try:
        listening = ends.enter_context(listen())
    except OSError as error:
        return signs, error.strerror or type(error).__name__
    return [VmGeneration(partial(receive_from, listening)).changed, *signs], None


def _require_fsync(config: Config) -> None:
    """Malformed for a record that a loss of power could cut: a nonce that was signed for would be forgotten."""
    if config.audit_durability == "os":
        words = "a cosigner remembers by its record what it has signed, and syncs every line before its share leaves"
        raise Malformed(
            "malformed-setting", f"HYPERKMS_AUDIT_DURABILITY=os: {words}", {"setting": "HYPERKMS_AUDIT_DURABILITY"}
        )


def _require_record(database: Database, folder: Path) -> None:
    """Tampered if the folder of the record is not the one that was there when this cosigner began.

    What was signed for which nonce is read from it: with another folder a second action could be signed for the same.
    """
    path, begun = folder / RECORD_MARK, facts.read(database, _RECORD)
    if begun is None:
        with suppress(Conflict):  # of a start that was cut off before the fact
            create_file(path, secrets.token_hex(16).encode())
        begun = facts.settle(database, _RECORD, path.read_text("ascii"))
    try:
        is_the_same = path.read_text("ascii") == begun
    except FileNotFoundError:
        is_the_same = False
    if not is_the_same:
        words = (
            f"{folder} is not the folder of this cosigner's record: there stands what it has signed for which nonce, "
            "and without it nothing is signed"
        )
        raise Tampered("record-missing", f"{words}; put the folder back, or replace this cosigner")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within this block no other process serves the directory of this lock; Unavailable if one does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Unavailable("cosigner-running", f"another process serves the cosigner of {path.parent}") from error
    finally:
        os.close(descriptor)


def _require_settled(database: Database) -> None:
    """Refused while what is here is being sealed anew: some of it is under each of two root keys."""
    under_way = begun(database)
    if under_way is not None:
        words = f"shares are being sealed anew under root key {under_way.to}, and that was cut off"
        raise Refused("reseal-unfinished", f"{words}: give the same `hyperkms cosigner reseal` once more")


def protect_shares(config: Config, tell: Tell) -> str:
    """Lock memory for shares; what guards it. Unavailable in production if nothing does."""
    lock = cosign.start_memory(config.memory_lock).lock
    if lock == "none":
        words = "memory for shares could not be locked (raise RLIMIT_MEMLOCK to at least 1 MiB)"
        if config.mode is Mode.PRODUCTION:
            raise Unavailable("memory-unprotected", words)
        tell(f"hyperkms: warning: {words}")
    return lock


def _identity(path: Path, root: ShareRootKey) -> cosign.Identity:
    """The identity key of the directory, made if there is none; of several that make one at once all get the first."""
    if not path.exists():
        _, sealed = cosign.Identity.generate(*fresh(root, None))
        with suppress(Conflict):
            create_file(path, sealed)
    if path.stat().st_mode & 0o077:
        raise Refused("data-directory-permissions", f"{path} is open to other users: chmod 600 {path}")
    try:
        return open_identity(path.read_bytes(), root)
    except Malformed as error:
        raise Tampered("identity-tampered", f"{path} is no identity key: put it back from a backup") from error
