"""Where sealed keys are kept."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from hyperkms.errors import NotFound, Unavailable
from hyperkms.wallet import SealedKey, WalletId


class Place(NamedTuple):
    """Where a sealed key is kept; places sort by wallet, then version."""

    wallet: WalletId
    version: int


class KeyStore(Protocol):
    """Sealed keys by wallet and key version: created once, never overwritten.

    Distinct (wallet, version) pairs never share a place. Every method raises Unavailable when the
    store cannot be reached; NotFound is never a guess about an outage.
    """

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it, durable on return; Conflict if that place is taken. Atomic: all or nothing."""

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored, byte for byte; NotFound if nothing was."""

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there. Durable on return."""


class NamedStore(Protocol):
    """What is sealed, by a name that whoever stores it gives: created once, never overwritten. It raises as a KeyStore.

    What cannot be listed has to be remembered by whoever gave the name.
    """

    largest: int
    """So many bytes at most."""

    def create(self, name: str, sealed: bytes) -> None:
        """Store it, durable on return; Conflict if there is another one of that name. Atomic: all or nothing."""

    def get(self, name: str) -> bytes:
        """What was stored, byte for byte; NotFound if nothing was."""

    def delete(self, name: str) -> None:
        """Forget it; harmless if it is not there. Durable on return."""


@runtime_checkable
class ListingKeyStore(Protocol):
    """A key store that can say what it has; what a cut-off call left in another one stays there."""

    def places(self, *, after: Place, limit: int) -> Sequence[Place]:
        """At most `limit` places after `after`, in order; one that is created meanwhile may be missing."""


@runtime_checkable
class ReplacingKeyStore(KeyStore, ListingKeyStore, Protocol):
    """A key store that can put the same key, sealed anew, in the place of a sealed key."""

    def replace(self, wallet: WalletId, version: int, before: SealedKey, after: SealedKey) -> bool:
        """Atomic, durable on return, and nothing of the one before is left.

        False, and nothing done, unless it is `before` that stands there.
        """


@runtime_checkable
class KeepingKeyStore(Protocol):
    """A key store that knows whether a key that was stored here is still where keys are looked for."""

    def is_kept(self, wallet: WalletId, version: int, sealed: SealedKey) -> bool:
        """Ask it in the transaction that lists the version."""


def require_kept(store: KeyStore, wallet: WalletId, version: int, sealed: SealedKey) -> None:
    """Unavailable unless this is what is stored; ask it in the transaction that lists the version.

    A process that was stopped for long after it stored a key may find that the sweep has removed it. The
    sweep claims before it removes, and claims in a transaction: while this one is open, what is there stays. From a
    store that cannot say what it has nothing is swept, and it may be far away: what is asked is whether keys began to
    be sealed anew since.
    """
    if isinstance(store, KeepingKeyStore):
        if not store.is_kept(wallet, version, sealed):
            words = f"keys began to be sealed anew while that of wallet {wallet}, version {version}, was made"
            raise Unavailable("sealed-key-being-removed", f"{words}: ask again")
        return
    if not isinstance(store, ListingKeyStore):
        return
    try:
        kept = store.get(wallet, version) == sealed
    except NotFound:
        kept = False
    if not kept:
        words = f"the new key of wallet {wallet}, version {version}, was removed before it was listed: ask again"
        raise Unavailable("sealed-key-being-removed", words)
