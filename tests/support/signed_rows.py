"""The signed rows of a database, for tests that open it without a data directory."""

from contextlib import suppress
from pathlib import Path

from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.store_keys import new_store_key, open_store_key, store_within
from hyperkms.errors import Conflict
from hyperkms.state.database import Database
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
