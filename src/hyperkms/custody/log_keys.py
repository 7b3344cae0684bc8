"""The log key: one Ed25519 key a data directory, with which its record is signed and nothing else."""

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.audit.forms import key_id_of
from hyperkms.custody.root_change import root_key_of
from hyperkms.custody.root_key import RootKey
from hyperkms.state.database import Database
from hyperkms.state.schema import log_keys

_CONTEXT = _core.Context.of_log_key()


def open_log_key(database: Database, root_key: RootKey, *, now: int, before: RootKey | None = None) -> _core.KeyHandle:
    """The handle of the data directory's log key, which is made if there is none; durable on return.

    Of several processes that make one at once all get the first. Tampered unless it is the one that was stored,
    sealed under this root key, or under the one that is being left, for this purpose.
    """
    sealed = stored_log_key(database) or _made(database, root_key, now)
    header = _core.inspect_sealed_key(sealed)
    data_key = root_key_of(header, _CONTEXT, root_key, before).unwrap(header.wrapped, _CONTEXT)
    return _core.open_sealed_key(sealed, _CONTEXT, data_key)


def stored_log_key(database: Database) -> bytes | None:
    """As it is sealed; None if there is none yet."""
    with database.read() as connection:
        return _first(connection)


def _made(database: Database, root_key: RootKey, now: int) -> bytes:
    data_key, wrapped = root_key.new_data_key(_CONTEXT)
    sealed = _core.generate_key(_CONTEXT, data_key, wrapped, root_key.id)
    public_key = _core.inspect_sealed_key(sealed).public_key
    row = {"id": key_id_of(public_key), "public_key": public_key, "sealed": sealed, "created_at": now}
    with database.write() as connection:
        standing = _first(connection)
        if standing is None:
            connection.execute(log_keys.insert(), row)
    return sealed if standing is None else standing


def _first(connection: sa.Connection) -> bytes | None:
    query = sa.select(log_keys.c.sealed).order_by(log_keys.c.created_at, log_keys.c.id).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)
