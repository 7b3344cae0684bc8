"""The root key of a cosigner: under it are its shares and its identity key, each sealed with a data key of its own."""

from typing import NamedTuple, Protocol

import hyperkms_cosign as cosign

from hyperkms import _core
from hyperkms.errors import Tampered

_PLACE = ("wallet", "version", "epoch", "index", "key_type", "network", "group")


class ShareRootKey(Protocol):
    """Makes and unwraps data keys, each for one share, or, for None, for the identity key.

    A data key is made and kept inside the module of shares. Tampered where it was wrapped by another root key or for
    something else, Unavailable where the root key cannot be reached, Withdrawn where it, or the right to it, was taken
    away. `hyperkms_cosign.LocalRootKey` is one: a file.
    """

    @property
    def id(self) -> str:
        """A stable name, which stands in all that is sealed."""

    def new_data_key(self, context: cosign.ShareContext | None) -> tuple[cosign.DataKey, bytes]:
        """A fresh data key, and its wrapped form."""

    def unwrap(self, wrapped: bytes, context: cosign.ShareContext | None) -> cosign.DataKey:
        """The data key that was wrapped for exactly this."""


class Fresh(NamedTuple):
    """What something is sealed with, in the order in which the module of shares takes it."""

    data_key: cosign.DataKey
    wrapped: bytes
    root_key_id: str


def fresh(root_key: ShareRootKey, context: cosign.ShareContext | None) -> Fresh:
    """A data key that has sealed nothing yet."""
    return Fresh(*root_key.new_data_key(context), root_key.id)


def open_share(sealed: bytes, context: cosign.ShareContext, root_key: ShareRootKey) -> cosign.Share:
    """The share; Tampered unless it is the one of this context, unchanged, and sealed under this root key."""
    return cosign.Share.open(sealed, context, data_key_of(sealed, context, root_key))


def data_key_of(sealed: bytes, context: cosign.ShareContext, root_key: ShareRootKey) -> cosign.DataKey:
    """What the share is sealed with. A share of another place is refused before the root key is asked."""
    found = cosign.inspect_share(sealed)
    if any(found[name] != getattr(context, name) for name in _PLACE):
        words = f"the sealed share of wallet {context.wallet} stands in the place of another"
        raise Tampered("share-misplaced", words)
    if found["root_key_id"] != root_key.id:
        words = f"the sealed share of wallet {context.wallet}, version {context.version}, epoch {context.epoch}"
        raise Tampered("share-tampered", f"{words} was sealed under another root key than this directory's")
    return root_key.unwrap(_bytes(found["wrapped"]), context)


def open_identity(sealed: bytes, root_key: ShareRootKey) -> cosign.Identity:
    """The identity key; Tampered unless it was sealed under this root key, and is unchanged."""
    return cosign.Identity.open(sealed, identity_data_key_of(sealed, root_key))


def identity_data_key_of(sealed: bytes, root_key: ShareRootKey) -> cosign.DataKey:
    """What the identity key is sealed with."""
    header = _core.inspect_sealed_key(sealed)
    if header.root_key_id != root_key.id:
        words = "the identity of this cosigner was sealed under another root key than this directory's"
        raise Tampered("wrong-root-key", words)
    return root_key.unwrap(header.wrapped, None)


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return value
