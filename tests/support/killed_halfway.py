"""Makes a wallet as the service does, in a process that kills itself at a named point.

DATA POINT generate WALLET KEY_TYPE
DATA POINT import WALLET KEY_TYPE KEY_FILE
"""

import dataclasses
import os
import signal
from pathlib import Path

import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import SHARED
from hyperkms.cli.operator import actor
from hyperkms.cli.places import address_of
from hyperkms.config import load_from_process
from hyperkms.custody.key_store import KeyStore
from hyperkms.operations.generate import generate, import_key
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.database import open_database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import KeyType, SealedKey, Wallet, WalletId, parse_wallet_id
from support.forked import fork_for_each

BEFORE_KEY = "before-the-key-is-stored"
AFTER_KEY = "after-the-key-is-stored"
BEFORE_WALLET = "before-the-wallet-is-listed"
BEFORE_COMMIT = "before-the-listing-is-committed"
AFTER_WALLET = "after-the-wallet-is-listed"


class DyingKeyStore:
    """The real key store, and death on one side of `create`."""

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
        self._real.delete(wallet, version)


class DyingWallets(WalletRecords):
    """The real wallet records, and death on one side of `create`."""

    def __init__(self, data: Path, point: str, rows: RowSignatures) -> None:
        generation = Generation(SharedCounters.open(data / SHARED), WALLET_CHANGES)
        super().__init__(open_database(address_of(load_from_process({"data": data}))), generation, rows)
        self._point = point

    def create(self, wallet: Wallet, completion: Completion[Wallet] = nothing_more) -> None:
        def die_after_it(connection: sa.Connection, made: Wallet) -> None:
            completion(connection, made)
            _die_at(BEFORE_COMMIT, self._point)

        _die_at(BEFORE_WALLET, self._point)
        super().create(wallet, die_after_it)
        _die_at(AFTER_WALLET, self._point)


def main(data: str, point: str, operation: str, wallet: str, key_type: str, *key_file: str) -> None:
    """Run the operation to its point."""
    folder = Path(data)
    parts = _dying(assemble(load_from_process({"data": folder}), create=True), folder, point)
    wanted = NewWallet(id=parse_wallet_id(wallet), key_type=KeyType(key_type))
    if operation == "import":
        import_key(parts, actor(), wanted, Path(*key_file))
    else:
        generate(parts, actor(), wanted)


def _dying(parts: Parts, data: Path, point: str) -> Parts:
    return dataclasses.replace(
        parts,
        key_store=DyingKeyStore(parts.key_store, point),
        wallets=DyingWallets(data, point, parts.rows),
    )


def _die_at(here: str, point: str) -> None:
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fork_for_each(main)
