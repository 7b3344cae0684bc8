"""A change in the life of a wallet: written down before it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.audit.record import LifeRecord, VersionRecord
from hyperkms.operations.in_shares import shares_are_destroyed
from hyperkms.operations.native import key_is_withdrawn
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Within, nothing_within
from hyperkms.threshold.wire import Asker, SignedRequest
from hyperkms.wallet import KeyVersion, VersionState, WalletId
from hyperkms.wallet_life import Change, WalletHistory


@dataclass(frozen=True)
class Actor:
    """Who asks for a change, in which request."""

    client: str
    request_id: str
    signed: SignedRequest | None = None
    """The request as its client has signed it, for cosigners; None: it came with an API key, or as a command."""

    @property
    def asker(self) -> Asker:
        """The same, as cosigners are told."""
        return Asker(client=self.client, request_id=self.request_id, signed=self.signed)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What the record says of a change."""

    operation: str
    reason: str | None = None


def commit(parts: Parts, actor: Actor, change: Change, deed: Deed, within: Within = nothing_within) -> None:
    """Make the change: its line in the record is durable before it commits, so none goes unrecorded.

    Conflict if the wallet has changed since the change was planned. A crash between the line and the
    commit leaves a line of a change that did not happen: the database says what stands. `within` writes what
    belongs to the change in the same transaction.
    """

    def before_commit(connection: sa.Connection) -> None:
        within(connection)
        write_down(parts, actor, change.wallet.id, change.versions, deed)

    parts.wallets.apply(change, before_commit=before_commit)


def destroy_retired(parts: Parts, actor: Actor, history: WalletHistory) -> Sequence[KeyVersion]:
    """Destroy the sealed keys of the wallet's retired versions; answers those that were due.

    1. Delete the sealed key and drop its handle; or have every cosigner destroy its share, or AWS KMS disable the key
       and schedule its deletion.
    2. Note when: from then on it is known to be gone.
    A process killed between the two leaves it to the next sweep, and so does a cosigner, or AWS KMS, that is away.
    """
    due = [
        version
        for version in history.versions
        if version.state is VersionState.RETIRED and version.destroyed_at is None
    ]
    if history.wallet.is_mpc:
        due = [version for version in due if shares_are_destroyed(parts, actor.asker, history.wallet, version.number)]
    elif history.wallet.is_kms_native:
        due = [version for version in due if key_is_withdrawn(parts, history.wallet.id, version)]
    for version in due:
        if not history.wallet.signs_elsewhere:
            parts.key_store.delete(history.wallet.id, version.number)  # (1)
            parts.keyring.forget(history.wallet.id, version.number)
        _note_destroyed(parts, actor, history.wallet.id, version)  # (2)
    return due


def _note_destroyed(parts: Parts, actor: Actor, wallet: WalletId, version: KeyVersion) -> None:
    parts.wallets.note_destroyed(
        wallet,
        version.number,
        now=parts.clock(),
        before_commit=lambda: write_down(parts, actor, wallet, [version], Deed(operation="destroy")),
    )


def write_down(parts: Parts, actor: Actor, wallet: WalletId, versions: Sequence[KeyVersion], deed: Deed) -> None:
    """The line of a change of these versions; returns once it is durable."""
    record = LifeRecord(
        time=parts.clock(),
        request_id=actor.request_id,
        client=actor.client,
        wallet=wallet,
        operation=deed.operation,
        versions=[
            VersionRecord(version=version.number, state=version.state.value, public_key=version.public_key_text)
            for version in versions
        ],
        reason=deed.reason,
    )
    parts.record.append(record).wait()
