"""The signed rows of a database, for tests that open it without a data directory."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.store_keys import new_store_key, open_store_key, store_within
from hyperkms.errors import Conflict
from hyperkms.state.database import Database, open_database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.row_bytes import wallet_subject
from hyperkms.state.row_signatures import RowSignatures


def signed_rows(folder: Path, database: Database) -> RowSignatures:
    """As another process on this folder would have them; what stands there unsigned is signed the first time."""
    path = folder / "rows.root"
    with suppress(Conflict):
        LocalFileRootKey.create(path)
    root_key = LocalFileRootKey.open(path)
    key = open_store_key(database, root_key)
    if key is None:
        new = new_store_key(root_key)
        with database.write() as connection:
            RowSignatures(new.key).sign_all_within(connection)
            store_within(connection, new, 1)
        key = new.key
    return RowSignatures(key)


@contextmanager
def changing(data: Path, wallet: str) -> Iterator[sa.Connection]:
    """A change of a wallet's rows by who has the root key of the directory: it is signed as any other."""
    with closing(open_database(data / "hyperkms.db")) as database:
        key = open_store_key(database, LocalFileRootKey.open(data / "root.key"))
        assert key is not None
        changes = Generation(SharedCounters.open(data / "shared"), WALLET_CHANGES)
        with RowSignatures(key).changing(changes, database, wallet_subject(wallet)) as connection:
            yield connection
