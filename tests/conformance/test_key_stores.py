"""What every key store promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.key_store import KeyStore, Place, ReplacingKeyStore
from hyperkms.errors import Conflict, NotFound
from hyperkms.state.database import open_database
from hyperkms.wallet import SealedKey, WalletId
from support.memory_stores import MemoryKeyStore

A, B = WalletId("a"), WalletId("b")
SEALED = SealedKey(bytes(range(256)))


def _sqlite(folder: Path) -> KeyStore:
    return DatabaseKeyStore(open_database(folder / "keys.db"))


def _memory(_folder: Path) -> KeyStore:
    return MemoryKeyStore()


@pytest.fixture(params=[_sqlite, _memory], ids=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    make: Callable[[Path], KeyStore] = request.param
    return make(tmp_path)


def test_what_was_stored_comes_back_byte_for_byte(store: KeyStore) -> None:
    store.create(A, 1, SEALED)
    assert store.get(A, 1) == SEALED


def test_a_place_is_never_overwritten(store: KeyStore) -> None:
    store.create(A, 1, SEALED)
    with pytest.raises(Conflict):
        store.create(A, 1, SealedKey(b"other"))
    assert store.get(A, 1) == SEALED


def test_nothing_is_not_found(store: KeyStore) -> None:
    with pytest.raises(NotFound):
        store.get(A, 1)


@pytest.mark.parametrize(("wallet", "version"), [(B, 1), (A, 2), (WalletId("a-1"), 1), (WalletId("A"), 1)])
def test_places_are_distinct(store: KeyStore, wallet: WalletId, version: int) -> None:
    store.create(A, 1, SEALED)
    store.create(wallet, version, SealedKey(b"other"))
    assert store.get(A, 1) == SEALED
    assert store.get(wallet, version) == b"other"


def test_a_deleted_key_is_gone_and_deleting_again_is_harmless(store: KeyStore) -> None:
    store.create(A, 1, SEALED)
    store.delete(A, 1)
    store.delete(A, 1)
    with pytest.raises(NotFound):
        store.get(A, 1)


def test_of_many_creators_of_one_place_one_wins(store: KeyStore) -> None:
    def create(number: int) -> bytes | None:
        try:
            store.create(A, 1, SealedKey(b"key %d" % number))
        except Conflict:
            return None
        return b"key %d" % number

    with ThreadPoolExecutor(16) as pool:
        winners = [made for made in pool.map(create, range(64)) if made is not None]
    assert [store.get(A, 1)] == winners


def test_what_sqlite_stored_is_there_for_the_next_process(tmp_path: Path) -> None:
    _sqlite(tmp_path).create(A, 1, SEALED)
    assert _sqlite(tmp_path).get(A, 1) == SEALED


def test_a_key_sealed_anew_takes_the_place_of_the_one_that_is_named_and_of_no_other(store: KeyStore) -> None:
    assert isinstance(store, ReplacingKeyStore)
    store.create(A, 1, SEALED)
    store.create(B, 1, SEALED)
    assert not store.replace(A, 1, SealedKey(b"another"), SealedKey(b"anew"))
    assert store.get(A, 1) == SEALED
    assert store.replace(A, 1, SEALED, SealedKey(b"anew"))
    assert (store.get(A, 1), store.get(B, 1)) == (b"anew", SEALED)
    store.delete(B, 1)
    assert not store.replace(B, 1, SEALED, SealedKey(b"anew")), "what was destroyed stays so"
    assert store.places(after=Place(WalletId(""), 0), limit=2) == [Place(A, 1)]
