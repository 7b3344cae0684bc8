"""The root key: it wraps the data keys, and never leaves its place."""

from typing import NamedTuple, Protocol

from hyperkms._core import Context, DataKey


class FreshDataKey(NamedTuple):
    """A new data key, opaque, and the wrapped form that is stored beside what it seals."""

    data_key: DataKey
    wrapped: bytes


class RootKey(Protocol):
    """Wraps and unwraps data keys under a context.

    A data key is made and kept inside the core; no implementation sees one. An implementation raises
    Tampered when a wrapped key was made under another root key or context, Unavailable when the root key cannot be
    reached, and Withdrawn when somebody has taken it, or the right to it, away.
    """

    @property
    def id(self) -> str:
        """A stable name, at most 255 characters, which stands in every sealed key."""

    def new_data_key(self, context: Context) -> FreshDataKey:
        """A fresh data key, bound to the context."""

    def check(self) -> None:
        """Raise what `new_data_key` would raise, as far as that is known without making one."""

    def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """The data key that was wrapped under this context."""
