"""Where the first system kept its records, and what opens them."""

from collections.abc import Iterable
from typing import Protocol

from hyperkms._core import Context
from hyperkms.custody.root_key import FreshDataKey
from hyperkms.wallet import PublicKey, SealedKey


class FirstSystem(Protocol):
    """Its records and its encrypted private keys; nothing here writes, changes or removes any of them.

    Every method raises Unavailable when the place cannot be reached, and Withdrawn when the right to it is missing.
    """

    def names(self) -> Iterable[str]:
        """The names of the records, in order. One that is new may be missing: ask `read` whether there is one."""

    def read(self, name: str) -> str | None:
        """The record of that name; None if there is none."""

    def public_key(self, ciphertext: bytes, recorded: PublicKey | None) -> PublicKey:
        """That of an encrypted private key.

        Tampered if it does not open, is no key of the first system, or is not the recorded one.
        """

    def seal(
        self, ciphertext: bytes, recorded: PublicKey | None, context: Context, fresh: FreshDataKey, root_key_id: str
    ) -> SealedKey:
        """The same key, sealed for this system and not stored; no more than that ever leaves the core."""

    def copy_share(self, ciphertext: bytes, wallet: str, recipient: str) -> bytes:
        """An encrypted share, encrypted anew to a recipient who is offline; the core sees the share, and no other."""
