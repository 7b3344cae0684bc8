"""Kill -9 of the service and of each cosigner at each step of a replacement: all signs on, and the next call ends it.

A lost cosigner has a successor, for which the others make shares; then all make the next epoch. The long form (`make
faults`) kills each of them with every set of members at every step.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import pytest

from support.databases import rows
from support.held_calls import Point
from support.relayed_group import MEMBERS, RelayedGroup
from support.service import Answer, Service

KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "0"))
Victim: TypeAlias = Literal["service", 1, 2, 3]
AT_ONCE = 4
"""So many wallets are made or changed at a time by one service."""
LOST = 3
REPAIR = ("repair open", "repair begin", "repair advance-1", "repair advance-2")
REFRESH = tuple(f"refresh {step}" for step in ("open", "begin", "advance-1", "advance-2", "advance-3", "keep"))
STEPS = ("drop", *REPAIR, "repair keep", *REFRESH, "test prepare", "test share", "commit", "release")
SHORT: list[tuple[Victim, Sequence[Point]]] = [
    (
        "service",
        [Point("drop", (3,)), Point("repair open", (1, 3)), Point("repair begin", (1,)), Point(REPAIR[2], (3,))],
    ),
    (
        "service",
        [Point("repair keep", (3,)), Point("refresh keep", (1, 3)), Point("commit", (3,)), Point("release", (1,))],
    ),
    (1, [Point("repair begin", (1,)), Point("refresh keep", (1, 2)), Point("commit", (1,)), Point("release", (1, 2))]),
    (
        2,
        [Point("repair open", (1, 3)), Point("refresh keep", MEMBERS), Point("commit", (1, 3)), Point("release", (2,))],
    ),
    (3, [Point("repair advance-2", (1, 2)), Point("repair keep", (3,)), Point("commit", (3,)), Point("release", (3,))]),
]
SLOW: list[tuple[Victim, Sequence[Point]]] = [("service", [Point("repair keep", (3,)), Point("commit", (1, 3))])]
"""For secp256k1, whose ceremonies take seconds."""


def batches() -> list[tuple[Victim, Sequence[Point]]]:
    """Whom to kill, and where wallets are at that moment."""
    if not KILLS:
        return SHORT
    takes_part = dict.fromkeys(STEPS, MEMBERS) | {"drop": (LOST,), "repair keep": (LOST,)}
    points = [
        Point(step, each) for step in STEPS for count in range(4) for each in combinations(takes_part[step], count)
    ]
    victims: tuple[Victim, ...] = ("service", 1, 2, 3)
    return [(each, points[at : at + AT_ONCE]) for each in victims for at in range(0, len(points), AT_ONCE)]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayedGroup]:
    with RelayedGroup.made(tmp_path_factory.mktemp("killed")) as made:
        yield made


def test_a_replacement_that_was_cut_off_is_brought_to_its_end_and_keys_sign_all_the_while(group: RelayedGroup) -> None:
    due = [*(("ed25519", *each) for each in batches()), *(("secp256k1", *each) for each in SLOW)]
    named = [(key_type, victim, at, points) for at, (key_type, victim, points) in enumerate(due)]
    made = {
        name(at, place): group.generate(group.service, name(at, place), key_type)["publicKey"]
        for key_type, _, at, points in named
        for place in range(len(points))
    }
    group.calls.steps.clear()
    group.lose(LOST)
    for _, victim, at, points in reversed(named):  # a call goes on to the wallets whose ids come after
        before = name(at - 1, AT_ONCE)
        _cut_off(group, victim, before, {name(at, place): point for place, point in enumerate(points)})
        for wallet, public_key in made.items():
            assert group.sign(group.service, wallet)["publicKey"] == public_key
        outcomes = _replaced(group, group.service, before)
        for place, point in enumerate(points):
            wallet = name(at, place)
            assert outcomes[wallet] in ("replaced", "nothing-due"), point
            group.is_settled(wallet, [1])
            assert group.sealed(LOST, wallet) > [(1, 0)], "what the lost one held is of no epoch that signs"
            assert group.sign(group.service, wallet)["publicKey"] == made[wallet]
    assert set(_replaced(group, group.service, "").values()) == {"nothing-due"}
    steps = {step for step in group.calls.steps[name(0, 0)] if not step.startswith("sign ")}
    assert steps == set(STEPS), "there is no further step at which it can be cut off"


def name(batch: int, place: int) -> str:
    """In the order of the ids."""
    return f"w-{batch + 1:03}-{place}"


def _cut_off(group: RelayedGroup, victim: Victim, after: str, at: dict[str, Point]) -> None:
    def asking(service: Service, _wallet: str) -> Answer:
        return group.post(service, group.owner, "/mpc/replace", {"after": after})

    if victim == "service":
        group.kill_at(at, asking)
        return
    process = group.cosigners.processes[victim]
    with group.held_at(at, asking):
        group.cosigners.hang_up(victim)
        process.kill()
        group.calls.let_go()
    process.start()


def _replaced(group: RelayedGroup, service: Service, after: str) -> dict[str, str]:
    """What became of the wallets whose ids come after this one."""
    outcomes: dict[str, str] = {}
    while True:
        answer = group.post(service, group.owner, "/mpc/replace", {"after": after})
        assert answer.status == 200, answer.body
        outcomes |= {one["walletId"]: one["outcome"] for one in answer.json["wallets"]}
        if answer.json.get("next") is None:
            return outcomes
        after = answer.json["next"]


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"] if KILLS else ["ed25519"])
def test_a_repair_in_the_same_group_that_was_cut_off_before_its_refresh_is_finished_by_the_next_one(
    group: RelayedGroup, key_type: str
) -> None:
    """A directory that was put back lacks shares that copies of it have: whoever has one has a share of that epoch."""
    wallet = f"x-{key_type}"  # after all others
    made = group.generate(group.service, wallet, key_type)["publicKey"]
    process = group.cosigners.processes[LOST]
    group.cosigners.hang_up(LOST)
    process.stop()
    rows(process.data, "DELETE FROM shares WHERE wallet = ?", wallet)
    process.start()
    _cut_off(group, "service", "x", {wallet: Point("repair keep", (LOST,))})
    assert [group.sealed(index, wallet) for index in MEMBERS] == [[(1, 0)]] * 3
    assert _replaced(group, group.service, "x")[wallet] == "replaced"
    assert [group.sealed(index, wallet) for index in MEMBERS] == [[(1, 1)]] * 3
    group.is_settled(wallet, [1])
    assert group.sign(group.service, wallet)["publicKey"] == made
    assert _replaced(group, group.service, "x")[wallet] == "nothing-due"
