"""The in-memory back ends, which pass the same conformance suite as the real ones."""

from collections.abc import Sequence

from hyperkms.custody.key_store import Place
from hyperkms.errors import Conflict, NotFound
from hyperkms.wallet import SealedKey, WalletId


class MemoryKeyStore:
    """Sealed keys in a dictionary: atomic, and gone with the process."""

    def __init__(self) -> None:
        self._sealed: dict[tuple[WalletId, int], SealedKey] = {}

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it; Conflict if that place is taken."""
        if self._sealed.setdefault((wallet, version), sealed) is not sealed:
            raise Conflict("sealed-key-exists", f"wallet {wallet} version {version} has a sealed key")

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored; NotFound if nothing was."""
        try:
            return self._sealed[wallet, version]
        except KeyError:
            raise NotFound("sealed-key-not-found", f"wallet {wallet} version {version} has no sealed key") from None

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there."""
        self._sealed.pop((wallet, version), None)

    def places(self, *, after: Place, limit: int) -> Sequence[Place]:
        """At most `limit` places after `after`, in order."""
        return [Place(*one) for one in sorted(self._sealed) if one > after][:limit]

    def replace(self, wallet: WalletId, version: int, before: SealedKey, after: SealedKey) -> bool:
        """Put the same key, sealed anew, in its place."""
        if self._sealed.get((wallet, version)) != before:
            return False
        self._sealed[wallet, version] = after
        return True


class MemoryNamedStore:
    """What is sealed by its name, in a dictionary."""

    largest = 100

    def __init__(self) -> None:
        self.sealed: dict[str, bytes] = {}

    def create(self, name: str, sealed: bytes) -> None:
        """Store it; Conflict if there is another one of that name."""
        if self.sealed.setdefault(name, sealed) != sealed:
            raise Conflict("sealed-key-exists", f"there is another sealed key under {name}")

    def get(self, name: str) -> bytes:
        """What was stored; NotFound if nothing was."""
        try:
            return self.sealed[name]
        except KeyError:
            raise NotFound("sealed-key-not-found", f"there is nothing under {name}") from None

    def delete(self, name: str) -> None:
        """Forget it; harmless if it is not there."""
        self.sealed.pop(name, None)
