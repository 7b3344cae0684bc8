"""Sealing new keys, and the opened ones at hand."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hyperkms import _core
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.root_change import root_key_of
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import NotFound, Tampered
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import KeyVersion, SealedKey, Wallet, WalletId

MOST_HANDLES = 10_000


class Keyring:
    """Seals keys under the root key and keeps handles of those in use.

    A handle is an opaque object of the core, sealed in memory while idle. It is opened from the key
    store when it is first used, which `opened` is told, and kept until its version is retired or `most`
    others were used since.
    """

    def __init__(
        self,
        root_key: RootKey,
        key_store: KeyStore,
        *,
        before: RootKey | None = None,
        most: int = MOST_HANDLES,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        self._root_key = root_key
        self._before = before
        """The root key that is being left: keys may still be under it."""
        self._key_store = key_store
        self._most = most
        self._opened = opened
        self._handles: OrderedDict[tuple[WalletId, int], _core.KeyHandle] = OrderedDict()
        self._opening = threading.Lock()

    def generate(self, context: _core.Context) -> SealedKey:
        """A new key, sealed and not stored."""
        data_key, wrapped = self._root_key.new_data_key(context)
        return SealedKey(_core.generate_key(context, data_key, wrapped, self._root_key.id))

    def import_file(self, path: Path, context: _core.Context) -> SealedKey:
        """The key of a file (`-`: standard input), read by the core, sealed and not stored."""
        data_key, wrapped = self._root_key.new_data_key(context)
        return SealedKey(_core.import_key(path, context, data_key, wrapped, self._root_key.id))

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

        Tampered when the sealed key is missing, was changed, or is not the version's.
        """
        place = (wallet.id, version.number)
        found = self._handles.get(place)
        if found is None:
            about_to_wait()
            with self._opening:
                found = self._handles.get(place) or self._load(wallet, version)
                self._handles[place] = found
                while len(self._handles) > self._most:
                    self._handles.popitem(last=False)
        with suppress(KeyError):  # another thread may have dropped it since
            self._handles.move_to_end(place)
        if found.public_key != version.public_key:
            raise Tampered(
                "public-key-mismatch", f"the record of wallet {wallet.id} names another public key than its key has"
            )
        return found

    def forget(self, wallet: WalletId, version: int) -> None:
        """Drop the handle; harmless if there is none."""
        with self._opening:
            self._handles.pop((wallet, version), None)

    def at_hand(self) -> Sequence[tuple[WalletId, int]]:
        """The wallets and versions whose handles are kept."""
        with self._opening:
            return list(self._handles)

    def _load(self, wallet: Wallet, version: KeyVersion) -> _core.KeyHandle:
        try:
            sealed = self._key_store.get(wallet.id, version.number)
        except NotFound as missing:
            raise Tampered(
                "sealed-key-missing", f"wallet {wallet.id} is listed and its sealed key is gone"
            ) from missing
        handle = self.open(sealed, wallet.context_of(version))
        self._opened()
        return handle
