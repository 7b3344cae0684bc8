"""The life of a wallet: every legal move, as pure functions of what stands, what is asked for and the time.

    pending --activate--> active --(another is activated)--> retiring --expire--> retired
    pending --retire--> retired                              retiring --retire--> retired
    pending --admit--> pending, and it signs beside the active one: at a cosigner, until its service has changed over

A live wallet has exactly one active version, its current one, and at most one pending version. Versions
are numbered from 1 without gaps. A retired wallet signs nothing; its versions go through a last grace,
in which their sealed keys still exist, unless they are destroyed at once. Nothing leads back.

Each move answers what one transaction has to write; it raises for a move that is not legal. Times are
milliseconds since 1970.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hyperkms.errors import Conflict, NotFound, Refused
from hyperkms.wallet import KeyVersion, Origin, PublicKey, VersionState, Wallet, WalletId


class KeyFate(Enum):
    """What becomes of the sealed keys of a wallet that is retired."""

    AFTER_GRACE = "after grace"
    AT_ONCE = "at once"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asked for a new version, and why."""

    client: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """How a version came to follow another."""

    from_version: int
    to_version: int
    rotated_at: int | None
    """None while the new version is pending."""
    reason: str | None
    client: str


@dataclass(frozen=True, kw_only=True)
class WalletHistory:
    """A wallet with all its versions, in order of number, and its rotations, in order of `to_version`."""

    wallet: Wallet
    versions: tuple[KeyVersion, ...]
    rotations: tuple[Rotation, ...]

    @property
    def pending(self) -> KeyVersion | None:
        """The version that waits for its activation."""
        return next((version for version in self.versions if version.state is VersionState.PENDING), None)

    @property
    def next_number(self) -> int:
        """The number of the next version."""
        return self.versions[-1].number + 1

    def version(self, number: int) -> KeyVersion:
        """The version; NotFound if there is none of that number."""
        for version in self.versions:
            if version.number == number:
                return version
        raise no_such_version(self.wallet.id, number)

    def rotation_to(self, number: int) -> Rotation | None:
        """How the version came to be; None of version 1."""
        return next((rotation for rotation in self.rotations if rotation.to_version == number), None)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one transaction writes if the wallet still has the revision `wallet.revision` - 1."""

    wallet: Wallet
    """As it stands after the change."""
    versions: tuple[KeyVersion, ...]
    """Those that are new or changed, as they stand after it."""
    rotation: Rotation | None = None


def add_pending(
    history: WalletHistory, public_key: PublicKey, *, now: int, asked: Asked, kms_key: str | None = None
) -> Change:
    """A new version that waits; Refused for a retired wallet, Conflict while another one waits.

    `kms_key` is where AWS KMS keeps its key, of a wallet that is kms-native.
    """
    wallet = require_live(history.wallet)
    if history.pending:
        words = f"version {history.pending.number} of wallet {wallet.id} is pending: activate or retire it first"
        raise Conflict("version-already-pending", words)
    made = KeyVersion(
        number=history.next_number,
        state=VersionState.PENDING,
        public_key=public_key,
        origin=Origin.GENERATED,
        created_at=now,
        kms_key=kms_key,
    )
    rotation = Rotation(
        from_version=wallet.current.number,
        to_version=made.number,
        rotated_at=None,
        reason=asked.reason,
        client=asked.client,
    )
    return Change(wallet=_revised(wallet), versions=(made,), rotation=rotation)


def activate(history: WalletHistory, number: int, *, now: int, grace_ms: int) -> Change:
    """The pending version becomes the current one, and the one before it is in grace, with any other that was admitted.

    Conflict for a version that is not pending.
    """
    wallet = require_live(history.wallet)
    version = _require_pending(history, number)
    rotation = history.rotation_to(number)
    before = (
        replace(one, state=VersionState.RETIRING, expires_at=now + grace_ms)
        for one in history.versions
        if one.number != number and (one.state is VersionState.ACTIVE or is_admitted(one))
    )
    after = replace(version, state=VersionState.ACTIVE, activated_at=now)
    return Change(
        wallet=replace(_revised(wallet), current=after),
        versions=(*before, after),
        rotation=rotation and replace(rotation, from_version=wallet.current.number, rotated_at=now),
    )


def admit(history: WalletHistory, number: int, *, now: int) -> Change | None:
    """The pending version signs as well from here on, and the current one as before; None if it does already.

    Conflict for a version that is not pending.
    """
    wallet = require_live(history.wallet)
    version = _require_pending(history, number)
    if is_admitted(version):
        return None
    return Change(wallet=_revised(wallet), versions=(replace(version, activated_at=now),))


def rotate_at_once(  # noqa: PLR0913 (what the two take)
    history: WalletHistory, public_key: PublicKey, *, now: int, grace_ms: int, asked: Asked, kms_key: str | None = None
) -> Change:
    """`add_pending` and `activate` as one change."""
    added = add_pending(history, public_key, now=now, asked=asked, kms_key=kms_key)
    between = after(history, added)
    activated = activate(between, history.next_number, now=now, grace_ms=grace_ms)
    return replace(activated, wallet=replace(activated.wallet, revision=added.wallet.revision))


def retire_version(history: WalletHistory, number: int, *, now: int) -> Change | None:
    """A pending version is given up, or the grace of a retiring one ends now; None if it is retired already.

    Conflict for the current version.
    """
    wallet = require_live(history.wallet)
    version = history.version(number)
    if version.state is VersionState.RETIRED:
        return None
    if version.number == wallet.current.number:
        words = f"version {number} is the current one of wallet {wallet.id}: rotate first, or retire the wallet"
        raise Conflict("version-current", words)
    return Change(wallet=_revised(wallet), versions=(retired(version, now),))


def retire_wallet(
    history: WalletHistory, *, now: int, grace_ms: int, fate: KeyFate, reason: str | None
) -> Change | None:
    """Nothing signs any more; None if that is so already and no key is left to be destroyed.

    A pending version, which never signed, is retired at once; the others at the end of their grace, or
    of the wallet's if that comes first. With `AT_ONCE` all are.
    """
    wallet = history.wallet
    versions = tuple(_at_the_end(history.versions, now=now, grace_ms=grace_ms, fate=fate))
    if wallet.retired_at is not None:
        versions = tuple(version for version in versions if version.state is VersionState.RETIRED)
        if not versions:
            return None
    else:
        wallet = replace(wallet, retired_at=now, retired_reason=reason)
    return _change(wallet, versions)


def expire(history: WalletHistory, *, now: int) -> Change | None:
    """Every version whose grace has ended is retired; None if there is none."""
    versions = tuple(
        retired(version, now)
        for version in history.versions
        if version.state is VersionState.RETIRING and is_over(version, now)
    )
    return _change(history.wallet, versions) if versions else None


def after(history: WalletHistory, change: Change) -> WalletHistory:
    """The history with a change in it."""
    versions = {version.number: version for version in (*history.versions, *change.versions)}
    rotations = {rotation.to_version: rotation for rotation in history.rotations}
    if change.rotation:
        rotations[change.rotation.to_version] = change.rotation
    return WalletHistory(
        wallet=change.wallet,
        versions=tuple(versions[number] for number in sorted(versions)),
        rotations=tuple(rotations[number] for number in sorted(rotations)),
    )


def require_live(wallet: Wallet) -> Wallet:
    """The wallet; Refused if it is retired."""
    if wallet.retired_at is not None:
        raise Refused(
            "wallet-retired", f"wallet {wallet.id} is retired; it never signs again, nor is its id used again"
        )
    return wallet


def require_signing(wallet: Wallet, version: KeyVersion, *, now: int) -> None:
    """Refused unless this version of the wallet signs now: it is active, or in grace."""
    require_live(wallet)
    if version.state is VersionState.PENDING:
        words = f"version {version.number} of wallet {wallet.id} is pending; it signs once it is activated"
        raise Refused("version-pending", words)
    if version.state is VersionState.RETIRED or (version.state is VersionState.RETIRING and is_over(version, now)):
        words = f"version {version.number} of wallet {wallet.id} is retired; leave out `version` for the current one"
        raise Refused("version-retired", words)


def is_admitted(version: KeyVersion) -> bool:
    """Whether a pending version signs already, beside the current one; no version of a service does."""
    return version.state is VersionState.PENDING and version.activated_at is not None


def retired(version: KeyVersion, now: int) -> KeyVersion:
    """The version as it stands once it is retired; one that waited was never activated."""
    activated_at = None if version.state is VersionState.PENDING else version.activated_at
    return replace(version, state=VersionState.RETIRED, activated_at=activated_at, retired_at=now)


def is_over(version: KeyVersion, now: int) -> bool:
    """Whether the grace of a version has ended."""
    return version.expires_at is not None and now >= version.expires_at


def no_such_version(wallet: WalletId, number: int) -> NotFound:
    """The answer for a version that never was."""
    return NotFound("version-not-found", f"wallet {wallet} has no version {number}")


def _at_the_end(versions: Sequence[KeyVersion], *, now: int, grace_ms: int, fate: KeyFate) -> Iterator[KeyVersion]:
    for version in versions:
        if version.state is VersionState.RETIRED:
            continue
        waits = version.state is VersionState.PENDING and not is_admitted(version)
        if fate is KeyFate.AT_ONCE or waits:
            yield retired(version, now)
        else:
            end = now + grace_ms
            if version.expires_at is None or version.expires_at > end:
                yield replace(version, state=VersionState.RETIRING, expires_at=end)


def _change(wallet: Wallet, versions: tuple[KeyVersion, ...]) -> Change:
    current = next((version for version in versions if version.number == wallet.current.number), wallet.current)
    return Change(wallet=replace(_revised(wallet), current=current), versions=versions)


def _require_pending(history: WalletHistory, number: int) -> KeyVersion:
    version = history.version(number)
    if version.state is not VersionState.PENDING:
        words = f"version {number} of wallet {history.wallet.id} is {version.state.value}"
        raise Conflict("version-not-pending", f"{words}; only a pending one is activated")
    return version


def _revised(wallet: Wallet) -> Wallet:
    return replace(wallet, revision=wallet.revision + 1)
