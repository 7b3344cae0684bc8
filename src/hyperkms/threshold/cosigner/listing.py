"""A wallet whose key is in shares, as this cosigner's own database lists it: so that its policy can be set here."""

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from hyperkms.errors import Conflict
from hyperkms.state.share_rows import (
    ShareRow,
    insert_within,
    note_custody_within,
    put_in_force_within,
    supersede_within,
)
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.wire import Asker
from hyperkms.wallet import KeyType, KeyVersion, Network, Origin, PublicKey, VersionState, Wallet
from hyperkms.wallet_life import Change, WalletHistory, require_live


def put_in_force(cosigner: Cosigner, row: ShareRow) -> None:
    """The kept share is in force and its wallet listed, in one transaction; its line in the record comes before."""

    def within(connection: sa.Connection, _listed: object = None) -> None:
        put_in_force_within(connection, row.wallet, row.version, row.epoch)
        note_custody_within(connection, row, cosigner.ourselves.group.id)
        write(cosigner, changed(cosigner, Asker(client="-", request_id="-"), row, "commit-share", "in-force"))

    _list(cosigner, row, within)


def list_repaired(cosigner: Cosigner, row: ShareRow, asker: Asker) -> None:
    """The same for a repaired share, which is stored with it; what this cosigner had of earlier epochs is destroyed."""

    def within(connection: sa.Connection, _listed: object = None) -> None:
        supersede_within(connection, row.wallet, row.version, row.epoch)
        insert_within(connection, row)
        note_custody_within(connection, row, cosigner.ourselves.group.id)
        write(cosigner, changed(cosigner, asker, row, "repair-share", "in-force"))

    _list(cosigner, row, within)


def _list(cosigner: Cosigner, row: ShareRow, within: Callable[..., None]) -> None:
    if cosigner.wallets.find(row.wallet) is None:
        cosigner.wallets.create(_new(cosigner, row), within)
    else:
        change = _change(cosigner.wallets.history(row.wallet), row, cosigner.clock(), cosigner.grace_ms)
        cosigner.wallets.apply(change, before_commit=within)
    cosigner.holding.forget(row.wallet, row.version)


def _new(cosigner: Cosigner, row: ShareRow) -> Wallet:
    return Wallet(
        id=row.wallet,
        key_type=row.key_type,
        network=None if row.key_type is KeyType.ED25519 else Network(row.network),
        current=_version(row, cosigner.clock()),
        created_at=row.created_at,
        metadata={},
    )


def _change(history: WalletHistory, row: ShareRow, now: int, grace_ms: int) -> Change:
    """A version that is known goes on; a new one waits until its client has it activated.

    One that comes after a later one, to a cosigner that took another's place, is in grace.
    """
    wallet = require_live(history.wallet)
    revised = replace(wallet, revision=wallet.revision + 1)
    known = next((version for version in history.versions if version.number == row.version), None)
    if known is not None:
        if known.public_key != row.public_key:
            words = f"version {row.version} of wallet {row.wallet} has another public key here than the share"
            raise Conflict("share-of-another-key", words)
        return Change(wallet=revised, versions=())
    made = _version(row, now)
    if row.version < wallet.current.number:
        return Change(wallet=revised, versions=(replace(made, state=VersionState.RETIRING, expires_at=now + grace_ms),))
    return Change(wallet=revised, versions=(replace(made, state=VersionState.PENDING, activated_at=None),))


def _version(row: ShareRow, now: int) -> KeyVersion:
    return KeyVersion(
        number=row.version,
        state=VersionState.ACTIVE,
        public_key=PublicKey(row.public_key),
        origin=Origin.GENERATED,
        created_at=row.created_at,
        activated_at=now,
    )
