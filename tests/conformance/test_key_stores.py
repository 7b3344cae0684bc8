"""What every key store promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.secrets_manager import AwsSecretsManagerKeyStore
from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.key_store import KeyStore, Place, ReplacingKeyStore
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.custody.sealings import Sealings
from hyperkms.errors import Conflict, NotFound, Tampered
from hyperkms.state.database import open_database
from hyperkms.wallet import SealedKey, WalletId
from support import databases
from support.aws import REGION, Aws
from support.memory_stores import MemoryKeyStore

A, B = WalletId("a"), WalletId("b")
SEALED = SealedKey(bytes(range(256)))


def _sqlite(folder: Path) -> KeyStore:
    return DatabaseKeyStore(open_database(folder / "keys.db"))


def _postgresql(folder: Path) -> KeyStore:
    with databases.on(databases.POSTGRESQL):
        address = databases.database_at(folder / "keys.db")
    return DatabaseKeyStore(open_database(address))


def _memory(_folder: Path) -> KeyStore:
    return MemoryKeyStore()


def _secrets_manager(folder: Path) -> KeyStore:
    return AwsSecretsManagerKeyStore.sealings(AwsAccount(REGION), f"{folder.name}/")(0)


def _sealed_anew(folder: Path) -> KeyStore:
    return AwsSecretsManagerKeyStore.sealings(AwsAccount(REGION), f"{folder.name}/")(1)


def _moving(folder: Path) -> KeyStore:
    secrets = AwsSecretsManagerKeyStore.sealings(AwsAccount(REGION), f"{folder.name}/")
    return MovingKeyStore(secrets, Sealings(open_database(folder / "keys.db")))


@pytest.fixture(
    params=[_sqlite, _postgresql, _memory, _secrets_manager, _sealed_anew, _moving],
    ids=["sqlite", "postgresql", "memory", "aws-secrets-manager", "aws-sealed-anew", "aws-moving"],
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    make: Callable[[Path], KeyStore] = request.param
    if make in (_secrets_manager, _sealed_anew, _moving):
        request.getfixturevalue("in_aws")
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


@pytest.mark.parametrize("opened", [_sqlite, _postgresql])
def test_what_was_stored_is_there_for_the_next_process(opened: Callable[[Path], KeyStore], tmp_path: Path) -> None:
    opened(tmp_path).create(A, 1, SEALED)
    assert opened(tmp_path).get(A, 1) == SEALED


def test_the_answer_to_a_creation_that_was_lost_is_given_again(tmp_path: Path, in_aws: Aws) -> None:
    store = _secrets_manager(tmp_path)
    store.create(A, 1, SEALED)
    store.create(A, 1, SEALED)
    assert store.get(A, 1) == SEALED
    assert len([name for name in in_aws.secrets() if name.startswith(tmp_path.name)]) == 1


def test_a_secret_that_is_no_sealed_key_is_tampered(tmp_path: Path, in_aws: Aws) -> None:
    in_aws.client("secretsmanager").create_secret(Name=f"{tmp_path.name}/hyperkms/a/v1", SecretString="text")
    with pytest.raises(Tampered):
        _secrets_manager(tmp_path).get(A, 1)


def test_a_secret_that_is_being_deleted_is_gone(tmp_path: Path, in_aws: Aws) -> None:
    store = _secrets_manager(tmp_path)
    store.create(A, 1, SEALED)
    name = f"{tmp_path.name}/hyperkms/a/v1"
    in_aws.client("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)
    with pytest.raises(NotFound):
        store.get(A, 1)
    store.delete(A, 1)


def test_a_key_sealed_anew_takes_the_place_of_the_one_that_is_named_and_of_no_other(store: KeyStore) -> None:
    if not isinstance(store, ReplacingKeyStore):
        pytest.skip("what is created in AWS Secrets Manager is never changed")
    store.create(A, 1, SEALED)
    store.create(B, 1, SEALED)
    assert not store.replace(A, 1, SealedKey(b"another"), SealedKey(b"anew"))
    assert store.get(A, 1) == SEALED
    assert store.replace(A, 1, SEALED, SealedKey(b"anew"))
    assert (store.get(A, 1), store.get(B, 1)) == (b"anew", SEALED)
    store.delete(B, 1)
    assert not store.replace(B, 1, SEALED, SealedKey(b"anew")), "what was destroyed stays so"
    assert store.places(after=Place(WalletId(""), 0), limit=2) == [Place(A, 1)]
