"""The sweep: what is due is done, whatever was cut off before, and nothing else is touched."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hyperkms.audit.record import LIFE
from hyperkms.cli.layout import DATABASE, ROOT_KEY
from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.key_store import KeyStore, ListingKeyStore, Place
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.operations.changing import Actor
from hyperkms.operations.generate import generate, import_key
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.operations.sweep import ORPHAN_KEPT_MS, Swept, drop_retired_handles, remove_orphans, sweep
from hyperkms.state.schema import requests
from hyperkms.wallet import KeyType, Network, Origin, SealedKey, VersionState, WalletId, key_context
from hyperkms.wallet_life import KeyFate
from support.commands import key_file
from support.databases import POSTGRESQL, open_at
from support.in_process import ACTOR, DAY_MS, Here, here, resolve
from support.record import records_in

pytestmark = pytest.mark.usefixtures("each_database")

W = WalletId("w")
SWEEPER = Actor("hyperkms:sweep", "fedcba9876543210")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data", HYPERKMS_GRACE_DAYS="30") as opened:
        yield opened


def swept(at: Here) -> list[Swept]:
    return list(sweep(at.parts, SWEEPER))


def states(at: Here, wallet: WalletId = W) -> list[str]:
    return [version.state.value for version in at.parts.wallets.history(wallet).versions]


def refusal(at: Here, version: int | None = None) -> str:
    with pytest.raises(HyperkmsError) as refused:
        resolve(at.parts, W, version)
    return refused.value.code


def life(data: Path) -> list[Any]:
    """The lines of the record about lives of wallets, in the order in which they were written."""
    lines = records_in(data / "records")
    return [line["record"] for line in lines if line["v"] == LIFE]


def test_a_version_is_retired_and_its_key_destroyed_when_its_grace_is_over(at: Here) -> None:
    at.wallet("w")
    rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    resolve(at.parts, W, 1)
    at.now += 30 * DAY_MS - 1
    assert swept(at) == []
    assert resolve(at.parts, W, 1).version.expires_at == at.now + 1
    at.now += 1
    assert refusal(at, 1) == "version-retired"
    assert swept(at) == [Swept("version-expired", W, 1), Swept("key-destroyed", W, 1)]
    assert (states(at), at.sealed("w")) == (["retired", "active"], [2])
    assert at.parts.keyring.at_hand() == []
    assert refusal(at, 1) == "version-retired"
    assert swept(at) == []


def test_deleting_was_a_flag_and_here_a_retired_wallet_loses_its_keys_after_the_grace(at: Here) -> None:
    """Defect 12."""
    at.wallet("w")
    retire(at.parts, ACTOR, RetireRequest(wallet=W, reason="shut down"))
    assert refusal(at) == "wallet-retired"
    assert (at.sealed("w"), states(at)) == ([1], ["retiring"])
    at.now += 30 * DAY_MS
    assert swept(at) == [Swept("version-expired", W, 1), Swept("key-destroyed", W, 1)]
    assert at.sealed("w") == []
    history = at.parts.wallets.history(W)
    assert history.wallet.retired_reason == "shut down"
    assert history.versions[0].destroyed_at == at.now
    with pytest.raises(HyperkmsError) as refused:
        at.wallet("w")
    assert refused.value.code == "wallet-exists"


class AwayForDeleting:
    """A key store that cannot be reached when something is to be deleted."""

    def __init__(self, real: KeyStore) -> None:
        self._real = real

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        self._real.create(wallet, version, sealed)

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        return self._real.get(wallet, version)

    def delete(self, wallet: WalletId, version: int) -> None:
        raise Unavailable("key-store-unavailable", f"{wallet} {version}")


def test_a_key_whose_destruction_was_cut_off_is_destroyed_by_the_sweep(at: Here) -> None:
    at.wallet("w")
    away = dataclasses.replace(at.parts, key_store=AwayForDeleting(at.parts.key_store))
    with pytest.raises(Unavailable):
        retire(away, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE))
    assert (states(at), at.sealed("w"), refusal(at)) == (["retired"], [1], "wallet-retired")
    assert swept(at) == [Swept("key-destroyed", W, 1)]
    assert at.sealed("w") == []


def test_a_destroyed_key_leaves_no_bytes_in_the_database_file(at: Here, each_database: str) -> None:
    if each_database == POSTGRESQL:
        pytest.skip("PostgreSQL keeps what was deleted until it vacuums, and in its log (docs/threat-model.md)")
    at.wallet("w")
    sealed = at.parts.key_store.get(W, 1)
    assert sealed[-48:] in (at.data / DATABASE).read_bytes()
    retire(at.parts, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE))
    assert sealed[-48:] not in (at.data / DATABASE).read_bytes()


def test_the_handle_of_a_version_that_another_process_retired_is_dropped(at: Here) -> None:
    at.wallet("w")
    at.wallet("other")
    resolve(at.parts, W, None)
    resolve(at.parts, WalletId("other"), None)
    with here(at.data) as there:
        retire(there.parts, ACTOR, RetireRequest(wallet=W))
    drop_retired_handles(at.parts)
    assert at.parts.keyring.at_hand() == [("other", 1)]


def test_no_more_handles_are_kept_than_were_used_last(at: Here) -> None:
    wallets = [at.wallet(name) for name in ("a", "b", "c")]
    keyring = Keyring(LocalFileRootKey.open(at.data / ROOT_KEY), at.parts.key_store, most=2)
    for wallet in (*wallets[:2], wallets[0], wallets[2]):
        assert keyring.handle(wallet, wallet.current).public_key == wallet.current.public_key
    assert keyring.at_hand() == [("a", 1), ("c", 1)]
    assert keyring.handle(wallets[1], wallets[1].current).public_key == wallets[1].current.public_key


def test_every_change_is_in_the_record_with_who_asked_for_it(tmp_path: Path) -> None:
    with here(tmp_path / "data", HYPERKMS_GRACE_DAYS="0") as at:
        at.wallet("w", KeyType.SECP256K1)
        rotate(at.parts, ACTOR, RotateRequest(wallet=W, reason="why"))
        rotate(at.parts, ACTOR, RotateRequest(wallet=W, activate=True))
        swept(at)
        retire(at.parts, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE, reason="end"))
        versions = at.parts.wallets.history(W).versions
    found = [
        (line["operation"], line["client"], [(each["version"], each["state"]) for each in line["versions"]])
        for line in life(tmp_path / "data")
    ]
    assert found == [
        ("generate", "desk", [(1, "active")]),
        ("rotate", "desk", [(2, "pending")]),
        ("activate", "desk", [(1, "retiring"), (2, "active")]),
        ("expire", "hyperkms:sweep", [(1, "retired")]),
        ("destroy", "hyperkms:sweep", [(1, "retired")]),
        ("retire-wallet", "desk", [(2, "retired")]),
        ("destroy", "desk", [(2, "retired")]),
    ]
    _, first, *_, last = life(tmp_path / "data")
    assert first["reason"] == "why"
    assert first["requestId"] == ACTOR.request_id
    assert last["versions"][0]["publicKey"] == versions[1].public_key_text


def test_no_change_is_made_that_cannot_be_recorded(at: Here) -> None:
    at.wallet("w")
    at.parts.record.close()
    with pytest.raises(Unavailable):
        rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    with pytest.raises(Unavailable):
        retire(at.parts, ACTOR, RetireRequest(wallet=W))
    assert (states(at), at.parts.wallets.get(W).retired_at) == (["active"], None)


# ---- rotation by age -----------------------------------------------------------------------------------


def test_wallets_are_rotated_by_age_when_that_is_set(tmp_path: Path) -> None:
    with here(tmp_path / "data", HYPERKMS_ROTATE_AFTER_DAYS="90") as at:
        at.wallet("bytes")
        at.wallet("orders", KeyType.SECP256K1)
        at.wallet("ended")
        retire(at.parts, ACTOR, RetireRequest(wallet=WalletId("ended")))
        at.now += 90 * DAY_MS - 1
        assert [done for done in swept(at) if done.event == "wallet-rotated"] == []
        at.now += 1
        rotated = [done for done in swept(at) if done.event == "wallet-rotated"]
        assert sorted(done.wallet for done in rotated) == ["bytes", "orders"]
        assert (states(at, WalletId("bytes")), states(at, WalletId("orders"))) == (
            ["retiring", "active"],
            ["active", "pending"],
        )
        assert [done for done in swept(at) if done.event == "wallet-rotated"] == []


def test_nothing_rotates_by_itself_unless_that_is_set(at: Here) -> None:
    at.wallet("w")
    at.now += 3650 * DAY_MS
    assert swept(at) == []
    assert states(at) == ["active"]


# ---- orphans -------------------------------------------------------------------------------------------


def leave_orphan(at: Here, wallet: str, version: int) -> SealedKey:
    """What a call leaves that was killed before it listed its version."""
    context = key_context(WalletId(wallet), KeyType.ED25519, None, Origin.GENERATED, version=version)
    sealed = at.parts.keyring.generate(context)
    at.parts.key_store.create(WalletId(wallet), version, sealed)
    return sealed


def test_a_sealed_key_that_no_version_names_is_removed_once_it_is_old(at: Here) -> None:
    at.wallet("w")
    leave_orphan(at, "never", 1)
    leave_orphan(at, "w", 2)
    assert list(remove_orphans(at.parts)) == []
    at.now += ORPHAN_KEPT_MS - 1
    assert list(remove_orphans(at.parts)) == []
    at.now += 1
    assert list(remove_orphans(at.parts)) == [
        Swept("orphan-removed", WalletId("never"), 1),
        Swept("orphan-removed", W, 2),
    ]
    assert (at.sealed("never"), at.sealed("w")) == ([], [1])
    assert at.rows("SELECT * FROM orphans") == []
    at.wallet("never")
    rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    assert states(at) == ["retiring", "active"]


def test_an_orphan_that_is_taken_up_meanwhile_is_kept(at: Here) -> None:
    at.wallet("w")
    sealed = leave_orphan(at, "w", 2)
    assert list(remove_orphans(at.parts)) == []
    rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    at.now += ORPHAN_KEPT_MS
    assert list(remove_orphans(at.parts)) == []
    assert at.parts.key_store.get(W, 2) == sealed
    assert resolve(at.parts, W, 2).version.state is VersionState.ACTIVE


def test_nothing_is_listed_in_the_place_of_an_orphan_that_is_being_removed(at: Here) -> None:
    at.wallet("w")
    sealed = leave_orphan(at, "w", 2)
    at.parts.orphans.note([(W, 2)], now=at.now)
    assert at.parts.orphans.claim(found_before=at.now, now=at.now) == [(W, 2)]
    with pytest.raises(Unavailable) as refused:
        rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    assert refused.value.code == "sealed-key-being-removed"
    assert list(remove_orphans(at.parts)) == [Swept("orphan-removed", W, 2)]
    rotate(at.parts, ACTOR, RotateRequest(wallet=W))
    resolve(at.parts, W, 2)
    assert at.parts.key_store.get(W, 2) != sealed


class StopsAfterStoring:
    """The key store of a process that is stopped, each time it has stored a key, until others are done."""

    def __init__(self, store: DatabaseKeyStore, meanwhile: Callable[[], object]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        self._store.create(wallet, version, sealed)
        self._meanwhile()

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        return self._store.get(wallet, version)

    def delete(self, wallet: WalletId, version: int) -> None:
        self._store.delete(wallet, version)

    def places(self, *, after: Place, limit: int) -> Sequence[Place]:
        return self._store.places(after=after, limit=limit)


MAKING: dict[str, tuple[int, Callable[[Parts, Path], object]]] = {
    "generate": (1, lambda parts, _folder: generate(parts, ACTOR, NewWallet(id=W, key_type=KeyType.ED25519))),
    "import": (
        1,
        lambda parts, folder: import_key(
            parts,
            ACTOR,
            NewWallet(id=W, key_type=KeyType.SECP256K1, network=Network.TESTNET),
            key_file(folder / "key"),
        ),
    ),
    "rotate": (2, lambda parts, _folder: rotate(parts, ACTOR, RotateRequest(wallet=W))),
}


@pytest.mark.parametrize("operation", MAKING)
@pytest.mark.parametrize("another_call", [False, True], ids=["alone", "another call has stored a key in its place"])
def test_a_call_that_was_stopped_until_the_sweep_had_removed_its_key_lists_nothing(
    at: Here, tmp_path: Path, operation: str, *, another_call: bool
) -> None:
    version, make = MAKING[operation]
    if version > 1:
        at.wallet("w")

    def meanwhile() -> None:
        assert list(remove_orphans(at.parts)) == []
        at.now += ORPHAN_KEPT_MS
        assert list(remove_orphans(at.parts)) == [Swept("orphan-removed", W, version)]
        if another_call:
            leave_orphan(at, "w", version)

    store = at.parts.key_store
    assert isinstance(store, DatabaseKeyStore)
    slow = dataclasses.replace(at.parts, key_store=StopsAfterStoring(store, meanwhile))
    with pytest.raises(Unavailable) as refused:
        make(slow, tmp_path)
    assert refused.value.code == "sealed-key-being-removed"
    assert at.rows("SELECT number FROM key_versions WHERE wallet = 'w'") == [(1,)] * (version - 1)
    assert [line["operation"] for line in life(at.data)] == ["generate"] * (version - 1)
    if not another_call:
        (tmp_path / "key").unlink(missing_ok=True)
        make(at.parts, tmp_path)
        resolve(at.parts, W, version)


def test_the_places_of_a_store_are_listed_in_pages(at: Here) -> None:
    for name in ("b", "a", "a-1"):
        at.wallet(name)
    rotate(at.parts, ACTOR, RotateRequest(wallet=WalletId("a")))
    store = at.parts.key_store
    assert isinstance(store, ListingKeyStore)
    found, after = list[Place](), Place(WalletId(""), 0)
    while page := store.places(after=after, limit=2):
        found += page
        after = page[-1]
    assert found == [("a", 1), ("a", 2), ("a-1", 1), ("b", 1)]


# ---- requests ------------------------------------------------------------------------------------------


def test_requests_are_forgotten_after_three_days(at: Here) -> None:
    database = open_at(at.data / DATABASE)
    for name, age in (("old", 3 * DAY_MS + 1), ("young", 3 * DAY_MS)):
        row = {"client": "c", "key": name, "fingerprint": b"", "request_id": "r", "state": "recorded"}
        with database.write() as connection:
            connection.execute(sa.insert(requests).values(**row, created_at=at.now - age))
    database.close()
    swept(at)
    assert at.rows("SELECT key FROM requests") == [("young",)]
