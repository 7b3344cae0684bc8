"""The store key: one Ed25519 key a database, with which its rows are signed and nothing else."""

from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.audit.forms import key_id_of
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.root_change import root_key_of
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import Tampered
from hyperkms.state.database import Database
from hyperkms.state.schema import store_keys

_CONTEXT = _core.store_key_context()


@dataclass(frozen=True)
class StoreKey:
    """The store key of a database, open."""

    handle: _core.KeyHandle

    @cached_property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.handle.public_key

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of its public key."""
        return key_id_of(self.public_key)

    def sign(self, kind: str, subject_id: str, sequence: int, rows: bytes) -> bytes:
        """The signature of a subject's rows; 64 bytes."""
        return _core.sign_rows(self.handle, kind, subject_id, sequence, rows)


@dataclass(frozen=True)
class NewStoreKey:
    """One that was made and is not stored."""

    key: StoreKey
    sealed: bytes


def open_store_key(database: Database, root_key: RootKey, before: RootKey | None = None) -> StoreKey | None:
    """That of the database; None if it has none yet.

    Tampered unless it is sealed under this root key, or under the one that is being left, for this purpose.
    """
    with database.read() as connection:
        return open_within(connection, root_key, before)


def open_within(connection: sa.Connection, root_key: RootKey, before: RootKey | None) -> StoreKey | None:
    """The same as this transaction sees it."""
    found = connection.execute(sa.select(store_keys.c.sealed)).scalars().all()
    if not found:
        return None
    if len(found) > 1:
        words = f"the database has {len(found)} store keys, and one is due: somebody has added one"
        raise Tampered("store-key-replaced", words)
    return _opened(bytes(found[0]), root_key, before)


def new_store_key(root_key: RootKey) -> NewStoreKey:
    """A new one, open and sealed."""
    data_key, wrapped = root_key.new_data_key(_CONTEXT)
    sealed = _core.generate_key(_CONTEXT, data_key, wrapped, root_key.id)
    return NewStoreKey(_opened(sealed, root_key, None), sealed)


def new_store_key_of(keyring: Keyring) -> NewStoreKey:
    """The same, by the keyring of a directory that is open."""
    sealed = keyring.generate(_CONTEXT)
    return NewStoreKey(StoreKey(keyring.open(sealed, _CONTEXT)), sealed)


def store_within(connection: sa.Connection, new: NewStoreKey, now: int) -> None:
    """Let it be that of the database once the transaction commits; one before it is gone then."""
    connection.execute(store_keys.delete())
    row = {"id": new.key.id, "public_key": new.key.public_key, "sealed": new.sealed, "created_at": now}
    connection.execute(store_keys.insert().values(row))


def _opened(sealed: bytes, root_key: RootKey, before: RootKey | None) -> StoreKey:
    header = _core.inspect_sealed_key(sealed)
    data_key = root_key_of(header, _CONTEXT, root_key, before).unwrap(header.wrapped, _CONTEXT)
    return StoreKey(_core.open_sealed_key(sealed, _CONTEXT, data_key))
