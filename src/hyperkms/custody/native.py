"""Keys that are made elsewhere and never leave it: each signature is asked for."""

from dataclasses import dataclass
from typing import Protocol

from hyperkms._core import KmsForm
from hyperkms.wallet import KeyType, Network, PublicKey, WalletId


@dataclass(frozen=True, kw_only=True)
class NativePlace:
    """Which version a new key is for."""

    wallet: WalletId
    version: int
    key_type: KeyType
    network: Network | None
    token: str
    """Of the call that makes it; 32 hex digits."""


class NativeKeys(Protocol):
    """Makes keys, has them sign and withdraws them.

    Every method raises Unavailable when the keys cannot be reached, Withdrawn when somebody has taken the key, or the
    right to it, away, and Tampered when what is answered is not of the key that was named.
    """

    def make(self, place: NativePlace) -> str:
        """A new key each time it is called; its name. It bears what it is for, and the token."""

    def find(self, token: str) -> str | None:
        """The name of the key that a call with this token has made; None: there is none."""

    def public_key(self, key: str, key_type: KeyType) -> PublicKey:
        """That of the key."""

    def sign(self, key: str, key_type: KeyType, form: KmsForm) -> tuple[str, str]:
        """Signature and digest; verified under the public key of the form."""

    def prove(self, key: str, key_type: KeyType, form: KmsForm) -> tuple[str, str]:
        """The same by a key that was made this moment."""

    def require_marked(self, key: str, token: str) -> None:
        """Tampered unless `find` would know this key, which was made this moment, by this token."""

    def withdraw(self, key: str) -> None:
        """It signs nothing from now on, and will be destroyed; harmless if that is so already."""
