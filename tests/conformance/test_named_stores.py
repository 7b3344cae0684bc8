"""What every store of sealed bytes by a name promises."""

from pathlib import Path

import pytest

from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.secrets import AwsSecrets
from hyperkms.custody.key_store import NamedStore
from hyperkms.errors import Conflict, NotFound
from support.aws import REGION
from support.memory_stores import MemoryNamedStore

NAME = "identity/wallet/v1/e0/digest/1"


@pytest.fixture(params=["memory", "aws-secrets-manager"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> NamedStore:
    if request.param == "memory":
        return MemoryNamedStore()
    request.getfixturevalue("in_aws")
    return AwsSecrets(AwsAccount(REGION), f"{tmp_path.name}/")


def test_what_was_stored_comes_back_and_is_never_overwritten(store: NamedStore) -> None:
    sealed = bytes(range(256)) * (store.largest // 256) + bytes(store.largest % 256)
    store.create(NAME, sealed)
    store.create(NAME, sealed)
    with pytest.raises(Conflict):
        store.create(NAME, b"other")
    store.create(NAME.replace("/1", "/2"), b"other")
    assert (store.get(NAME), store.get(NAME.replace("/1", "/2"))) == (sealed, b"other")


def test_what_was_deleted_is_gone_and_deleting_again_is_harmless(store: NamedStore) -> None:
    store.create(NAME, b"sealed")
    store.delete(NAME)
    store.delete(NAME)
    with pytest.raises(NotFound):
        store.get(NAME)
