"""Names in a database that is only looked at: for the completion of a shell, which must not fail or wait."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hyperkms.errors import Unavailable

MOST = 200
_BUSY_S = 0.2


def wallets_with(path: Path, prefix: str) -> Sequence[str]:
    """Ids of live wallets that begin so, the first 200; Unavailable if the file cannot be read at once."""
    query = "SELECT id FROM wallets WHERE substr(id, 1, ?) = ? AND retired_at IS NULL ORDER BY id LIMIT ?"
    return _names(path, query, prefix)


def clients_with(path: Path, prefix: str) -> Sequence[str]:
    """Names of clients that begin so and are not revoked."""
    query = "SELECT name FROM clients WHERE substr(name, 1, ?) = ? AND revoked_at IS NULL ORDER BY name LIMIT ?"
    return _names(path, query, prefix)


def _names(path: Path, query: str, prefix: str) -> Sequence[str]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as database:
            return [name for (name,) in database.execute(query, (len(prefix), prefix, MOST))]
    except sqlite3.Error as error:
        raise Unavailable("database-unavailable", f"the database cannot be read ({type(error).__name__})") from error
