"""A root key in a local file, for laptops and for machines without a cloud account."""

from pathlib import Path

from hyperkms._core import Context, DataKey, LocalRootKey
from hyperkms.custody.root_key import FreshDataKey


class LocalFileRootKey:
    """32 random bytes in a file of mode 0600; the core alone reads them.

    Whoever reads the file and the key store has every key: docs/threat-model.md.
    """

    def __init__(self, key: LocalRootKey) -> None:
        self._key = key

    @classmethod
    def create(cls, path: Path) -> "LocalFileRootKey":
        """Make the file; Conflict if it exists. Complete and durable on return."""
        return cls(LocalRootKey.create(path))

    @classmethod
    def open(cls, path: Path) -> "LocalFileRootKey":
        """Open it; Refused unless it is this user's own with mode 0600 or 0400."""
        return cls(LocalRootKey.open(path))

    @property
    def id(self) -> str:
        """`file:` and 32 hex digits, derived from the key."""
        return self._key.id

    def new_data_key(self, context: Context) -> FreshDataKey:
        """A fresh data key, bound to the context."""
        return FreshDataKey(*self._key.new_data_key(context))

    def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """The data key that was wrapped under this context; Tampered otherwise."""
        return self._key.unwrap(wrapped, context)
