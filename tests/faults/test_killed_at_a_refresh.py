"""Kill -9 of each cosigner at each step of a refresh: the others sign on, and the next refresh leaves one epoch at all.

The long form (`make faults`) kills each of them with every set of members at every step, HYPERKMS_TEST_KILLS times.
"""

import os
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from support.cosigners import unique
from support.held_calls import Point
from support.relayed_group import MEMBERS, RelayedGroup
from support.service import Answer, Service

KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "0"))
SUBSETS = [each for count in range(4) for each in combinations(MEMBERS, count)]
AT_ONCE = 4
"""So many wallets are made or changed at a time by one service."""
BEFORE = ("refresh open", "refresh begin", "refresh advance-1", "refresh advance-2", "refresh advance-3")
TESTING = ("test prepare", "test share")
DURABLE = ("refresh keep", "commit", "release")
SLOW = [Point("commit", (1, 2))]
"""For secp256k1, whose ceremonies take seconds."""


def batches() -> list[Any]:
    """Whom to kill, and where wallets are at that moment; in the short form each step once, and more where it tells."""
    once = [Point(step, (1,)) for step in (*BEFORE, *TESTING)]
    telling = [Point(step, members) for step in DURABLE for members in ((1,), (2,), (1, 2), MEMBERS)]
    due = {"ed25519": [*once, *telling], "secp256k1": SLOW}
    if KILLS:
        steps = (*BEFORE, *TESTING, *DURABLE)
        due["ed25519"] = [Point(step, members) for step in steps for members in SUBSETS]
    made = []
    for key_type, points in due.items():
        for place in range(0, len(points), AT_ONCE):
            victims = MEMBERS if KILLS else [MEMBERS[place // AT_ONCE % len(MEMBERS)]]
            batch = points[place : place + AT_ONCE]
            made += [pytest.param(key_type, batch, victim, id=f"{key_type} {place} {victim}") for victim in victims]
    return made


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayedGroup]:
    with RelayedGroup.made(tmp_path_factory.mktemp("killed")) as made:
        yield made


@pytest.mark.parametrize("_time", range(max(1, KILLS)))
@pytest.mark.parametrize(("key_type", "due", "victim"), batches())
def test_the_others_sign_on_and_the_next_refresh_leaves_one_epoch(
    group: RelayedGroup, key_type: str, due: list[Point], victim: int, _time: int
) -> None:
    at = {unique(): point for point in due}
    made = {wallet: group.generate(group.service, wallet, key_type) for wallet in at}

    def asking(service: Service, wallet: str) -> Answer:
        return group.post(service, group.owner, f"/mpc/wallets/{wallet}/refresh", {}, f"refresh-{wallet}")

    with group.held_at(at, asking) as asked:
        group.cosigners.hang_up(victim)
        group.cosigners.processes[victim].kill()
        group.calls.let_go()
    told = {wallet: one.result() for wallet, one in asked.items()}
    service = group.running
    assert service is not None
    for wallet in at:
        signed = group.sign(service, wallet)
        assert victim not in signed["receipt"]["cosigned"]["signers"]
        assert signed["publicKey"] == made[wallet]["publicKey"]
    group.cosigners.processes[victim].start()
    for wallet, point in at.items():
        again = asking(group.service, wallet)
        assert (told[wallet].status, again.status) in {(200, 200), (503, 200)}, (point, told[wallet].body, again.body)
        group.is_settled(wallet, [1])
        assert group.sealed(victim, wallet) == [(1, again.json["epoch"])]
        assert group.sign(service, wallet)["publicKey"] == made[wallet]["publicKey"]
