"""Wallet records: what is known of a wallet without touching its key."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.remembered import Remembered
from hyperkms.state.schema import key_versions, wallets
from hyperkms.wallet import (
    KeyType,
    KeyVersion,
    Network,
    Origin,
    PublicKey,
    VersionState,
    Wallet,
    WalletId,
    no_such_wallet,
)

_JOINED = sa.select(
    wallets,
    key_versions.c.number,
    key_versions.c.state,
    key_versions.c.public_key,
    key_versions.c.origin,
    key_versions.c.created_at.label("version_created_at"),
).join(
    key_versions,
    sa.and_(key_versions.c.wallet == wallets.c.id, key_versions.c.number == wallets.c.current_version),
)


class WalletRecords:
    """Wallets in the database: created once, found by id, listed in order of id."""

    def __init__(self, database: Database, generation: Generation) -> None:
        self._database = database
        self._generation = generation
        self._remembered: Remembered[WalletId, Wallet] = Remembered(generation)

    def create(self, wallet: Wallet) -> None:
        """Insert a wallet with its first key version, atomic and durable; Conflict if the id exists."""
        try:
            with self._generation.change(self._database) as connection:
                connection.execute(wallets.insert().values(_wallet_row(wallet)))
                connection.execute(key_versions.insert().values(_version_row(wallet)))
        except IntegrityError as error:
            raise wallet_exists(wallet.id) from error

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
        with self._database.read() as connection:
            row = connection.execute(_JOINED.where(wallets.c.id == wallet)).one_or_none()
        return None if row is None else _wallet(row)

    def page(self, *, after: str, limit: int, among: frozenset[WalletId] | None = None) -> Sequence[Wallet]:
        """At most `limit` wallets (among these) whose ids come after `after`, in byte order of the id."""
        query = _JOINED.where(wallets.c.id > after, _are_among(among)).order_by(wallets.c.id).limit(limit)
        with self._database.read() as connection:
            return [_wallet(row) for row in connection.execute(query)]

    def count(self, *, among: frozenset[WalletId] | None = None) -> int:
        """How many wallets there are (among these)."""
        query = sa.select(sa.func.count()).select_from(wallets).where(_are_among(among))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def _are_among(ids: frozenset[WalletId] | None) -> sa.ColumnElement[bool]:
    return sa.true() if ids is None else wallets.c.id.in_(ids)


def wallet_exists(wallet: WalletId) -> Conflict:
    """The refusal of an id that is taken."""
    return Conflict("wallet-exists", f"wallet {wallet} exists already; an id is never used twice")


def _wallet_row(wallet: Wallet) -> dict[str, object]:
    return {
        "id": wallet.id,
        "key_type": wallet.key_type.value,
        "network": wallet.network.value if wallet.network else None,
        "current_version": wallet.current.number,
        "created_at": wallet.created_at,
        "metadata": json.dumps(dict(wallet.metadata), ensure_ascii=False),
    }


def _version_row(wallet: Wallet) -> dict[str, object]:
    return {
        "wallet": wallet.id,
        "number": wallet.current.number,
        "state": wallet.current.state.value,
        "public_key": wallet.current.public_key,
        "origin": wallet.current.origin.value,
        "created_at": wallet.current.created_at,
        "activated_at": wallet.current.created_at,
    }


def _wallet(row: sa.Row[tuple[object, ...]]) -> Wallet:
    fields = row._mapping  # noqa: SLF001 (SQLAlchemy's documented name for a row as a mapping)
    current = KeyVersion(
        number=fields["number"],
        state=VersionState(fields["state"]),
        public_key=PublicKey(fields["public_key"]),
        origin=Origin(fields["origin"]),
        created_at=fields["version_created_at"],
    )
    return Wallet(
        id=WalletId(fields["id"]),
        key_type=KeyType(fields["key_type"]),
        network=Network(fields["network"]) if fields["network"] else None,
        current=current,
        created_at=fields["created_at"],
        metadata=json.loads(fields["metadata"]),
    )
