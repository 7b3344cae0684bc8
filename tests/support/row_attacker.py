"""Somebody who can write the database of a data directory, and no more: nothing there stops them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from hyperkms.state.postgresql_address import PostgresAddress
from hyperkms.state.row_bytes import Subject
from hyperkms.state.schema import (
    client_identities,
    client_keys,
    clients,
    grants,
    key_versions,
    metadata,
    policies,
    row_signatures,
    wallet_policies,
    wallets,
)
from support.databases import database_at

SIGNED = (wallets, key_versions, wallet_policies, clients, client_keys, client_identities, grants, policies)
"""The tables whose rows are signed."""


@contextmanager
def attacker(data: Path) -> Iterator[sa.Engine]:
    """A connection of their own, without foreign keys."""
    address = database_at(data / "hyperkms.db")
    if isinstance(address, PostgresAddress):
        engine = sa.create_engine(str(address).replace("postgresql:", "postgresql+psycopg:", 1))

        @event.listens_for(engine, "connect")
        def _without_foreign_keys(connection: Any, _: Any) -> None:
            connection.execute("SET session_replication_role = replica")
            connection.commit()
    else:
        engine = sa.create_engine(f"sqlite:///{address}")
    try:
        yield engine
    finally:
        engine.dispose()


def key_of(table: sa.Table, row: Mapping[Any, Any]) -> sa.ColumnElement[bool]:
    """Where this very row stands."""
    return sa.and_(*(column == row[column.name] for column in table.primary_key.columns))


def subject_of(table: sa.Table, row: Mapping[Any, Any]) -> Subject:
    """Whose row it is."""
    if table is policies:
        return Subject("policy", f"{row['wallet']}/{row['version']}")
    if table in (wallets, clients):
        return Subject(table.name[:-1], row["id"])
    kind = "wallet" if table in (key_versions, wallet_policies) else "client"
    return Subject(kind, row[kind])


def rows_in(connection: sa.Connection, table: sa.Table) -> Sequence[Mapping[Any, Any]]:
    """What stands in a table."""
    return connection.execute(sa.select(table)).mappings().all()


def others_of(value: object, column: sa.Column[Any]) -> list[object]:
    """Values that could stand in its place."""
    if isinstance(value, int):
        found: list[object] = [value + 1, value - 1, 0]
    elif isinstance(value, bytes):
        found = [bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 128]), value + b"\0", value[:-1]]
    elif isinstance(value, str):
        found = [value + " ", value[:-1], value.swapcase()]
    elif isinstance(column.type, sa.Integer):
        found = [0, 1]
    elif isinstance(column.type, sa.LargeBinary):
        found = [b"", bytes(32)]
    else:
        found = ["", "x"]
    return [one for one in (*found, None) if one != value]


Copy = dict[str, list[dict[str, Any]]]


def copy_all(engine: sa.Engine) -> Copy:
    """Everything that stands in the database."""
    with engine.begin() as connection:
        return {table.name: [dict(row) for row in rows_in(connection, table)] for table in metadata.sorted_tables}


def put_back(engine: sa.Engine, copy: Copy, tables: Sequence[sa.Table] = tuple(metadata.sorted_tables)) -> None:
    """Let these tables be as they were."""
    with engine.begin() as connection:
        for table in tables:
            connection.execute(table.delete())
            if copy[table.name]:
                connection.execute(table.insert(), copy[table.name])


EVERY_SIGNED = (*SIGNED, row_signatures)
