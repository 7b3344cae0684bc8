"""Wallet records: what is known of a wallet without touching its key."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.listing import require_listable, require_new_key
from hyperkms.state.remembered import Remembered
from hyperkms.state.row_bytes import WALLET, wallet_subject
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import key_versions, rotations, wallets
from hyperkms.state.wallet_rows import (
    CURRENT,
    VERSION_COLUMNS,
    rotation_of,
    rotation_row,
    version_of,
    version_row,
    version_state,
    wallet_of,
    wallet_row,
    wallet_state,
)
from hyperkms.state.which import Which
from hyperkms.wallet import KeyVersion, PublicKey, Wallet, WalletId, no_such_wallet
from hyperkms.wallet_life import Change, Rotation, WalletHistory, no_such_version


class WalletRecords:
    """Wallets in the database: created once, changed by comparison with what was read, listed in order of id.

    A wallet whose rows are not what was signed is Tampered wherever it is read to decide something, and before it is
    changed. A page lists what stands.
    """

    def __init__(self, database: Database, generation: Generation, rows: RowSignatures) -> None:
        self._database = database
        self._generation = generation
        self._rows = rows
        self._remembered: Remembered[WalletId, Wallet] = Remembered(generation)
        self._versions: Remembered[tuple[WalletId, int], KeyVersion] = Remembered(generation)

    def create(self, wallet: Wallet, completion: Completion[Wallet] = nothing_more) -> None:
        """Insert a wallet with its first key version, atomic and durable.

        Conflict if the id exists, or if its key belongs to another wallet, or ever did.
        """
        alone = WalletHistory(wallet=wallet, versions=(wallet.current,), rotations=())
        self.create_with_history(alone, lambda connection, _: completion(connection, wallet))

    def create_with_history(self, history: WalletHistory, completion: Completion[WalletHistory] = nothing_more) -> None:
        """The same for a wallet that has lived elsewhere: all its versions and rotations, or nothing."""
        wallet = history.wallet
        with self.changing(wallet.id) as connection:
            for version in history.versions:
                require_listable(connection, wallet.id, version)
            try:
                connection.execute(wallets.insert().values(wallet_row(wallet)))
            except IntegrityError as error:
                raise wallet_exists(wallet.id) from error
            for version in history.versions:
                connection.execute(key_versions.insert().values(version_row(wallet.id, version)))
            for rotation in history.rotations:
                connection.execute(rotations.insert().values(rotation_row(wallet.id, rotation)))
            completion(connection, history)

    def apply(self, change: Change, *, before_commit: Callable[[sa.Connection], None]) -> None:
        """Write a change, atomic and durable; Conflict if the wallet has changed since it was planned.

        `before_commit` is called once nothing else can be refused, and what it raises undoes the change.
        """
        wallet = change.wallet
        with self.changing(wallet.id) as connection:
            planned_on = sa.and_(wallets.c.id == wallet.id, wallets.c.revision == wallet.revision - 1)
            done = connection.execute(wallets.update().where(planned_on).values(wallet_state(wallet)))
            if done.rowcount != 1:
                words = f"another call changed wallet {wallet.id} at the same time: look at it, and ask again"
                raise Conflict("wallet-changed", words)
            for version in change.versions:
                _write_version(connection, wallet.id, version)
            if change.rotation:
                _write_rotation(connection, wallet.id, change.rotation)
            before_commit(connection)

    def note_destroyed(self, wallet: WalletId, number: int, *, now: int, before_commit: Callable[[], None]) -> None:
        """A retired version has no sealed key any more; harmless if that is noted already."""
        due = sa.and_(_is_version(wallet, number), key_versions.c.destroyed_at.is_(None))
        with self.changing(wallet) as connection:
            done = connection.execute(key_versions.update().where(due).values(destroyed_at=now))
            if done.rowcount:
                before_commit()

    @contextmanager
    def changing(self, wallet: WalletId) -> Iterator[sa.Connection]:
        """One transaction for a change of this wallet's rows; every process sees it when the block has ended."""
        with self._rows.changing(self._generation, self._database, wallet_subject(wallet)) as connection:
            yield connection

    @contextmanager
    def changing_all(self) -> Iterator[sa.Connection]:
        """The same for a change of every wallet's."""
        with self._rows.changing_all(self._generation, self._database, WALLET) as connection:
            yield connection

    def generation(self) -> int | None:
        """A number that differs after every change of a wallet; None while one is under way."""
        return self._generation.current()

    def get(self, wallet: WalletId) -> Wallet:
        """The wallet; NotFound if there is none of that id."""
        found = self.find(wallet)
        if found is None:
            raise no_such_wallet(wallet)
        return found

    def find(self, wallet: WalletId) -> Wallet | None:
        """The wallet, or None; remembered until a wallet changes."""
        return self._remembered.get(wallet, lambda: self._read(wallet))

    def _read(self, wallet: WalletId) -> Wallet | None:
        with self._rows.reading(self._database, wallet_subject(wallet)) as connection:
            row = connection.execute(CURRENT.where(wallets.c.id == wallet)).mappings().one_or_none()
        return None if row is None else wallet_of(row)

    def version(self, wallet: Wallet, number: int) -> KeyVersion:
        """A version of the wallet, remembered until a wallet changes; NotFound if there is none of that number."""
        found = self._versions.get((wallet.id, number), lambda: self._read_version(wallet.id, number))
        if found is None:
            raise no_such_version(wallet.id, number)
        return found

    def _read_version(self, wallet: WalletId, number: int) -> KeyVersion | None:
        query = sa.select(*VERSION_COLUMNS).where(_is_version(wallet, number))
        with self._rows.reading(self._database, wallet_subject(wallet)) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else version_of(row)

    def history(self, wallet: WalletId) -> WalletHistory:
        """The wallet with all its versions and rotations, of one moment; NotFound if there is none of that id."""
        versions = sa.select(*VERSION_COLUMNS).where(key_versions.c.wallet == wallet).order_by(key_versions.c.number)
        rotated = sa.select(rotations).where(rotations.c.wallet == wallet).order_by(rotations.c.to_version)
        with self._rows.reading(self._database, wallet_subject(wallet)) as connection:
            row = connection.execute(CURRENT.where(wallets.c.id == wallet)).mappings().one_or_none()
            if row is None:
                raise no_such_wallet(wallet)
            return WalletHistory(
                wallet=wallet_of(row),
                versions=tuple(version_of(found) for found in connection.execute(versions).mappings()),
                rotations=tuple(rotation_of(found) for found in connection.execute(rotated).mappings()),
            )

    def require_new_key(self, wallet: WalletId, public_key: PublicKey) -> None:
        """Conflict if a wallet has this key, or ever had it."""
        with self._database.read() as connection:
            require_new_key(connection, wallet, public_key)

    def page(
        self, *, after: str, limit: int, which: Which = Which.LIVE, among: frozenset[WalletId] | None = None
    ) -> Sequence[Wallet]:
        """At most `limit` wallets (among these) whose ids come after `after`, in byte order of the id."""
        query = CURRENT.where(wallets.c.id > after, _are(which), _are_among(among)).order_by(wallets.c.id).limit(limit)
        with self._database.read() as connection:
            return [wallet_of(row) for row in connection.execute(query).mappings()]

    def count(self, which: Which = Which.LIVE, *, among: frozenset[WalletId] | None = None) -> int:
        """How many wallets there are (among these)."""
        query = sa.select(sa.func.count()).select_from(wallets).where(_are(which), _are_among(among))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def _are_among(ids: frozenset[WalletId] | None) -> sa.ColumnElement[bool]:
    return sa.true() if ids is None else wallets.c.id.in_(ids)


def wallet_exists(wallet: WalletId) -> Conflict:
    """The refusal of an id that is taken."""
    return Conflict("wallet-exists", f"wallet {wallet} exists already; an id is never used twice")


def _write_version(connection: sa.Connection, wallet: WalletId, version: KeyVersion) -> None:
    standing = key_versions.update().where(_is_version(wallet, version.number)).values(version_state(version))
    if connection.execute(standing).rowcount == 0:
        require_listable(connection, wallet, version)
        connection.execute(key_versions.insert().values(version_row(wallet, version)))


def _write_rotation(connection: sa.Connection, wallet: WalletId, rotation: Rotation) -> None:
    same = sa.and_(rotations.c.wallet == wallet, rotations.c.to_version == rotation.to_version)
    connection.execute(rotations.delete().where(same))
    connection.execute(rotations.insert().values(rotation_row(wallet, rotation)))


def _is_version(wallet: WalletId, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(key_versions.c.wallet == wallet, key_versions.c.number == number)


def _are(which: Which) -> sa.ColumnElement[bool]:
    if which is Which.ALL:
        return sa.true()
    retired = wallets.c.retired_at.is_not(None)
    return retired if which is Which.RETIRED else ~retired
