"""A cosigner's shares in the database: kept when they are made, in force once all cosigners keep theirs, then retired.

An epoch of a key version is one set of shares. At most one epoch of a version is in force; the one before it is
superseded, and signs on, until every cosigner has said that the next is in force there. What is retired has no sealed
share any more, and nothing of it is left in the file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.database import Database
from hyperkms.state.schema import key_versions, shares, wallets
from hyperkms.wallet import KeyType, WalletId


class ShareState(StrEnum):
    """How far a share has come."""

    KEPT = "kept"
    """Sealed and durable; it signs nothing but the test message."""
    IN_FORCE = "in-force"
    SUPERSEDED = "superseded"
    """The next epoch is in force here, and nobody has shown yet that it is everywhere: this one signs too."""
    RETIRED = "retired"
    """It is destroyed."""


@dataclass(frozen=True, kw_only=True)
class ShareRow:
    """One share, as it is stored."""

    wallet: WalletId
    version: int
    epoch: int
    state: ShareState
    key_type: KeyType
    network: str
    """none, mainnet, testnet or any: what the share is bound to."""
    sealed: bytes | None
    """None once it is retired, and where it is in secrets."""
    public_key: bytes
    group_key: bytes
    session: bytes
    """Of the ceremony that made it: 32 bytes."""
    acknowledgement: bytes
    """This cosigner's signed word that it keeps it."""
    created_at: int
    secret: bytes | None = None
    """SHA-256 of what is sealed, where that is in secrets, which are named by it; None once it is retired."""

    @property
    def is_destroyed(self) -> bool:
        """Whether nothing of it counts any more, here or in secrets."""
        return self.sealed is None and self.secret is None


_DESTROYED: Mapping[str, Any] = {"state": ShareState.RETIRED, "sealed": None, "secret": None}


class ShareRows:
    """The table of shares."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, row: ShareRow, before_commit: Callable[[sa.Connection], None]) -> None:
        """Insert it, durable on return; Conflict if there is one of this wallet, version and epoch, or ever was."""
        with self._database.write() as connection:
            insert_within(connection, row)
            before_commit(connection)

    def find(self, wallet: WalletId, version: int, epoch: int) -> ShareRow | None:
        """The share, in whatever state."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(shares).where(_is(wallet, version, epoch))).one_or_none()
        return None if row is None else _row(row)

    def all(self, wallet: WalletId | None = None) -> Sequence[ShareRow]:
        """Every share, or those of one wallet, by wallet, version and epoch."""
        query = sa.select(shares).order_by(shares.c.wallet, shares.c.version, shares.c.epoch)
        if wallet is not None:
            query = query.where(shares.c.wallet == wallet)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(query)]

    def held(self) -> Sequence[ShareRow]:
        """Every share that is not destroyed, in the same order."""
        return [row for row in self.all() if not row.is_destroyed]

    def wallets(self) -> int:
        """Wallets of which a share is in force."""
        query = sa.select(sa.func.count(sa.distinct(shares.c.wallet))).where(shares.c.state == ShareState.IN_FORCE)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def kept(self) -> int:
        """Shares that are kept and not in force."""
        query = sa.select(sa.func.count()).select_from(shares).where(shares.c.state == ShareState.KEPT)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def kept_before(self, time: int) -> Sequence[ShareRow]:
        """Those that were made before this moment, and are not in force yet."""
        due = sa.and_(shares.c.state == ShareState.KEPT, shares.c.created_at < time)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(sa.select(shares).where(due))]

    def drop(self, wallet: WalletId, version: int, epoch: int, before_commit: Callable[[], None]) -> bool:
        """Forget a share that is kept and not in force; False if there is none. Nothing of it is left."""
        due = sa.and_(_is(wallet, version, epoch), shares.c.state == ShareState.KEPT)
        with self._database.write() as connection:
            done = connection.execute(shares.delete().where(due)).rowcount
            if done:
                before_commit()
        return bool(done)

    def change(self, within: Callable[[sa.Connection], None]) -> None:
        """One transaction for what changes shares and no wallet."""
        with self._database.write() as connection:
            within(connection)


def put_in_force_within(connection: sa.Connection, wallet: WalletId, version: int, epoch: int) -> None:
    """The kept epoch takes the place of the one in force, whose share is superseded; Conflict unless it is kept."""
    supersede_within(connection, wallet, version, epoch)
    kept = sa.and_(_is(wallet, version, epoch), shares.c.state == ShareState.KEPT)
    if connection.execute(shares.update().where(kept).values(state=ShareState.IN_FORCE)).rowcount != 1:
        raise Conflict("share-not-kept", f"epoch {epoch} of wallet {wallet}, version {version}, is not kept here")


def supersede_within(connection: sa.Connection, wallet: WalletId, version: int, epoch: int) -> None:
    """What is in force of earlier epochs is superseded; Conflict if a later one is, behind which this would lead."""
    same = sa.and_(shares.c.wallet == wallet, shares.c.version == version)
    later = sa.select(shares.c.epoch).where(same, shares.c.state == ShareState.IN_FORCE, shares.c.epoch > epoch)
    if connection.execute(later).first() is not None:
        raise Conflict("share-exists", f"a later epoch of wallet {wallet}, version {version}, than {epoch} is in force")
    earlier = sa.and_(same, shares.c.epoch < epoch, shares.c.state == ShareState.IN_FORCE)
    connection.execute(shares.update().where(earlier).values(state=ShareState.SUPERSEDED))


def release_within(connection: sa.Connection, wallet: WalletId, version: int, epoch: int) -> None:
    """The shares of every earlier epoch are destroyed."""
    earlier = sa.and_(shares.c.wallet == wallet, shares.c.version == version, shares.c.epoch < epoch)
    connection.execute(shares.update().where(earlier).values(_DESTROYED))


def give_up_within(connection: sa.Connection, wallet: WalletId, version: int, epoch: int) -> None:
    """Nothing is left of the epoch in force, and the one that it has superseded is in force again."""
    connection.execute(shares.delete().where(_is(wallet, version, epoch)))
    before = sa.and_(shares.c.wallet == wallet, shares.c.version == version, shares.c.state == ShareState.SUPERSEDED)
    connection.execute(shares.update().where(before).values(state=ShareState.IN_FORCE))
    earlier = sa.select(shares.c.epoch).where(
        shares.c.wallet == wallet, shares.c.version == version, shares.c.state == ShareState.IN_FORCE
    )
    named = sa.and_(key_versions.c.wallet == wallet, key_versions.c.number == version)
    connection.execute(key_versions.update().where(named).values(epoch=earlier.scalar_subquery()))


def retire_within(connection: sa.Connection, wallet: WalletId, version: int) -> None:
    """Every share of a version is destroyed, of whatever epoch."""
    same = sa.and_(shares.c.wallet == wallet, shares.c.version == version)
    connection.execute(shares.update().where(same).values(_DESTROYED))


def rebind_within(connection: sa.Connection, row: ShareRow) -> None:
    """The same share, sealed anew, as this row has it; nothing of the seal before is left in the file."""
    due = _is(row.wallet, row.version, row.epoch)
    connection.execute(shares.update().where(due).values(sealed=row.sealed, secret=row.secret))


def move_wallets_within(connection: sa.Connection, before: bytes, after: bytes) -> None:
    """Every wallet in shares of one group is in shares of the other."""
    connection.execute(wallets.update().where(wallets.c.group_id == before).values(group_id=after))


def move_wallet_within(connection: sa.Connection, wallet: WalletId, group_id: bytes) -> None:
    """This wallet is in shares of the group."""
    connection.execute(wallets.update().where(wallets.c.id == wallet).values(group_id=group_id))


def insert_within(connection: sa.Connection, row: ShareRow) -> None:
    """Insert it; Conflict if there is one of this wallet, version and epoch, or ever was."""
    try:
        connection.execute(shares.insert().values(_values(row)))
    except IntegrityError as error:
        raise share_exists(row.wallet, row.version, row.epoch) from error


def note_custody_within(connection: sa.Connection, row: ShareRow, group_id: bytes) -> None:
    """The wallet is one in shares of this group, and this epoch of its version is in force."""
    connection.execute(wallets.update().where(wallets.c.id == row.wallet).values(custody="mpc", group_id=group_id))
    version = sa.and_(key_versions.c.wallet == row.wallet, key_versions.c.number == row.version)
    connection.execute(key_versions.update().where(version).values(epoch=row.epoch))


def share_exists(wallet: WalletId, version: int, epoch: int) -> Conflict:
    """The refusal of a place that is taken."""
    words = f"there is a share of wallet {wallet}, version {version}, epoch {epoch} here, or was"
    return Conflict("share-exists", f"{words}: one that is not in force is dropped first, one that was is for ever")


def _is(wallet: WalletId, version: int, epoch: int) -> sa.ColumnElement[bool]:
    return sa.and_(shares.c.wallet == wallet, shares.c.version == version, shares.c.epoch == epoch)


def _values(row: ShareRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ShareRow.__dataclass_fields__}


def _row(row: Any) -> ShareRow:
    return ShareRow(
        wallet=WalletId(row.wallet),
        version=row.version,
        epoch=row.epoch,
        state=ShareState(row.state),
        key_type=KeyType(row.key_type),
        network=row.network,
        sealed=None if row.sealed is None else bytes(row.sealed),
        public_key=bytes(row.public_key),
        group_key=bytes(row.group_key),
        session=bytes(row.session),
        acknowledgement=bytes(row.acknowledgement),
        created_at=row.created_at,
        secret=None if row.secret is None else bytes(row.secret),
    )
