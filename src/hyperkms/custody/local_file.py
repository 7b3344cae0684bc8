"""A root key in a local file, for laptops and for machines without a cloud account."""

from pathlib import Path

from hyperkms._core import Context, DataKey, LocalRootKey
from hyperkms.custody.root_key import FreshDataKey
from hyperkms.errors import Tampered


class LocalFileRootKey:
    """32 random bytes in a file of mode 0600; the core alone reads them.

    Whoever reads the file and the key store has every key: docs/threat-model.md.
    """

    def __init__(self, key: LocalRootKey, path: Path) -> None:
        self._key = key
        self._path = path
        self._file = _identity(path)

    @classmethod
    def create(cls, path: Path) -> "LocalFileRootKey":
        """Make the file; Conflict if it exists. Complete and durable on return."""
        return cls(LocalRootKey.create(path), path)

    @classmethod
    def open(cls, path: Path) -> "LocalFileRootKey":
        """Open it; Refused unless it is this user's own with mode 0600 or 0400."""
        return cls(LocalRootKey.open(path), path)

    @property
    def id(self) -> str:
        """`file:` and 32 hex digits, derived from the key."""
        return self._key.id

    def new_data_key(self, context: Context) -> FreshDataKey:
        """A fresh data key, bound to the context; Tampered once the file is gone or another."""
        self.check()
        return FreshDataKey(*self._key.new_data_key(context))

    def check(self) -> None:
        """Tampered if the file is gone, or not the one that was opened: what is sealed now would open never again."""
        if self._file is None or _identity(self._path) != self._file:
            words = f"the root key file {self._path} was removed or replaced while it was in use; put it back"
            raise Tampered("root-key-missing", f"{words}: no key is made, since none would open after a restart")

    def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """The data key that was wrapped under this context; Tampered otherwise."""
        return self._key.unwrap(wrapped, context)


def _identity(path: Path) -> tuple[int, int, int, int] | None:
    """Device, inode, size and time of change of the file's content; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
