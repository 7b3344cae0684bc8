"""The key that signs the record: by the core, and nothing but tree heads and manifest entries."""

from dataclasses import dataclass
from functools import cached_property

from hyperkms import _core
from hyperkms.audit.forms import key_id_of


@dataclass(frozen=True)
class LogKey:
    """The log key of a data directory."""

    handle: _core.KeyHandle

    @cached_property
    def public_key(self) -> str:
        """0x and 64 hex digits."""
        return "0x" + self.handle.public_key.hex()

    @cached_property
    def id(self) -> str:
        """As every line that it signs names it."""
        return key_id_of(self.handle.public_key)

    def sign_head(self, log: str, *, size: int, root: bytes, time: int) -> str:
        """0x and 128 hex digits."""
        return _core.sign_tree_head(self.handle, bytes.fromhex(log), size, root, time)

    def sign_entry(self, entry: bytes, *, index: int, prev: str) -> str:
        """The same for an entry of the manifest."""
        return _core.sign_manifest_entry(self.handle, index, bytes.fromhex(prev), entry)
