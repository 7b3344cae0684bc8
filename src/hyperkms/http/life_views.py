"""Key versions and rotations as the bodies of answers."""

from hyperkms.http.schemas import (
    HistoryRotationView,
    HistoryVersionView,
    HistoryView,
    MigrateAnswer,
    RetireAnswer,
    RotationView,
    VersionView,
    WalletView,
)
from hyperkms.operations.activate import Rotated
from hyperkms.operations.import_first_system import Imported
from hyperkms.operations.parts import Lifetimes
from hyperkms.operations.retire import Retired
from hyperkms.wallet import KeyVersion, iso_time
from hyperkms.wallet_life import WalletHistory

_DAY_MS = 24 * 3600 * 1000


def version_view(version: KeyVersion) -> VersionView:
    """A key version as it is shown."""
    return VersionView(
        version=version.number,
        state=version.state.value,
        public_key=version.public_key_text,
        origin=version.origin.value,
        created_at=iso_time(version.created_at),
        address=version.address,
        activated_at=_time(version.activated_at),
        expires_at=_time(version.expires_at),
        retired_at=_time(version.retired_at),
        destroyed_at=_time(version.destroyed_at),
        kms_key=version.kms_key,
    )


def rotation_view(rotated: Rotated, lifetimes: Lifetimes) -> RotationView:
    """The first system's members, with states, addresses and the end of the grace."""
    days = lifetimes.grace_ms / _DAY_MS
    return RotationView(
        wallet_id=rotated.wallet.id,
        new_version=rotated.new.number,
        new_public_key=rotated.new.public_key_text,
        old_version=rotated.old.number,
        old_public_key=rotated.old.public_key_text,
        grace_period_days=int(days) if days.is_integer() else days,
        state=rotated.new.state.value,
        new_address=rotated.new.address,
        old_address=rotated.old.address,
        expires_at=_time(rotated.old.expires_at),
    )


def retired_view(done: Retired, wallet: WalletView) -> RetireAnswer:
    """The wallet and its versions; for one in shares also who would still sign with it."""
    versions = [version_view(version) for version in done.history.versions]
    return RetireAnswer(success=True, wallet=wallet, versions=versions, note=_signing_on(done))


def _signing_on(done: Retired) -> str | None:
    if not done.signing_on:
        return None
    reasons = "; ".join(f"{name}: {why}" for name, why in done.signing_on.items())
    return f"This service signs with the wallet no more, and not all of its cosigners know ({reasons}). Ask again."


def history_view(history: WalletHistory) -> HistoryView:
    """The first system's form: `rotatedAt` of a version is when another one took its place."""
    done = [rotation for rotation in history.rotations if rotation.rotated_at is not None]
    replaced = {rotation.from_version: _time(rotation.rotated_at) for rotation in done}
    return HistoryView(
        wallet_id=history.wallet.id,
        current_version=history.wallet.current.number,
        versions={
            str(version.number): HistoryVersionView(
                public_key=version.public_key_text,
                status=version.state.value,
                created_at=iso_time(version.created_at),
                rotated_at=replaced.get(version.number),
                expires_at=_time(version.expires_at),
            )
            for version in history.versions
        },
        rotation_history=[
            HistoryRotationView(
                from_version=rotation.from_version,
                to_version=rotation.to_version,
                rotated_at=iso_time(rotation.rotated_at or 0),
                reason=rotation.reason or "",
            )
            for rotation in done
        ],
    )


def migrated_view(imported: Imported) -> MigrateAnswer:
    """The first system's answer."""
    wallet = imported.history.wallet
    words = f"is versioned already (current version {wallet.current.number}); nothing was changed"
    if imported.is_new:
        words = f"was imported from the first system with its versions (current version {wallet.current.number})"
    return MigrateAnswer(success=True, message=f"Wallet {wallet.id} {words}.", wallet_id=wallet.id)


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
