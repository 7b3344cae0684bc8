"""Sealing new keys, and the opened ones at hand."""

import threading
from pathlib import Path

from hyperkms import _core
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import NotFound, Tampered
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import SealedKey, Wallet, WalletId


class Keyring:
    """Seals keys under the root key and keeps handles of those in use.

    A handle is an opaque object of the core, sealed in memory while idle. It is opened from the key
    store once and then kept for the life of the process.
    """

    def __init__(self, root_key: RootKey, key_store: KeyStore) -> None:
        self._root_key = root_key
        self._key_store = key_store
        self._handles: dict[tuple[WalletId, int], _core.KeyHandle] = {}
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
        header = _core.inspect_sealed_key(sealed)
        if header.root_key_id != self._root_key.id:
            raise Tampered(
                "wrong-root-key",
                f"wallet {context.wallet} was sealed under root key {header.root_key_id}, "
                f"and this is root key {self._root_key.id}",
            )
        data_key = self._root_key.unwrap(header.wrapped, context)
        return _core.open_sealed_key(sealed, context, data_key)

    def handle(self, wallet: Wallet) -> _core.KeyHandle:
        """The handle of the wallet's current key; its public key is the recorded one.

        Tampered when the sealed key is missing, was changed, or is not the wallet's.
        """
        place = (wallet.id, wallet.current.number)
        found = self._handles.get(place)
        if found is None:
            about_to_wait()
            with self._opening:
                found = self._handles.get(place) or self._load(wallet)
                self._handles[place] = found
        if found.public_key != wallet.current.public_key:
            raise Tampered(
                "public-key-mismatch", f"the record of wallet {wallet.id} names another public key than its key has"
            )
        return found

    def _load(self, wallet: Wallet) -> _core.KeyHandle:
        try:
            sealed = self._key_store.get(wallet.id, wallet.current.number)
        except NotFound as missing:
            raise Tampered(
                "sealed-key-missing", f"wallet {wallet.id} is listed and its sealed key is gone"
            ) from missing
        return self.open(sealed, wallet.context())
