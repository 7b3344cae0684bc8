"""Imports what the first system has, in a process that kills itself at a named point.

DATA POINT NUMBER: at the POINT, when it comes there the NUMBERth time.
"""

import dataclasses
from pathlib import Path
from typing import cast

from hyperkms.audit.record import LifeRecord, Record
from hyperkms.audit.sink import RecordSink, Ticket
from hyperkms.cli.assemble import assemble
from hyperkms.cli.operator import actor
from hyperkms.config import load_from_process
from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.first_system.scan import Kept, scan
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.operations.import_first_system import import_first_system
from hyperkms.operations.parts import Parts
from hyperkms.wallet import SealedKey, WalletId
from support.forked import fork_for_each
from support.killed_resealing import Death

BEFORE_STORE = "before-a-key-is-stored"
AFTER_STORE = "after-a-key-is-stored"
BEFORE_LINE = "before-the-line-in-the-record"
BEFORE_COMMIT = "before-the-wallet-is-listed"
AFTER_COMMIT = "after-the-wallet-is-listed"
POINTS = (BEFORE_STORE, AFTER_STORE, BEFORE_LINE, BEFORE_COMMIT, AFTER_COMMIT)


class _Dying:
    """A key store, and death on both sides of `create`."""

    death: Death

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        self.death.at(BEFORE_STORE)
        super().create(wallet, version, sealed)  # type: ignore[misc]  # that of the real one, which stands behind it
        self.death.at(AFTER_STORE)


class _DyingDatabase(_Dying, DatabaseKeyStore):
    pass


class _DyingSecrets(_Dying, MovingKeyStore):
    pass


def dying(parts: Parts, death: Death) -> KeyStore:
    """The real key store of these parts, once more."""
    store: _DyingDatabase | _DyingSecrets
    if isinstance(parts.key_store, MovingKeyStore):
        store = _DyingSecrets(parts.key_store.at, parts.key_store.sealings)
    else:
        store = _DyingDatabase(parts.database)
    store.death = death
    return store


class DyingRecord:
    """The real record, and death on both sides of a line of an import."""

    def __init__(self, real: RecordSink, death: Death) -> None:
        self._real = real
        self._death = death

    def append(self, record: Record) -> Ticket:
        if isinstance(record, LifeRecord):
            self._death.at(BEFORE_LINE)
        ticket = self._real.append(record)
        ticket.wait()
        if isinstance(record, LifeRecord):
            self._death.at(BEFORE_COMMIT)
        return ticket


def main(data: str, point: str, number: str) -> None:
    """Run it to its point."""
    death = Death(point, int(number))
    config = load_from_process({"data": Path(data)})
    parts = assemble(config, create=True)
    record = cast("RecordSink", DyingRecord(parts.record, death))
    parts = dataclasses.replace(parts, key_store=dying(parts, death), record=record)
    first = parts.first_system
    assert first is not None
    found = scan(Kept(first), list(first.names()), now=parts.clock(), progress=lambda: None).found
    for wallet in found:
        import_first_system(parts, actor(), first, wallet)
        death.at(AFTER_COMMIT)


if __name__ == "__main__":
    fork_for_each(main)
