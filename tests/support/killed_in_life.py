"""Rotates, activates, retires or sweeps as the service does, in a process that kills itself at a named point.

DATA POINT rotate|rotate-at-once|activate|retire|destroy|sweep WALLET
"""

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import SHARED
from hyperkms.cli.places import address_of
from hyperkms.config import load_from_process
from hyperkms.custody.key_store import KeyStore
from hyperkms.operations.activate import activate
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.operations.sweep import sweep
from hyperkms.state.completion import Within
from hyperkms.state.database import open_database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import SealedKey, WalletId
from hyperkms.wallet_life import Change, KeyFate
from support.forked import fork_for_each

BEFORE_KEY = "before-the-key-is-stored"
AFTER_KEY = "after-the-key-is-stored"
BEFORE_CHANGE = "before-the-change"
BEFORE_COMMIT = "after-the-line-and-before-the-commit"
AFTER_CHANGE = "after-the-change"
BEFORE_DELETE = "before-the-key-is-deleted"
AFTER_DELETE = "after-the-key-is-deleted"
AFTER_NOTE = "after-the-destruction-is-noted"

MAKING = (BEFORE_KEY, AFTER_KEY, BEFORE_CHANGE, BEFORE_COMMIT, AFTER_CHANGE)
CHANGING = (BEFORE_CHANGE, BEFORE_COMMIT, AFTER_CHANGE)
DESTROYING = (*CHANGING, BEFORE_DELETE, AFTER_DELETE, AFTER_NOTE)

ACTOR = Actor("desk", "0123456789abcdef")


class DyingKeyStore:
    """The real key store, and death on one side of a write."""

    def __init__(self, real: KeyStore, point: str) -> None:
        self._real = real
        self._point = point

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        _die_at(BEFORE_KEY, self._point)
        self._real.create(wallet, version, sealed)
        _die_at(AFTER_KEY, self._point)

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        return self._real.get(wallet, version)

    def delete(self, wallet: WalletId, version: int) -> None:
        _die_at(BEFORE_DELETE, self._point)
        self._real.delete(wallet, version)
        _die_at(AFTER_DELETE, self._point)


class DyingWallets(WalletRecords):
    """The real wallet records, and death around or within a transaction."""

    def __init__(self, data: Path, point: str, rows: RowSignatures) -> None:
        generation = Generation(SharedCounters.open(data / SHARED), WALLET_CHANGES)
        super().__init__(open_database(address_of(load_from_process({"data": data}))), generation, rows)
        self._point = point

    def apply(self, change: Change, *, before_commit: Within) -> None:
        def die_after_it(connection: sa.Connection) -> None:
            before_commit(connection)
            _die_at(BEFORE_COMMIT, self._point)

        _die_at(BEFORE_CHANGE, self._point)
        super().apply(change, before_commit=die_after_it)
        _die_at(AFTER_CHANGE, self._point)

    def note_destroyed(self, wallet: WalletId, number: int, *, now: int, before_commit: Callable[[], None]) -> None:
        super().note_destroyed(wallet, number, now=now, before_commit=before_commit)
        _die_at(AFTER_NOTE, self._point)


def main(data: str, point: str, operation: str, wallet: str) -> None:
    """Run the operation to its point."""
    folder = Path(data)
    parts = assemble(load_from_process({"data": folder}), create=False)
    dying = dataclasses.replace(
        parts, key_store=DyingKeyStore(parts.key_store, point), wallets=DyingWallets(folder, point, parts.rows)
    )
    run(dying, operation, WalletId(wallet))


def run(parts: Parts, operation: str, wallet: WalletId) -> None:
    """The operation, to its end."""
    if operation in ("rotate", "rotate-at-once"):
        rotate(parts, ACTOR, RotateRequest(wallet=wallet, activate=operation == "rotate-at-once"))
    elif operation == "activate":
        activate(parts, ACTOR, wallet, 2)
    elif operation in ("retire", "destroy"):
        fate = KeyFate.AT_ONCE if operation == "destroy" else KeyFate.AFTER_GRACE
        retire(parts, ACTOR, RetireRequest(wallet=wallet, fate=fate))
    else:
        list(sweep(parts, ACTOR))


def _die_at(here: str, point: str) -> None:
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fork_for_each(main)
