"""Sealed keys that move on once they are sealed anew are found at every moment, and made where they are looked for."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyperkms import _core
from hyperkms.custody.key_store import require_kept
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.custody.root_change import finish_within, note_within
from hyperkms.custody.sealings import Sealing, Sealings, settle_key_store
from hyperkms.errors import Conflict, NotFound, Refused, Tampered, Unavailable
from hyperkms.operations.new_wallet import first_version
from hyperkms.operations.reseal import start
from hyperkms.state import facts
from hyperkms.state.database import Database, open_database
from hyperkms.state.schema import key_versions, wallets
from hyperkms.state.wallet_rows import version_row, wallet_row
from hyperkms.wallet import KeyType, PublicKey, SealedKey, Wallet, WalletId
from support.memory_stores import MemoryKeyStore

W = WalletId("w")
NAME = "aws-secrets-manager:desk/"


class Looked(MemoryKeyStore):
    """What stands in one sealing, and what happens once somebody has looked there."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: Callable[[], None] = lambda: None
        self.times = 0

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        self.times += 1
        try:
            return super().get(wallet, version)
        finally:
            self.looked()


class Watched(Sealings):
    """Those of a database, and what happens once they were read."""

    was_read: Callable[[], None] = staticmethod(lambda: None)

    def read(self) -> Sealing:
        try:
            return super().read()
        finally:
            self.was_read()


@dataclass
class Bench:
    """A moving key store over dictionaries."""

    folder: Path
    at: defaultdict[int, Looked] = field(default_factory=lambda: defaultdict(Looked))

    def __post_init__(self) -> None:
        self.database: Database = open_database(self.folder / "keys.db")
        settle_key_store(self.database, NAME)
        self.sealings = Watched(self.database)
        self.store = MovingKeyStore(lambda sealing: self.at[sealing], self.sealings, remembered=1)
        self.keyring = self.ring("root.key")
        facts.settle(self.database, "root_key_id", self.keyring.root_key_id)

    def ring(self, name: str) -> Keyring:
        path = self.folder / name
        _core.LocalRootKey.create(path)
        return Keyring(LocalFileRootKey.open(path), self.store)

    def sealed(self, keyring: Keyring | None = None) -> SealedKey:
        context = _core.Context(wallet=W, version=1, key_type="ed25519", network="none", origin="generated")
        return (keyring or self.keyring).generate(context)

    def begin(self, keyring: Keyring | None = None) -> None:
        with self.database.write() as connection:
            self.store.sealings.begin_within(connection)
            note_within(connection, start((keyring or self.keyring).root_key_id))

    def finish(self, keyring: Keyring | None = None) -> None:
        with self.database.write() as connection:
            self.store.sealings.finish_within(connection)
            finish_within(connection, (keyring or self.keyring).root_key_id)

    def move(self, wallet: WalletId = W) -> None:
        self.at[1].create(wallet, 1, self.at[0].get(wallet, 1))
        self.at[0].delete(wallet, 1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def once(do: Callable[[], None]) -> Callable[[], None]:
    left = [do]
    return lambda: left.pop()() if left else None


def test_a_key_that_moves_while_it_is_looked_for_is_found(bench: Bench) -> None:
    sealed = bench.sealed()
    bench.store.create(W, 1, sealed)
    bench.begin()
    assert bench.store.get(W, 1) == sealed
    bench.at[1].looked = once(bench.move)
    assert bench.store.get(W, 1) == sealed


def test_a_key_that_moves_to_the_end_while_it_is_looked_for_is_found(bench: Bench) -> None:
    sealed = bench.sealed()
    bench.store.create(W, 1, sealed)
    asked = bench.at[0].times

    def all_of_it() -> None:
        bench.begin()
        bench.move()
        bench.finish()

    bench.sealings.was_read = once(all_of_it)
    assert bench.store.get(W, 1) == sealed
    assert bench.at[0].times > asked
    with pytest.raises(NotFound):
        bench.store.get(WalletId("nobody"), 1)


def test_a_key_is_destroyed_in_both_places_while_keys_move(bench: Bench) -> None:
    bench.begin()
    for sealing in (0, 1):
        bench.at[sealing].create(W, 1, bench.sealed())
    bench.store.delete(W, 1)
    for sealing in (0, 1):
        with pytest.raises(NotFound):
            bench.at[sealing].get(W, 1)


def test_a_key_that_was_made_before_it_began_is_not_listed_after(bench: Bench) -> None:
    sealed = bench.sealed()
    bench.store.create(W, 1, sealed)
    bench.begin()
    with pytest.raises(Unavailable, match="began to be sealed anew"):
        require_kept(bench.store, W, 1, sealed)
    bench.store.create(W, 1, sealed)
    require_kept(bench.store, W, 1, sealed)


def test_what_another_process_has_made_is_asked_of_the_store_itself(bench: Bench) -> None:
    sealed, other = bench.sealed(), bench.sealed()
    assert bench.store.is_kept(W, 1, sealed), "nothing was ever sealed anew: nothing is elsewhere"
    assert bench.at[0].times == 0
    bench.at[0].create(W, 1, sealed)
    bench.begin()
    assert not bench.store.is_kept(W, 1, sealed)
    bench.at[1].create(W, 1, sealed)
    assert bench.store.is_kept(W, 1, sealed)
    assert not bench.store.is_kept(W, 1, other)


def test_keys_are_made_under_the_new_root_key_alone_from_the_beginning_on(bench: Bench) -> None:
    new = bench.ring("new.key")
    bench.begin(new)
    with pytest.raises(Refused, match="HYPERKMS_ROOT_KEY_BEFORE") as refused:
        bench.store.create(W, 1, bench.sealed())
    assert refused.value.code == "reseal-unfinished"
    sealed = bench.sealed(new)
    bench.store.create(W, 1, sealed)
    bench.finish(new)
    assert bench.store.get(W, 1) == bench.at[1].get(W, 1) == sealed
    with pytest.raises(Refused, match=bench.keyring.root_key_id):
        bench.store.create(W, 2, bench.sealed())


def test_no_key_is_put_before_one_that_is_listed_and_has_not_moved_yet(bench: Bench) -> None:
    sealed = bench.sealed()
    bench.store.create(W, 1, sealed)
    with bench.database.write() as connection:
        current = first_version(PublicKey(_core.inspect_sealed_key(sealed).public_key), now=1)
        wallet = Wallet(id=W, key_type=KeyType.ED25519, network=None, current=current, created_at=1, metadata={})
        connection.execute(wallets.insert().values(wallet_row(wallet)))
        connection.execute(key_versions.insert().values(version_row(W, current)))
    bench.begin()
    with pytest.raises(Conflict):
        bench.store.create(W, 1, bench.sealed())
    assert bench.store.get(W, 1) == sealed


def test_a_release_that_knows_one_place_alone_takes_it_for_another_key_store(bench: Bench) -> None:
    bench.begin()
    assert facts.settle(bench.database, "key_store", NAME) == f"{NAME} r0"
    bench.finish()
    assert facts.settle(bench.database, "key_store", NAME) == f"{NAME} r1"
    settle_key_store(bench.database, NAME)
    with pytest.raises(Tampered, match="HYPERKMS_KEY_STORE"):
        settle_key_store(bench.database, "aws-secrets-manager:elsewhere/")


def test_few_of_those_that_were_made_are_remembered(bench: Bench) -> None:
    bench.begin()
    bench.finish()
    first, second = bench.sealed(), bench.sealed()
    bench.store.create(W, 1, first)
    bench.store.create(W, 2, second)
    before = bench.at[1].times
    assert bench.store.is_kept(W, 2, second)
    assert bench.at[1].times == before
    assert bench.store.is_kept(W, 1, first)
    assert bench.at[1].times == before + 1
