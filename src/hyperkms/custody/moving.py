"""Sealed keys in places that are never written twice: one that is sealed anew moves on to the next place."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa

from hyperkms._core import inspect_sealed_key
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.root_change import require_not_left
from hyperkms.custody.sealings import Sealing, Sealings
from hyperkms.errors import Conflict, NotFound, Refused
from hyperkms.state.schema import key_versions
from hyperkms.wallet import SealedKey, WalletId

_REMEMBERED = 1000


class MovingKeyStore:
    """A key store for each sealing; keys are made in the newest, and found in that which is in force or on the way.

    A key that is made here is listed after. So that the newest has every key that is listed once it is in force, none
    is listed that was made in another one: `is_kept` says so, in the transaction that would list it.
    """

    def __init__(self, at: Callable[[int], KeyStore], sealings: Sealings, *, remembered: int = _REMEMBERED) -> None:
        self.at = at
        """The store of one sealing alone."""
        self.sealings = sealings
        self._remembered = remembered
        self._made: OrderedDict[tuple[WalletId, int, SealedKey], int] = OrderedDict()
        self._changing = threading.Lock()

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it, durable on return; Conflict if that place is taken, or its version has a key.

        Refused under a root key that was left, or is being left.
        """
        with self.sealings.database.read() as connection:
            now = self.sealings.read_within(connection)
            require_not_left(connection, sealed)
            if now.to is not None:
                _require_new(connection, now, wallet, version, sealed)
        self.at(now.newest).create(wallet, version, sealed)
        with self._changing:
            self._made[wallet, version, sealed] = now.newest
            if len(self._made) > self._remembered:
                self._made.popitem(last=False)

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored; NotFound if nothing was."""
        asked: Sealing | None = None
        while (now := self.sealings.read()) != asked:  # else it may have moved while it was looked for
            for sealing in now.asked:
                with suppress(NotFound):
                    return self.at(sealing).get(wallet, version)
            asked = now
        raise NotFound("sealed-key-not-found", f"wallet {wallet} version {version} has no sealed key")

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there. Ask it once no version has the key any more: none moves on then."""
        for sealing in sorted({*self.sealings.read().asked}):
            self.at(sealing).delete(wallet, version)

    def is_kept(self, wallet: WalletId, version: int, sealed: SealedKey) -> bool:
        """Whether this is in the newest sealing. The store is asked only if this process has not put it there."""
        newest = self.sealings.read().newest
        if newest == 0:
            return True
        with self._changing:
            made = self._made.pop((wallet, version, sealed), None)
        if made is not None:
            return made == newest
        try:
            return self.at(newest).get(wallet, version) == sealed
        except NotFound:
            return False


def _require_new(connection: sa.Connection, now: Sealing, wallet: WalletId, version: int, sealed: SealedKey) -> None:
    """While keys move on: one of another root key would have to, and one beside a listed one would stand before it."""
    if (found := inspect_sealed_key(sealed).root_key_id) != now.to:
        words = f"keys are being sealed anew under root key {now.to}, and this process makes them under {found}"
        raise Refused(
            "reseal-unfinished", f"{words}: set HYPERKMS_ROOT_KEY and HYPERKMS_ROOT_KEY_BEFORE and restart it"
        )
    place = key_versions.c.wallet == wallet, key_versions.c.number == version
    if connection.execute(sa.select(key_versions.c.number).where(*place)).first():
        raise Conflict("sealed-key-exists", f"wallet {wallet} version {version} has a sealed key")
