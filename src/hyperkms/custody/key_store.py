"""Where sealed keys are kept."""

from typing import Protocol

from hyperkms.wallet import SealedKey, WalletId


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
