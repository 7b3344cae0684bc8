"""Sealing new keys, and the opened ones at hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hyperkms import _core
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.leased import Leased, Opened
from hyperkms.custody.leases import Terms
from hyperkms.custody.root_change import root_key_of
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import NotFound, Tampered
from hyperkms.wallet import KeyVersion, PublicKey, SealedKey, Wallet, WalletId

MOST_HANDLES = 10_000

_Place: TypeAlias = tuple[WalletId, int]


@dataclass(frozen=True)
class Conditions:
    """What holds of a root key beside itself."""

    before: RootKey | None = None
    """The root key that is being left: keys may still be under it."""
    terms: Terms | None = None
    """The leases of one that is elsewhere; None: keys are given for as long as the process lives."""


_ALONE = Conditions()


class Keyring:
    """Seals keys under the root key and keeps handles of those in use.

    A handle is an opaque object of the core, sealed in memory while idle. It is opened from the key store when it is
    first used, which `opened` is told, and kept until its version is retired, `most` others were used since, or its
    lease has ended: a root key on this machine gives keys for as long as the process lives, one elsewhere by its terms.
    """

    def __init__(
        self,
        root_key: RootKey,
        key_store: KeyStore,
        *,
        most: int = MOST_HANDLES,
        opened: Callable[[], None] = lambda: None,
        conditions: Conditions = _ALONE,
    ) -> None:
        self._root_key = root_key
        self._before = conditions.before
        self._key_store = key_store
        self._told = opened
        self._terms = conditions.terms
        self._leased: Leased[_Place, _core.KeyHandle] = Leased(conditions.terms, most=most)

    @property
    def root_key_id(self) -> str:
        """That of the root key in force, under which new keys are sealed."""
        return self._root_key.id

    @property
    def root_key_id_before(self) -> str | None:
        """That of the root key that is being left; None if none is."""
        return None if self._before is None else self._before.id

    @property
    def has_leases(self) -> bool:
        """Whether a handle may end while its version signs: ask `handle` each time then."""
        return self._terms is not None

    def generate(self, context: _core.Context) -> SealedKey:
        """A new key, sealed and not stored."""
        data_key, wrapped = self._root_key.new_data_key(context)
        return SealedKey(_core.generate_key(context, data_key, wrapped, self._root_key.id))

    def import_file(self, path: Path, context: _core.Context) -> SealedKey:
        """The key of a file (`-`: standard input), read by the core, sealed and not stored."""
        data_key, wrapped = self._root_key.new_data_key(context)
        return SealedKey(_core.import_key(path, context, data_key, wrapped, self._root_key.id))

    def import_first_system(
        self, first: FirstSystem, ciphertext: bytes, recorded: PublicKey | None, context: _core.Context
    ) -> SealedKey:
        """A key that the first system had encrypted, received by the core, sealed and not stored."""
        fresh = self._root_key.new_data_key(context)
        return first.seal(ciphertext, recorded, context, fresh, self._root_key.id)

    def open(self, sealed: SealedKey, context: _core.Context) -> _core.KeyHandle:
        """Open a sealed key; Tampered unless it is the one of this context, unchanged."""
        return _core.open_sealed_key(sealed, context, self._data_key(sealed, context))

    def reseal(self, sealed: SealedKey, context: _core.Context) -> SealedKey:
        """The same key under a new data key, of the root key in force; not stored. It is known to open."""
        data_key, wrapped = self._root_key.new_data_key(context)
        resealed = _core.reseal_key(
            sealed,
            context,
            self._data_key(sealed, context),
            new_data_key=data_key,
            wrapped=wrapped,
            root_key_id=self._root_key.id,
        )
        if self.open(SealedKey(resealed), context).public_key != _core.inspect_sealed_key(sealed).public_key:
            raise Tampered("public-key-mismatch", f"the key of {context.wallet} sealed anew is another key")
        return SealedKey(resealed)

    def copy(self, sealed: SealedKey, context: _core.Context, recipient: str) -> bytes:
        """The key, encrypted to a recipient who is offline; not stored."""
        return _core.copy_key(sealed, context, self._data_key(sealed, context), recipient)

    def _data_key(self, sealed: SealedKey, context: _core.Context) -> _core.DataKey:
        header = _core.inspect_sealed_key(sealed)
        return root_key_of(header, context, self._root_key, self._before).unwrap(header.wrapped, context)

    def handle(self, wallet: Wallet, version: KeyVersion) -> _core.KeyHandle:
        """The handle of a version's key; its public key is the recorded one.

        Tampered when the sealed key is missing, was changed, or is not the version's. Unavailable when the lease has
        ended and the root key cannot be asked, Withdrawn when it says no.
        """
        handle = self._leased.get((wallet.id, version.number), lambda: self._load(wallet, version))
        if handle.public_key != version.public_key:
            raise Tampered(
                "public-key-mismatch", f"the record of wallet {wallet.id} names another public key than its key has"
            )
        return handle

    def forget(self, wallet: WalletId, version: int) -> None:
        """Drop the handle; harmless if there is none."""
        self._leased.forget((wallet, version))

    def at_hand(self) -> Sequence[tuple[WalletId, int]]:
        """The wallets and versions whose handles are kept."""
        return self._leased.at_hand()

    def keep_leases(self) -> bool:
        """Once a second: have those renewed that are due, and let go of what ended; whether something was let go."""
        return self._leased.keep()

    def close(self) -> None:
        """Renew nothing any more."""
        self._leased.close()

    def _load(self, wallet: Wallet, version: KeyVersion) -> Opened[_core.KeyHandle]:
        sealed, context = self._stored(wallet, version), wallet.context_of(version)
        handle = self.open(sealed, context)
        self._told()
        header = _core.inspect_sealed_key(sealed)
        root_key = root_key_of(header, context, self._root_key, self._before)
        if root_key is self._before:  # by the next time it may have been sealed anew, and that root key be gone
            return Opened(handle, lambda: self._data_key(self._stored(wallet, version), context))
        return Opened(handle, lambda: root_key.unwrap(header.wrapped, context))

    def _stored(self, wallet: Wallet, version: KeyVersion) -> SealedKey:
        try:
            return self._key_store.get(wallet.id, version.number)
        except NotFound as missing:
            raise Tampered(
                "sealed-key-missing", f"wallet {wallet.id} is listed and its sealed key is gone"
            ) from missing
