"""Names in a database that is only looked at: for the completion of a shell, which must not fail or wait."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hyperkms.errors import Unavailable
from hyperkms.state.postgresql_address import DatabaseAddress, PostgresAddress

MOST = 200
_BUSY_S = 0.2
_CONNECT_S = 2
"""The least that libpq takes."""


def wallets_with(address: DatabaseAddress, prefix: str) -> Sequence[str]:
    """Ids of live wallets that begin so, the first 200; Unavailable if the database cannot be read at once."""
    query = "SELECT id FROM wallets WHERE substr(id, 1, ?) = ? AND retired_at IS NULL ORDER BY id LIMIT ?"
    return _names(address, query, prefix)


def clients_with(address: DatabaseAddress, prefix: str) -> Sequence[str]:
    """Names of clients that begin so and are not revoked."""
    query = "SELECT name FROM clients WHERE substr(name, 1, ?) = ? AND revoked_at IS NULL ORDER BY name LIMIT ?"
    return _names(address, query, prefix)


def _names(address: DatabaseAddress, query: str, prefix: str) -> Sequence[str]:
    values = (len(prefix), prefix, MOST)
    if isinstance(address, PostgresAddress):
        return _of_server(address, query.replace("?", "%s"), values)
    return _of_file(address, query, values)


def _of_file(path: Path, query: str, values: tuple[int, str, int]) -> Sequence[str]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as database:
            return [name for (name,) in database.execute(query, values)]
    except sqlite3.Error as error:
        raise _unreadable(error) from error


def _of_server(address: PostgresAddress, query: str, values: tuple[int, str, int]) -> Sequence[str]:
    try:
        import psycopg  # noqa: PLC0415 (an extra)

        from hyperkms.state.postgresql import session_arguments  # noqa: PLC0415 (as above)
    except ImportError as error:
        raise _unreadable(error) from error
    arguments = {**session_arguments(address), "connect_timeout": _CONNECT_S}
    try:
        with psycopg.connect(**arguments) as connection:
            return [name for (name,) in connection.execute(query.encode(), values)]
    except psycopg.Error as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Unavailable:
    return Unavailable("database-unavailable", f"the database cannot be read ({type(error).__name__})")
