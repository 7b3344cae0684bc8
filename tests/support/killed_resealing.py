"""Seals the keys of a data directory anew, in a process that kills itself at a named point.

DATA POINT NUMBER: at the POINT, when it comes there the NUMBERth time. The settings name the root keys.
"""

import dataclasses
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hyperkms.audit.record import Record
from hyperkms.audit.sink import RecordSink, Ticket
from hyperkms.cli.assemble import assemble
from hyperkms.cli.operator import actor
from hyperkms.config import load_from_process
from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.key_store import KeyStore, Place
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.operations.parts import Parts
from hyperkms.operations.reseal import reseal
from hyperkms.wallet import SealedKey, WalletId
from support.forked import fork_for_each

AFTER_BEGIN = "after-it-is-noted-that-it-began"
BEFORE_KEY = "before-a-key-is-replaced"
AFTER_KEY = "after-a-key-is-replaced"
AFTER_NOTE = "after-a-key-is-noted"
BEFORE_LINE = "before-the-line-in-the-record"
BEFORE_COMMIT = "before-the-root-key-is-put-in-force"
AFTER_COMMIT = "after-the-root-key-is-put-in-force"
ONCE = (AFTER_BEGIN, BEFORE_LINE, BEFORE_COMMIT, AFTER_COMMIT)
EACH = (BEFORE_KEY, AFTER_KEY, AFTER_NOTE)

BEFORE_CREATE = "before-a-key-is-stored-in-its-new-place"
AFTER_CREATE = "after-a-key-is-stored-in-its-new-place"
BEFORE_DELETE = "before-the-one-before-is-destroyed"
AFTER_DELETE = "after-the-one-before-is-destroyed"
EACH_THAT_MOVES = (BEFORE_CREATE, AFTER_CREATE, BEFORE_DELETE, AFTER_DELETE)


class Death:
    """It comes at one point, the first time or a later one."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._left = number

    def at(self, here: str) -> None:
        if here != self._point:
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(DatabaseKeyStore):
    """The real key store, and death around what it does."""

    death: Death

    def places(self, *, after: Place, limit: int) -> Sequence[Place]:
        self.death.at(AFTER_BEGIN)
        return super().places(after=after, limit=limit)

    def replace(self, wallet: WalletId, version: int, before: SealedKey, after: SealedKey) -> bool:
        self.death.at(BEFORE_KEY)
        done = super().replace(wallet, version, before, after)
        self.death.at(AFTER_KEY)
        return done


@dataclasses.dataclass
class DyingPlaces:
    """The real key store of one sealing, and death around what it does."""

    real: KeyStore
    death: Death

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        self.death.at(BEFORE_CREATE)
        self.real.create(wallet, version, sealed)
        self.death.at(AFTER_CREATE)

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        self.death.at(AFTER_BEGIN)
        return self.real.get(wallet, version)

    def delete(self, wallet: WalletId, version: int) -> None:
        self.death.at(BEFORE_DELETE)
        self.real.delete(wallet, version)
        self.death.at(AFTER_DELETE)


def dying_store(parts: Parts, death: Death) -> KeyStore:
    """The real key store of these parts once more, and death around what it does."""
    real = parts.key_store
    if isinstance(real, MovingKeyStore):
        return MovingKeyStore(lambda sealing: DyingPlaces(real.at(sealing), death), real.sealings)
    store = DyingStore(parts.database)
    store.death = death
    return store


class DyingRecord:
    """The real record, and death on both sides of a line."""

    def __init__(self, real: RecordSink, death: Death) -> None:
        self._real = real
        self._death = death

    def append(self, record: Record) -> Ticket:
        self._death.at(BEFORE_LINE)
        ticket = self._real.append(record)
        ticket.wait()
        self._death.at(BEFORE_COMMIT)
        return ticket


def main(data: str, point: str, number: str) -> None:
    """Run it to its point."""
    folder, death = Path(data), Death(point, int(number))
    config = load_from_process({"data": folder})
    parts = assemble(config, create=False)
    record = cast("RecordSink", DyingRecord(parts.record, death))
    dying = dataclasses.replace(parts, key_store=dying_store(parts, death), record=record)
    reseal(dying, parts.keyring.root_key_id, actor(), lambda: death.at(AFTER_NOTE))
    death.at(AFTER_COMMIT)


if __name__ == "__main__":
    fork_for_each(main)
