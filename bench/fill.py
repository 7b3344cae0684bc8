"""A data directory with many wallets: keys sealed by the core for real, rows written in one transaction.

The first wallet is made as every wallet is. The others have its rows with another id and another key, so
that this keeps up with whatever columns a wallet has.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.service import SETTINGS
from hyperkms import _core
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import DATABASE
from hyperkms.cli.operator import actor
from hyperkms.config import load
from hyperkms.operations.generate import generate
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.state.database import open_database
from hyperkms.state.schema import key_versions, sealed_keys, wallets
from hyperkms.wallet import KeyType, PublicKey, Wallet, WalletId

_ROWS = 5_000
"""Rows of one statement."""

Row = dict[str, Any]


def wallet_name(number: int) -> str:
    """The id of one of them: the same in every store, and not next to that of another number."""
    return "bot-" + hashlib.sha256(str(number).encode()).hexdigest()[:16]


def fill(data: Path, count: int) -> None:
    """Make a data directory with so many Ed25519 wallets."""
    with _parts(data) as parts:
        first = generate(parts, actor(), NewWallet(id=WalletId(wallet_name(0)), key_type=KeyType.ED25519))
        database = open_database(data / DATABASE)
        with database.write() as connection:
            model = [_row(connection, table, first) for table in (wallets, key_versions, sealed_keys)]
            for start in range(1, count, _ROWS):
                many = [_rows(parts, first, model, number) for number in range(start, min(start + _ROWS, count))]
                for table, rows in zip((wallets, key_versions, sealed_keys), zip(*many, strict=True), strict=True):
                    connection.execute(table.insert(), list(rows))
            parts.rows.sign_all_within(connection)
        database.close()


@contextmanager
def _parts(data: Path) -> Iterator[Parts]:
    parts = assemble(load({**SETTINGS, "HYPERKMS_DATA": str(data)}, {}), create=True, tell=lambda _: None)
    try:
        yield parts
    finally:
        parts.close()


def _row(connection: sa.Connection, table: sa.Table, wallet: Wallet) -> Row:
    owner = table.c.id if table is wallets else table.c.wallet
    return dict(connection.execute(sa.select(table).where(owner == wallet.id)).mappings().one())


def _rows(parts: Parts, first: Wallet, model: list[Row], number: int) -> tuple[Mapping[str, Any], ...]:
    wallet = replace(first, id=WalletId(wallet_name(number)))
    sealed = parts.keyring.generate(wallet.context_of(wallet.current))
    public_key = PublicKey(_core.inspect_sealed_key(sealed).public_key)
    its, version, key = model
    return (
        {**its, "id": wallet.id},
        {**version, "wallet": wallet.id, "public_key": public_key},
        {**key, "wallet": wallet.id, "sealed": sealed},
    )
