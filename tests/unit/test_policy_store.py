"""The policies of wallets: every version that ever was, which one holds, and what happens to a damaged one."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hyperkms._core import SharedCounters
from hyperkms.access.policy.document import PolicyDocument, policy_of
from hyperkms.access.policy.store import Effect, NewPolicy, Policies, PolicyVersion, Standing
from hyperkms.errors import Conflict, HyperkmsError, NotFound, Tampered, Unavailable
from hyperkms.state.database import Database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import policies, wallet_policies, wallets
from hyperkms.wallet import WalletId
from support.databases import open_at
from support.service import START_S
from support.signed_rows import signed_rows

pytestmark = pytest.mark.usefixtures("each_database")

W, OTHER = WalletId("w"), WalletId("other")


@dataclass
class Store:
    """What one process has; `another` is a second process on the same directory."""

    folder: Path
    noted: list[Standing] = field(default_factory=list)
    database: Database = field(init=False)
    generation: Generation = field(init=False)
    rows: RowSignatures = field(init=False)
    policies: Policies = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_at(self.folder / "state.db")
        self.generation = Generation(SharedCounters.open(self.folder / "shared"), WALLET_CHANGES)
        self.rows = signed_rows(self.folder, self.database)
        self.policies = Policies(self.database, self.generation, self.rows)

    def another(self) -> "Store":
        return Store(self.folder)

    def apply(
        self, *allow: str, wallet: WalletId = W, effect: Effect = Effect.ENFORCED, expected: int | None = None
    ) -> Standing:
        kinds = allow or ("order",) * (1 + len(self.noted))  # another each time: the same would make no version
        new = NewPolicy(wallet=wallet, document=document(*kinds), effect=effect, reason="why", expected=expected)
        return self.policies.apply(new, by="alex", now=7, before_commit=self.noted.append)

    def choose(self, number: int | None, effect: Effect = Effect.ENFORCED) -> Standing:
        return self.policies.choose(W, number, effect, before_commit=self.noted.append)

    def write(self, statement: Any) -> None:
        with self.database.write() as connection:
            connection.execute(statement)


def document(*allow: str) -> PolicyDocument:
    return policy_of({"format": 1, "allow": list(allow or ("order",))})


def numbers(standing: Standing) -> tuple[int | None, int | None, int]:
    """Of the enforced, the shadow, the newest."""
    enforced, shadow = (None if one is None else one.number for one in (standing.enforced, standing.shadow))
    return enforced, shadow, standing.newest


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_at(tmp_path / "state.db").write() as connection:
        for wallet in (W, OTHER):
            row = {"id": wallet, "key_type": "secp256k1", "current_version": 1, "created_at": 1, "metadata": "{}"}
            connection.execute(wallets.insert().values(row))
    opened = Store(tmp_path)
    yield opened
    opened.database.close()


# ---- versions -----------------------------------------------------------------------------------------


def test_a_wallet_has_no_policy_of_its_own_at_first(store: Store) -> None:
    assert store.policies.standing(W) == Standing(wallet=W, enforced=None, shadow=None, newest=0)
    assert store.policies.versions(W) == []


def test_versions_count_from_one_for_each_wallet_and_stay(store: Store) -> None:
    assert [numbers(store.apply(kind)) for kind in ("order", "cancel")] == [(1, None, 1), (2, None, 2)]
    assert numbers(store.apply("noop", wallet=OTHER)) == (1, None, 1)
    first, second = store.policies.versions(W)
    assert first == PolicyVersion(
        wallet=W, number=1, document=document("order"), created_at=7, created_by="alex", reason="why"
    )
    assert (second.number, second.label) == (2, "w/2")
    assert store.policies.standing(W).enforced == second


def test_what_will_hold_is_noted_before_it_holds_and_undone_where_that_fails(store: Store) -> None:
    store.apply("order")
    assert [numbers(one) for one in store.noted] == [(1, None, 1)]

    def fail(_standing: Standing) -> None:
        raise Unavailable("record-unwritable", "the disk is full")

    new = NewPolicy(wallet=W, document=document("cancel"), effect=Effect.ENFORCED, reason=None, expected=None)
    changes: tuple[Callable[[], Standing], ...] = (
        lambda: store.policies.apply(new, by="x", now=8, before_commit=fail),
        lambda: store.policies.choose(W, None, Effect.ENFORCED, before_commit=fail),
    )
    for change in changes:
        with pytest.raises(Unavailable):
            change()
    assert numbers(store.policies.standing(W)) == (1, None, 1)
    assert len(store.policies.versions(W)) == 1


def test_a_completion_is_within_the_change(store: Store) -> None:
    seen = list[tuple[int, Standing]]()

    def complete(connection: sa.Connection, standing: Standing) -> None:
        counted = connection.execute(sa.select(sa.func.count()).select_from(policies)).scalar_one()
        seen.append((counted, standing))

    new = NewPolicy(wallet=W, document=document(), effect=Effect.SHADOW, reason=None, expected=None)
    made = store.policies.apply(new, by="x", now=8, before_commit=store.noted.append, completion=complete)
    chosen = store.policies.choose(W, 1, Effect.ENFORCED, before_commit=store.noted.append, completion=complete)
    assert seen == [(1, made), (1, chosen)]


def test_a_wallet_that_is_not_there_gets_none(store: Store) -> None:
    changes: tuple[Callable[[], Standing], ...] = (
        lambda: store.apply(wallet=WalletId("nobody")),
        lambda: store.policies.choose(WalletId("nobody"), None, Effect.SHADOW, before_commit=store.noted.append),
    )
    for change in changes:
        with pytest.raises(NotFound) as refused:
            change()
        assert refused.value.code == "wallet-not-found"


def test_the_same_document_makes_no_version_and_notes_nothing_and_completes(store: Store) -> None:
    store.apply("order")
    seen = list[Standing]()
    new = NewPolicy(wallet=W, document=document("order"), effect=Effect.ENFORCED, reason="again", expected=1)
    again = store.policies.apply(
        new, by="x", now=8, before_commit=store.noted.append, completion=lambda _, standing: seen.append(standing)
    )
    assert (numbers(again), seen, len(store.noted)) == ((1, None, 1), [again], 1)
    assert numbers(store.apply("cancel")) == (2, None, 2)
    assert numbers(store.apply("order")) == (3, None, 3), "what held before is not what holds"
    store.choose(None)
    assert numbers(store.apply("order")) == (4, None, 4), "it does not hold any more"


# ---- effects ------------------------------------------------------------------------------------------


def test_a_version_in_shadow_leaves_what_is_enforced_until_one_is_enforced(store: Store) -> None:
    assert numbers(store.apply(effect=Effect.SHADOW)) == (None, 1, 1)
    assert numbers(store.apply()) == (2, None, 2), "the shadow ends with what is enforced after it"
    assert numbers(store.apply(effect=Effect.SHADOW)) == (2, 3, 3)


def test_an_earlier_version_may_hold_again(store: Store) -> None:
    for _ in range(3):
        store.apply()
    assert numbers(store.choose(1)) == (1, None, 3)
    assert numbers(store.choose(2, Effect.SHADOW)) == (1, 2, 3)
    assert numbers(store.choose(3)) == (3, 2, 3), "another one in shadow goes on watching"
    assert numbers(store.choose(2)) == (2, None, 3), "what is enforced does not watch too"
    assert numbers(store.choose(1, Effect.SHADOW)) == (2, 1, 3)
    assert numbers(store.choose(None)) == (None, 1, 3)
    assert numbers(store.choose(None, Effect.SHADOW)) == (None, None, 3)
    with pytest.raises(NotFound):
        store.choose(4)
    assert numbers(store.policies.standing(W)) == (None, None, 3)


def test_the_effects_of_one_wallet_are_its_own(store: Store) -> None:
    store.apply()
    store.apply(wallet=OTHER)
    store.apply(wallet=OTHER, effect=Effect.SHADOW)
    store.choose(None)
    assert numbers(store.policies.standing(OTHER)) == (1, 2, 2)


# ---- several at once ----------------------------------------------------------------------------------


def test_who_expects_another_newest_version_is_refused(store: Store) -> None:
    assert numbers(store.apply(expected=0)) == (1, None, 1)
    for wrong in (0, 2):
        with pytest.raises(Conflict) as refused:
            store.apply(expected=wrong)
        assert refused.value.code == "policy-changed"
    assert numbers(store.apply(expected=1)) == (2, None, 2)


def test_of_many_at_once_who_expect_the_same_one_is_first(store: Store) -> None:
    outcomes = list[int | str]()
    begin = threading.Barrier(6)

    def change() -> None:
        mine = store.another()
        begin.wait(timeout=START_S)
        try:
            outcomes.append(mine.apply(expected=0).newest)
        except HyperkmsError as error:
            outcomes.append(error.code)
        mine.database.close()

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=START_S)
    assert sorted(map(str, outcomes)) == ["1", *["policy-changed"] * 5]
    assert [one.number for one in store.policies.versions(W)] == [1]


def test_each_change_counts_as_one_of_the_wallets_so_that_every_process_sees_it(store: Store) -> None:
    other = store.another()
    before = other.generation.current()
    store.apply()
    assert (after := other.generation.current()) != before
    store.choose(None)
    assert other.generation.current() != after
    assert numbers(other.policies.standing(W)) == (None, None, 1)


# ---- damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize(
    "damage",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"format": 2, "allow": ["order"]}',
        '{"format": 1, "allow": ["unknown"]}',
        "1",
        "null",
    ],
)
def test_a_version_that_cannot_be_read_is_tampered_with(store: Store, damage: str, effect: Effect) -> None:
    store.apply()
    store.apply(effect=effect)
    store.write(policies.update().where(policies.c.version == 2).values(document=damage))
    with pytest.raises(Tampered, match="version 2 of the policy of wallet w cannot be read") as refused:
        store.policies.standing(W)
    assert refused.value.code == "policy-damaged"
    assert numbers(store.choose(None, effect))[2] == 2


def test_a_version_that_holds_and_is_gone_is_tampered_with(store: Store) -> None:
    """It was answered as 404, as if it had been asked for."""
    store.apply()
    store.write(policies.delete())
    with pytest.raises(Tampered, match="should hold and is gone") as refused:
        store.policies.standing(W)
    assert refused.value.code == "policy-damaged"
    assert numbers(store.choose(None)) == (None, None, 0)


def test_a_damaged_policy_can_be_replaced(store: Store) -> None:
    store.apply()
    store.write(policies.update().values(document="{}"))
    assert numbers(store.apply()) == (2, None, 2)
    with pytest.raises(Tampered):
        store.choose(1)
    assert numbers(store.policies.standing(W)) == (2, None, 2)
    store.write(wallet_policies.update().values(enforced=None))  # back to trade-only, by somebody else
    with pytest.raises(Tampered) as refused:
        store.policies.standing(W)
    assert refused.value.code == "row-altered"
