"""Sealing new keys, and the opened ones at hand."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from hyperkms import _core
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.leases import Lease, Terms
from hyperkms.custody.root_change import root_key_of
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import NotFound, Tampered, Unavailable, Withdrawn
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import KeyVersion, PublicKey, SealedKey, Wallet, WalletId

MOST_HANDLES = 10_000
_RENEWING = 4

_Place: TypeAlias = tuple[WalletId, int]


@dataclass(slots=True)
class _Opened:
    """A key at hand, and what its root key is asked with when the lease is to be renewed."""

    handle: _core.KeyHandle
    root_key: RootKey
    wrapped: bytes
    lease: Lease | None


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
        self._most = most
        self._told = opened
        self._terms = terms = conditions.terms
        self._opened: OrderedDict[_Place, _Opened] = OrderedDict()
        self._changing = threading.Lock()
        self._opening: dict[_Place, tuple[threading.Lock, int]] = {}
        self._renewing = ThreadPoolExecutor(_RENEWING, thread_name_prefix="leases") if terms else None

    @property
    def root_key_id(self) -> str:
        """That of the root key in force, under which new keys are sealed."""
        return self._root_key.id

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
        place = (wallet.id, version.number)
        found = self._opened.get(place)
        if found is None or (found.lease is not None and not found.lease.runs()):
            about_to_wait()
            found = self._obtain(place, wallet, version)
        with suppress(KeyError):  # another thread may have dropped it since
            self._opened.move_to_end(place)
        if found.lease is not None:
            found.lease.was_used = True
        if found.handle.public_key != version.public_key:
            raise Tampered(
                "public-key-mismatch", f"the record of wallet {wallet.id} names another public key than its key has"
            )
        return found.handle

    def forget(self, wallet: WalletId, version: int) -> None:
        """Drop the handle; harmless if there is none."""
        with self._changing:
            self._opened.pop((wallet, version), None)

    def at_hand(self) -> Sequence[tuple[WalletId, int]]:
        """The wallets and versions whose handles are kept."""
        with self._changing:
            return list(self._opened)

    def keep_leases(self) -> bool:
        """Once a second: have those renewed that are due, and let go of what ended; whether something was let go."""
        if self._terms is None or self._terms.is_strict or self._renewing is None:
            return False
        has_ended = False
        with self._changing:
            for place, opened in list(self._opened.items()):
                if opened.lease is None:
                    continue
                if not opened.lease.runs():
                    del self._opened[place]
                    has_ended = True
                elif opened.lease.is_due():
                    opened.lease.is_renewing = True
                    self._renewing.submit(self._renew, place, opened)
        return has_ended

    def close(self) -> None:
        """Renew nothing any more."""
        if self._renewing is not None:
            self._renewing.shutdown(wait=False, cancel_futures=True)

    def _obtain(self, place: _Place, wallet: Wallet, version: KeyVersion) -> _Opened:
        """Opened by one thread for all that ask at the same time; what is strict asks for each, once it is open."""
        strict = self._terms is not None and self._terms.is_strict
        with self._turn(place):
            found = self._opened.get(place)
            is_open = found is not None and (strict or found.lease is None or found.lease.runs())
            if found is None or not is_open:
                found = self._load(wallet, version)
                with self._changing:
                    self._opened[place] = found
                    while len(self._opened) > self._most:
                        self._opened.popitem(last=False)
                return found
        if strict:
            try:
                found.root_key.unwrap(found.wrapped, found.handle.context)
            except (Withdrawn, Tampered):
                self.forget(*place)
                raise
        return found

    @contextmanager
    def _turn(self, place: _Place) -> Iterator[None]:
        with self._changing:
            lock, waiting = self._opening.get(place, (threading.Lock(), 0))
            self._opening[place] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._changing:
                lock, waiting = self._opening.pop(place)
                if waiting > 1:
                    self._opening[place] = (lock, waiting - 1)

    def _renew(self, place: _Place, opened: _Opened) -> None:
        lease = opened.lease
        if lease is None or self._terms is None:
            return
        asked_at = time.monotonic()
        try:
            opened.root_key.unwrap(opened.wrapped, opened.handle.context)
        except (Withdrawn, Tampered):
            self.forget(*place)
        except Unavailable:
            lease.put_off()
        else:
            renewed = self._terms.begin(asked_at)
            renewed.was_used = False
            opened.lease = renewed

    def _load(self, wallet: Wallet, version: KeyVersion) -> _Opened:
        asked_at = time.monotonic()
        try:
            sealed = self._key_store.get(wallet.id, version.number)
        except NotFound as missing:
            raise Tampered(
                "sealed-key-missing", f"wallet {wallet.id} is listed and its sealed key is gone"
            ) from missing
        context = wallet.context_of(version)
        handle = self.open(sealed, context)
        self._told()
        lease = None if self._terms is None else self._terms.begin(asked_at)
        header = _core.inspect_sealed_key(sealed)
        return _Opened(handle, root_key_of(header, context, self._root_key, self._before), header.wrapped, lease)
