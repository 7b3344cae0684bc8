"""The rows of a subject as bytes: what is signed of them. docs/formats.md states every byte.

A subject is what stands or falls as one: a wallet with its key versions and the choice of its policies, a client with
its keys and grants, one version of a policy. Two states of a subject never have the same bytes. What is null has none,
so a column that a later release adds leaves them as they were.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from hyperkms.state.schema import (
    client_identities,
    client_keys,
    clients,
    grants,
    key_versions,
    policies,
    wallet_policies,
    wallets,
)

WALLET, CLIENT, POLICY = "wallet", "client", "policy"
_CHUNK = 500
_RAW = sa.types.NullType()


class Subject(NamedTuple):
    """What has one signature."""

    kind: str
    """wallet, client or policy."""
    id: str
    """Of a wallet its id, of a client its id (not its name), of a policy the wallet's id, a slash and the version."""

    @property
    def words(self) -> str:
        """How refusals call it."""
        return f"{self.kind} {self.id}"


class Rows(NamedTuple):
    """The rows of a subject, as they stand in the database."""

    is_there: bool
    """False: its own row is gone, whatever is left of what belongs to it."""
    encoded: bytes


def wallet_subject(wallet: str) -> Subject:
    """That of a wallet."""
    return Subject(WALLET, wallet)


def client_subject(client_id: str) -> Subject:
    """That of a client."""
    return Subject(CLIENT, client_id)


def policy_subject(wallet: str, version: int) -> Subject:
    """That of a version of a wallet's policy."""
    return Subject(POLICY, f"{wallet}/{version}")


class _Part(NamedTuple):
    table: sa.Table
    owner: sa.ColumnElement[str]
    """The id of the subject that a row belongs to."""


_PARTS: Mapping[str, Sequence[_Part]] = {
    WALLET: (
        _Part(wallets, wallets.c.id),
        _Part(key_versions, key_versions.c.wallet),
        _Part(wallet_policies, wallet_policies.c.wallet),
    ),
    CLIENT: (
        _Part(clients, clients.c.id),
        _Part(client_keys, client_keys.c.client),
        _Part(client_identities, client_identities.c.client),
        _Part(grants, grants.c.client),
    ),
    POLICY: (_Part(policies, policies.c.wallet + "/" + sa.cast(policies.c.version, sa.String)),),
}
"""The first table of each has one row a subject."""
KINDS = tuple(_PARTS)


def _select(part: _Part) -> sa.Select[Any]:
    """Every column as the driver gives it: a value of a wrong type is other bytes, and no mistake on the way."""
    owner: sa.ColumnElement[Any] = sa.type_coerce(part.owner, _RAW).label("owner_")
    columns: list[sa.ColumnElement[Any]] = [sa.type_coerce(column, _RAW).label(column.name) for column in part.table.c]
    return sa.select(*[owner, *columns]).select_from(part.table)


_EVERY = {kind: tuple(_select(part) for part in parts) for kind, parts in _PARTS.items()}
_POLICY = sa.and_(policies.c.wallet == sa.bindparam("wallet_"), policies.c.version == sa.bindparam("version_"))
_ONE = {
    kind: tuple(_select(part).where(part.owner == sa.bindparam("id_")) for part in parts)
    for kind, parts in _PARTS.items()
} | {POLICY: (_select(_PARTS[POLICY][0]).where(_POLICY),)}


def rows_of(connection: sa.Connection, subject: Subject) -> Rows | None:
    """The rows of one subject; None if there is none of any table."""
    parameters: dict[str, object] = {"id_": subject.id}
    if subject.kind == POLICY:
        wallet, _, version = subject.id.rpartition("/")
        parameters = {"wallet_": wallet, "version_": int(version)}
    found = [connection.execute(query, parameters).mappings().all() for query in _ONE[subject.kind]]
    return _rows(subject.kind, found) if any(found) else None


def all_rows(connection: sa.Connection, kind: str) -> dict[str, Rows]:
    """The same of every subject of a kind, by id."""
    found: dict[str, list[list[sa.RowMapping]]] = {}
    for place, query in enumerate(_EVERY[kind]):
        for row in connection.execute(query).mappings():
            tables = found.setdefault(str(row["owner_"]), [[] for _ in _PARTS[kind]])
            tables[place].append(row)
    return {owner: _rows(kind, tables) for owner, tables in found.items()}


def _rows(kind: str, found: Sequence[Sequence[sa.RowMapping]]) -> Rows:
    tables = [
        encode_table(part.table.name, [_columns(row) for row in rows])
        for part, rows in zip(_PARTS[kind], found, strict=True)
    ]
    return Rows(bool(found[0]), b"".join(tables))


def _columns(row: sa.RowMapping) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "owner_" and value is not None}


def encode_table(name: str, rows: Iterable[Mapping[str, object]]) -> bytes:
    """The name, the number of rows, then each: the number of its columns, and of each, by name, the value."""
    encoded = sorted(_encode_row(row) for row in rows)
    return b"".join((_short(name), len(encoded).to_bytes(4, "big"), *encoded))


def _encode_row(row: Mapping[str, object]) -> bytes:
    columns = (_short(name) + _value(row[name]) for name in sorted(row))
    return b"".join((len(row).to_bytes(2, "big"), *columns))


def _short(name: str) -> bytes:
    text = name.encode()
    return len(text).to_bytes(1, "big") + text


def _value(value: object) -> bytes:
    """I and 8 bytes of a whole number; s or b, a length of 4 bytes and text or bytes; x and what is none of these."""
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return b"i" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, bytes | memoryview):
        return _long(b"b", bytes(value))
    if isinstance(value, str):
        return _long(b"s", value.encode("utf-8", "surrogatepass"))
    return _long(b"x", repr(value).encode())  # a type that no column has: SQLite stores any in any


def _long(tag: bytes, content: bytes) -> bytes:
    return tag + len(content).to_bytes(4, "big") + content
