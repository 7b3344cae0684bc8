"""Kill -9 of the coordinator at every step: a key is wholly there or not at all, and some epoch always signs.

The cosigners live on in processes of their own, in production mode. Several wallets are each at a point of their own
when the service dies. The long form (`make faults`) kills with every set of members at every step, HYPERKMS_TEST_KILLS
times.
"""

import os
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from hyperkms.threshold.cosigner.versions import OVERLAP_MS
from support.cosigners import unique
from support.held_calls import Point
from support.mpc import check_message
from support.record import records_in
from support.relayed_group import Asking, RelayedGroup
from support.service import Answer, Service
from support.signed import now_ms

KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "0"))
TIMES = range(max(1, KILLS))
MEMBERS = (1, 2, 3)
SUBSETS = [tuple(each) for count in range(4) for each in combinations(MEMBERS, count)]
AT_ONCE = 4
"""So many wallets are made or changed at a time by one process."""

KEYGEN = {
    "ed25519": ["open", "begin", "advance-1", "advance-2", "advance-3", "keep"],
    "secp256k1": ["open", "begin", *(f"advance-{number}" for number in range(1, 6)), "keep"],
}
TEST = {
    "ed25519": ["test prepare", "test share"],
    "secp256k1": ["test open", "test begin", "test advance-1", "test advance-2", "test advance-3"],
}
SIGN = {
    "ed25519": ["sign prepare", "sign share"],
    "secp256k1": ["sign open", "sign begin", "sign advance-1", "sign advance-2", "sign advance-3"],
}


def ceremony(kind: str, key_type: str) -> list[str]:
    """The steps of one in which all take part, until the key is in force."""
    return [*(f"{kind} {step}" for step in KEYGEN[key_type]), *TEST[key_type], "commit"]


STEPS = {
    "generate": {key_type: ceremony("keygen", key_type) for key_type in KEYGEN},
    "refresh": {key_type: [*ceremony("refresh", key_type), "release"] for key_type in KEYGEN},
    "rotate": {key_type: [*ceremony("keygen", key_type), "admit", "activate"] for key_type in KEYGEN},
}
TELLING = {
    "generate": ("keygen keep", "commit"),
    "refresh": ("refresh keep", "commit", "release"),
    "rotate": ("admit", "activate"),
}
"""Steps after which something is durable at whoever did them: how many did matters."""
SLOW = {
    "generate": [Point("keygen keep", MEMBERS), Point("commit", (1,))],
    "refresh": [Point("commit", (1, 2)), Point("release", (1,))],
    "rotate": [Point("admit", (1, 2)), Point("activate", (1,))],
}
"""For secp256k1, whose ceremonies take seconds; in the long form too it has one member where nothing is durable yet."""


def points(operation: str, key_type: str) -> list[Point]:
    """In the long form every set of members at every step; in the short one each step once, and more where it tells."""
    steps, telling = STEPS[operation][key_type], TELLING[operation]
    if KILLS:
        due = {step: SUBSETS if key_type == "ed25519" or step in telling else [(1,)] for step in steps}
        return [Point(step, members) for step, each in due.items() for members in each]
    if key_type == "secp256k1":
        return SLOW[operation]
    once = [] if operation == "rotate" else [Point(step, (1,)) for step in steps if step not in telling]
    return [*once, *(Point(step, members) for step in telling for members in ((1,), (1, 2), MEMBERS))]


def batches(operation: str) -> list[Any]:
    """Each a test, with a name that tells the points."""
    made = []
    for key_type in KEYGEN:
        due = points(operation, key_type)
        for place in range(0, len(due), AT_ONCE):
            made.append(pytest.param(key_type, due[place : place + AT_ONCE], id=f"{key_type} {place}"))  # noqa: PERF401
    return made


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayedGroup]:
    with RelayedGroup.made(tmp_path_factory.mktemp("killed")) as made:
        yield made


@pytest.fixture(scope="module")
def trader(group: RelayedGroup) -> str:
    """A secp256k1 wallet; it takes seconds to make one."""
    wallet = unique()
    group.generate(group.service, wallet, "secp256k1")
    return wallet


def test_the_steps_are_all_that_a_coordinator_asks_for(group: RelayedGroup, trader: str) -> None:
    """One that is added to a ceremony is a further point at which it can be cut off."""
    wallet, steps, changed = unique(), group.calls.steps, {"ed25519": True, "secp256k1": KILLS > 0}
    group.generate(group.service, wallet, "ed25519")
    for each, key_type in ((wallet, "ed25519"), (trader, "secp256k1")):
        assert steps.pop(each) == STEPS["generate"][key_type]
        group.sign(group.service, each)
        assert steps.pop(each) == SIGN[key_type]
        for path, body, operation in (
            (f"/mpc/wallets/{each}/refresh", {}, "refresh"),
            ("/mpc/wallets/rotate", {"walletId": each, "activate": True}, "rotate"),
        ):
            if changed[key_type]:
                assert group.post(group.service, group.owner, path, body).status == 200
                asked = steps.pop(each)  # another quorum may just have been found quicker, and prepares
                assert [step for step in asked if step != "sign prepare"] == STEPS[operation][key_type]


def making(group: RelayedGroup, key_type: str) -> Asking:
    network = {"network": "testnet"} if key_type == "secp256k1" else {}

    def asking(service: Service, wallet: str) -> Answer:
        body = {"walletId": wallet, "keyType": key_type, **network}
        return group.post(service, group.owner, "/mpc/wallets/generate", body, f"make-{wallet}")

    return asking


@pytest.mark.parametrize("_time", TIMES)
@pytest.mark.parametrize(("key_type", "due"), batches("generate"))
def test_a_wallet_is_wholly_there_or_not_at_all_and_can_be_asked_for_again(
    group: RelayedGroup, key_type: str, due: list[Point], _time: int
) -> None:
    at = {unique(): point for point in due}
    asking = making(group, key_type)
    service = group.kill_at(at, asking)
    for wallet, point in at.items():
        assert service.get(f"/wallets/{wallet}").status == 404, point
        again = asking(service, wallet)
        assert again.status == 200, (point, again.body)
        group.is_settled(wallet, [1])
        assert group.sign(service, wallet)["publicKey"] == again.json["wallet"]["publicKey"]
        assert asking(service, wallet).body == again.body


@pytest.mark.parametrize("_time", TIMES)
@pytest.mark.parametrize(("key_type", "due"), batches("refresh"))
def test_some_epoch_signs_whenever_a_refresh_is_cut_off_and_the_next_one_destroys_what_was_before(
    group: RelayedGroup, key_type: str, due: list[Point], _time: int
) -> None:
    at = {unique(): point for point in due}
    made = {wallet: group.generate(group.service, wallet, key_type) for wallet in at}

    def asking(service: Service, wallet: str) -> Answer:
        return group.post(service, group.owner, f"/mpc/wallets/{wallet}/refresh", {}, f"refresh-{wallet}")

    service = group.kill_at(at, asking)
    for wallet, point in at.items():
        for quorum in group.cosigners.quorums:
            group.sign_with(wallet, quorum)
        assert group.sign(service, wallet)["publicKey"] == made[wallet]["publicKey"], point
        again = asking(service, wallet)
        assert again.status == 200, (point, again.body)
        assert again.json["epoch"] >= 1
        group.is_settled(wallet, [1])
        assert group.sealed(1, wallet) == [(1, again.json["epoch"])]
        assert group.sign(service, wallet)["publicKey"] == made[wallet]["publicKey"]


@pytest.mark.parametrize("_time", TIMES)
@pytest.mark.parametrize(("key_type", "due"), batches("rotate"))
def test_whatever_version_the_service_has_current_signs_for_as_long_as_nobody_repeats_a_rotation_that_was_cut_off(
    group: RelayedGroup, key_type: str, due: list[Point], _time: int
) -> None:
    at = {unique(): point for point in due}
    made = {wallet: group.generate(group.service, wallet, key_type) for wallet in at}

    def asking(service: Service, wallet: str) -> Answer:
        body = {"walletId": wallet, "activate": True}
        return group.post(service, group.owner, "/mpc/wallets/rotate", body, f"rotate-{wallet}")

    service = group.kill_at(at, asking)
    for wallet, point in at.items():
        is_made = point.step == "activate"  # what the cosigners do after the service has changed over
        if is_made:
            group.until_current(wallet, 2)
        group.cosigners.let_pass(wallet, OVERLAP_MS)
        signed = group.sign(service, wallet)["publicKey"]
        again = asking(service, wallet)
        assert again.status == 200, (point, again.body)
        rotation = again.json["rotation"]
        assert (rotation["newVersion"], rotation["oldPublicKey"]) == (2, made[wallet]["publicKey"])
        assert signed == rotation["newPublicKey" if is_made else "oldPublicKey"], point
        assert group.current(wallet) == [2, 2, 2]
        group.is_settled(wallet, [1, 2])
        assert group.sign(service, wallet)["publicKey"] == rotation["newPublicKey"]
        assert asking(service, wallet).body == again.body


# ---- signatures ---------------------------------------------------------------------------------

KINDS = ("message", "action", "own nonce")
"""A message; an action with a nonce that the service chooses; an action with one of the caller's."""
SHORT = [
    ("message", Point("sign open", first=1), Point("sign prepare", first=1)),
    ("action", Point("sign begin", first=1), Point("sign prepare", first=2)),
    ("message", Point("sign advance-1", first=1), Point("sign share")),
    ("own nonce", Point("sign advance-2", first=1), Point("sign share", first=1)),
    ("action", Point("sign advance-2", first=2), Point("sign share", first=1)),
    ("own nonce", Point("sign advance-3", first=2), Point("sign share", first=2)),
]
"""What is asked of a secp256k1 wallet, its point, and that of an Ed25519 wallet which signs a message meanwhile."""


def signatures() -> list[tuple[str, Point, Point]]:
    if not KILLS:
        return SHORT
    here = [(kind, Point(step, first=count)) for kind in KINDS for step in SIGN["secp256k1"] for count in range(3)]
    beside = [Point(step, first=count) for step in SIGN["ed25519"] for count in range(3)]
    return [(kind, point, beside[place % len(beside)]) for place, (kind, point) in enumerate(here)]


@pytest.mark.parametrize("_time", TIMES)
@pytest.mark.parametrize(("kind", "point", "beside"), signatures(), ids=str)
def test_a_signature_that_was_cut_off_is_made_once_it_is_asked_for_again_and_nothing_is_used_twice(
    group: RelayedGroup, trader: str, kind: str, point: Point, beside: Point, _time: int
) -> None:
    key, now, plain = unique(), now_ms(), unique()
    group.generate(group.service, plain, "ed25519")  # nothing is prepared for it
    own = {"nonce": now + 30_000} if kind == "own nonce" else {}
    message = "/mpc/wallets/sign", {"message": key}
    action = "/hyperliquid/sign", {"action": {"type": "noop"}, "expiresAfter": now + 240_000, **own}
    asks = {trader: message if kind == "message" else action, plain: message}

    def asking(service: Service, wallet: str) -> Answer:
        path, body = asks[wallet]
        return group.post(service, group.bot, path, {"walletId": wallet, **body}, f"{key}-{wallet}")

    service = group.kill_at({trader: point, plain: beside}, asking)
    again = {wallet: asking(service, wallet) for wallet in asks}
    for wallet, answer in again.items():
        assert answer.status == 200, answer.body
        assert asking(service, wallet).body == answer.body
        if "message" in answer.json:
            check_message(answer.json, key)
    if own:
        assert again[trader].json["nonce"] == own["nonce"]
    nothing_is_used_twice(group)


def nothing_is_used_twice(group: RelayedGroup) -> None:
    """In no session did a cosigner give two shares, and an action nonce and a client's request are of one digest."""
    digests: dict[tuple[str, ...], set[str]] = {}
    for index in MEMBERS:
        lines = [line["record"] for line in records_in(group.cosigners.processes[index].data / "records")]
        shares = [line for line in lines if "session" in line]
        sessions = [line["session"] for line in shares]
        assert len(sessions) == len(set(sessions)) > 0
        for line in shares:
            if line["request"] is not None:
                digests.setdefault((line["request"], str(line["position"])), set()).add(line["digest"])
            if "nonce" in line["signed"]:
                digests.setdefault((line["publicKey"], str(line["signed"]["nonce"])), set()).add(line["digest"])
    assert {len(found) for found in digests.values()} == {1}
