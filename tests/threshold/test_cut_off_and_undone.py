"""A coordinator that dies in the middle of a commit, or means ill, leaves keys that sign."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.threshold.coordinator.coordinator import Coordinator, Key
from hyperkms.threshold.cosigner.versions import OVERLAP_MS
from hyperkms.threshold.wire import (
    Activate,
    Commit,
    Drop,
    Dropped,
    HeldShare,
    InForce,
    Intent,
    Keep,
    KeyTypeName,
    OpenCeremony,
    Prepare,
    Release,
    Retire,
    Said,
    ShareName,
    Shares,
    Word,
)
from support.asking_cosigners import asker, known
from support.cosigners import BEARER, Cosigners, Refusal, message_intent, unique

INTENT = Intent(form="ed25519", operation="sign-message", message=b"m")
FORM = cosign.Form.ed25519(b"m")


def states(cosigners: Cosigners, wallet: str) -> list[list[tuple[int, int, str]]]:
    """Version, epoch and state of every share, cosigner by cosigner."""
    asked = [cosigners.ask(index, Shares(wallet=wallet)).shares for index in cosigners.everyone]
    return [[(held.name.version, held.name.epoch, held.state) for held in shares] for shares in asked]


def refreshed_at(cosigners: Cosigners, held: HeldShare, committed: list[int]) -> ShareName:
    """A refresh whose coordinator died when these had been told to put it in force."""
    kept = cosigners.refresh(held.name, held.key_type, held.network)
    name = ShareName(wallet=held.name.wallet, version=1, epoch=held.name.epoch + 1)
    new = next(one for one in cosigners.ask(1, Shares(wallet=name.wallet)).shares if one.name == name)
    tests = cosigners.tests(new)
    acknowledgements = [kept[index].acknowledgement for index in cosigners.everyone]
    for index in committed:
        cosigners.ask(index, Commit(share=name, acknowledgements=acknowledgements, tests=tests))
    return name


@pytest.fixture
def coordinator(cosigners: Cosigners, tmp_path: Path) -> Iterator[Coordinator]:
    made = Coordinator(cosigners.group, folder=tmp_path, coordinators=1, deployment="separate")
    yield made
    made.stop()


@pytest.mark.parametrize("committed", [[1], [1, 2], [3]])
def test_a_refresh_that_was_cut_off_is_brought_to_its_end_by_the_next(
    cosigners: Cosigners, coordinator: Coordinator, committed: list[int]
) -> None:
    held = cosigners.generate(unique(), "ed25519")
    refreshed_at(cosigners, held, committed)
    key = Key(held.name.wallet, 1, held.public_key)
    coordinator.refresh(key, BEARER)
    expected = [(1, 0, "retired"), (1, 1, "in-force")]
    assert states(cosigners, held.name.wallet) == [expected, expected, expected]
    coordinator.sign(key, INTENT, BEARER, FORM)
    coordinator.refresh(key, BEARER)
    assert states(cosigners, held.name.wallet)[0][-1] == (1, 2, "in-force")


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"])
def test_an_epoch_put_in_force_at_one_of_two_and_dropped_at_the_other_costs_nobody_the_key(
    tmp_path: Path, key_type: KeyTypeName
) -> None:
    with Cosigners.running(tmp_path, threshold=2, members=2) as two:
        held = two.generate("w", key_type, "none" if key_type == "ed25519" else "testnet")
        name = refreshed_at(two, held, [1])
        two.ask(2, Drop(share=name))
        assert states(two, "w") == [[(1, 0, "superseded"), (1, 1, "in-force")], [(1, 0, "in-force")]]
        two.hang_up()
        intent = INTENT if key_type == "ed25519" else msgspec.structs.replace(INTENT, form="eip191")
        form = FORM if key_type == "ed25519" else cosign.Form.eip191(b"m")
        key = Key("w", 1, held.public_key)
        coordinator = Coordinator(two.group, folder=tmp_path, coordinators=1, deployment="separate")
        try:
            form.verify(held.public_key, coordinator.sign(key, intent, BEARER, form).signature)
            assert coordinator.refresh(key, BEARER).share.epoch == 1
            form.verify(held.public_key, coordinator.sign(key, intent, BEARER, form).signature)
        finally:
            coordinator.stop()
        assert states(two, "w") == [[(1, 0, "retired"), (1, 1, "in-force")]] * 2


@pytest.mark.parametrize("committed", [[1], [1, 2]])
def test_a_refresh_put_in_force_at_some_and_dropped_at_the_others_is_settled_by_the_next(
    cosigners: Cosigners, coordinator: Coordinator, committed: list[int]
) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = refreshed_at(cosigners, held, committed)
    for index in {1, 2, 3}.difference(committed):
        cosigners.ask(index, Drop(share=name))
    key = Key(name.wallet, 1, held.public_key)
    coordinator.sign(key, INTENT, BEARER, FORM)
    coordinator.refresh(key, BEARER)
    [one, two, three] = states(cosigners, name.wallet)
    assert one == two
    assert one[-1] == three[-1]
    assert {state for _, _, state in [*one, *two, *three]} == {"retired", "in-force"}
    for quorum in cosigners.quorums:
        cosigners.sign(cosigners.held(1, name.wallet), message_intent(b"m"), signers=quorum)


def test_the_epoch_before_signs_until_all_have_said_that_the_next_is_in_force(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = refreshed_at(cosigners, held, [1, 2])
    cosigners.sign(held, message_intent(b"m"), signers=[1, 3])
    words = {index: in_force(cosigners, index, name) for index in (1, 2)}
    forged = [words[1], words[2], words[2]]
    for statements, code in ((forged, "signature-wrong"), ([words[1], words[2]], "malformed")):
        with pytest.raises(Refusal) as refused:
            cosigners.ask(1, Release(share=name, in_force=statements))
        assert refused.value.code == code
    with pytest.raises(Refusal) as refused:
        cosigners.refresh(name, held.key_type, held.network)
    assert refused.value.code in {"epoch-unsettled", "share-not-in-force"}
    cosigners.sign(held, message_intent(b"m"), signers=[1, 3])
    kept = cosigners.held(3, name.wallet)
    acknowledgements = [cosigners.held(index, name.wallet).acknowledgement for index in cosigners.everyone]
    ask = Commit(share=name, acknowledgements=acknowledgements, tests=cosigners.tests(kept))
    word: InForce = cosigners.ask(3, ask)
    cosigners.release(name, [words[1], words[2], word.statement])
    with pytest.raises(Refusal) as refused:
        cosigners.ask(1, Prepare(share=held.name, signers=[1, 3], count=1))
    assert refused.value.code == "share-retired"


def in_force(cosigners: Cosigners, index: int, name: ShareName) -> bytes:
    """What one that has it in force says of it, whoever asks."""
    word: InForce = cosigners.ask(index, Commit(share=name, acknowledgements=[], tests=[]))
    return word.statement


def test_an_epoch_in_force_goes_only_on_the_word_of_enough_others(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = refreshed_at(cosigners, held, [1])
    group_key = cosigners.held(1, name.wallet).group_key
    words: dict[int, Dropped] = {index: cosigners.ask(index, Drop(share=name, group_key=group_key)) for index in (2, 3)}
    two, three = (Word(member=index, statement=words[index].statement) for index in (2, 3))
    of_another = Word(member=3, statement=two.statement)
    for dropped, code in (
        ([], "share-in-force"),
        ([two, two], "share-in-force"),
        ([two, of_another], "signature-wrong"),
    ):
        with pytest.raises(Refusal) as refused:
            cosigners.ask(1, Drop(share=name, group_key=group_key, dropped=dropped))
        assert refused.value.code == code
    cosigners.ask(1, Drop(share=name, group_key=group_key, dropped=[two, three]))
    assert states(cosigners, name.wallet) == [[(1, 0, "in-force")]] * 3
    cosigners.refresh(held.name, held.key_type, held.network)


def test_a_share_whose_epoch_was_dropped_meanwhile_is_not_kept(cosigners: Cosigners) -> None:
    wallet = unique()
    name = ShareName(wallet=wallet, version=1, epoch=0)
    ask = OpenCeremony(kind="keygen", share=name, key_type="ed25519", network="none", asker=BEARER)
    opened = cosigners.together(dict.fromkeys(cosigners.everyone, ask))
    cosigners.rounds(opened)
    cosigners.ask(1, Drop(share=name))
    with pytest.raises(Refusal) as refused:
        cosigners.ask(1, Keep(session=opened[1].session))
    assert refused.value.code == "session-not-done"
    assert cosigners.ask(1, Shares(wallet=wallet)).shares == []


def test_a_repaired_share_leaves_none_of_an_earlier_epoch(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = refreshed_at(cosigners, held, [1, 2])
    cosigners.ask(3, Drop(share=name))
    new = next(one for one in cosigners.ask(1, Shares(wallet=name.wallet)).shares if one.name == name)
    cosigners.repair(new, target=3, helpers=[1, 2])
    assert states(cosigners, name.wallet)[2] == [(1, 0, "superseded"), (1, 1, "in-force")]
    cosigners.release(name, [in_force(cosigners, index, name) for index in cosigners.everyone])
    assert states(cosigners, name.wallet)[2] == [(1, 0, "retired"), (1, 1, "in-force")]


def test_versions_are_made_one_after_the_other(cosigners: Cosigners) -> None:
    wallet = unique()
    with pytest.raises(Refusal) as refused:
        cosigners.generate(wallet, "ed25519", version=2)
    assert refused.value.code == "version-out-of-turn"
    cosigners.generate(wallet, "ed25519")
    with pytest.raises(Refusal) as refused:
        cosigners.generate(wallet, "ed25519", version=2**31 - 1)
    assert refused.value.code == "version-out-of-turn"
    cosigners.generate(wallet, "ed25519", version=2)


def refusal_of(work: Callable[..., object], /, *arguments: Any, **members: Any) -> str:
    with pytest.raises(Refusal) as refused:
        work(*arguments, **members)
    return refused.value.code


def test_in_production_a_coordinator_alone_makes_uses_renews_and_ends_no_key(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production", HYPERKMS_GRACE_DAYS="0.00001") as cosigners:
        owner = known(cosigners, "owner", "generate", "rotate", "retire", "sign-bytes")
        making = {"walletId": "w", "keyType": "ed25519"}
        make, rotate = asker(owner, "/mpc/wallets/generate", making), asker(owner, "/wallets/rotate", {"walletId": "w"})
        assert refusal_of(cosigners.generate, "w", "ed25519") == "evidence-required"
        assert refusal_of(cosigners.generate, "x", "ed25519", asker=make) == "intent-differs"
        assert refusal_of(cosigners.generate, "w", "secp256k1", "testnet", asker=make) == "intent-differs"
        assert refusal_of(cosigners.generate, "w", "ed25519", asker=rotate) == "intent-differs"
        held = cosigners.generate("w", "ed25519", asker=make)
        for who, code in ((BEARER, "evidence-required"), (make, "intent-differs")):
            assert refusal_of(cosigners.generate, "w", "ed25519", version=2, asker=who) == code
            assert refusal_of(cosigners.refresh, held.name, "ed25519", "none", asker=who) == code
        second = cosigners.generate("w", "ed25519", version=2, asker=rotate)
        assert refusal_of(cosigners.generate, "w", "ed25519", version=3, asker=rotate) == "request-used"
        assert refusal_of(cosigners.activate, "w", 2) == "evidence-required"
        one = asker(owner, "/mpc/wallets/sign", {"walletId": "w", "message": "m"})
        assert refusal_of(cosigners.sign, second, message_intent(b"m"), asker=one) == "version-pending"
        cosigners.sign(held, message_intent(b"m"), asker=one)
        waiting = asker(owner, "/wallets/rotate", {"walletId": "w", "activate": False})
        for who, code in ((BEARER, "evidence-required"), (make, "intent-differs"), (waiting, "intent-differs")):
            assert refusal_of(cosigners.admit, "w", 2, who) == code
        cosigners.admit("w", 2, rotate)
        for either in (held, second):
            cosigners.sign(either, message_intent(b"m"), asker=one)
        cosigners.admit("w", 2)  # once more, and nothing is changed by it
        cosigners.activate("w", 2)  # the client has asked for it
        cosigners.sign(second, message_intent(b"m"), asker=one)
        time.sleep(1.5)  # the grace of version 1 is over
        first = asker(owner, "/mpc/wallets/sign", {"walletId": "w", "message": "m", "version": 1})
        assert refusal_of(cosigners.sign, held, message_intent(b"m"), asker=first) == "version-retired"
        for index in cosigners.everyone:
            ending = Retire(wallet="w", version=held.name.version, asker=BEARER)
            assert refusal_of(cosigners.ask, index, ending) == "evidence-required"
        any_network = asker(owner, "/mpc/wallets/generate", {"walletId": "any"})
        made = refusal_of(cosigners.generate, "any", "secp256k1", "any", asker=any_network)
        assert made == "network-required"


def test_a_cosigner_that_was_away_is_shown_the_words_of_the_others(tmp_path: Path) -> None:
    """That a version is in use, and that one is destroyed: once the client's request is too old to be shown again."""
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production") as cosigners:
        owner = known(cosigners, "owner", "generate", "rotate", "retire")
        make = asker(owner, "/mpc/wallets/generate", {"walletId": "w"})
        rotate = asker(owner, "/wallets/rotate", {"walletId": "w"})
        cosigners.generate("w", "ed25519", asker=make)
        cosigners.generate("w", "ed25519", version=2, asker=rotate)
        for ask, asked in (
            (Activate(wallet="w", version=2, asker=rotate), Activate(wallet="w", version=2, asker=BEARER)),
            (
                Retire(wallet="w", version=1, asker=asker(owner, "/wallets/w/retire", {"version": 1})),
                Retire(wallet="w", version=1, asker=BEARER),
            ),
        ):
            said: dict[int, Said] = {index: cosigners.ask(index, ask) for index in (1, 2)}
            words = [Word(member=index, statement=one.statement) for index, one in said.items()]
            member = "active" if isinstance(ask, Activate) else "retired"
            for few in ([], words[:1], [words[0], words[0]]):
                shown = msgspec.structs.replace(asked, **{member: few})
                assert refusal_of(cosigners.ask, 3, shown) == "evidence-required"
            forged = [words[0], Word(member=2, statement=words[0].statement)]
            shown = msgspec.structs.replace(asked, **{member: forged})
            assert refusal_of(cosigners.ask, 3, shown) == "signature-wrong"
            cosigners.ask(3, msgspec.structs.replace(asked, **{member: words}))
        assert states(cosigners, "w")[2] == [(1, 0, "retired"), (2, 0, "in-force")]


def test_a_request_that_names_no_version_is_not_signed_with_an_older_one(cosigners: Cosigners) -> None:
    wallet = unique()
    bot = known(cosigners, unique(), "sign-bytes")
    held = cosigners.generate(wallet, "ed25519")
    second = cosigners.generate(wallet, "ed25519", version=2)
    unnamed = asker(bot, "/wallets/sign", {"walletId": wallet, "message": "m"})
    named = asker(bot, "/wallets/sign", {"walletId": wallet, "message": "m", "version": 1})
    assert refusal_of(cosigners.sign, second, message_intent(b"m")) == "version-pending"
    cosigners.admit(wallet, 2)
    cosigners.let_pass(wallet, OVERLAP_MS)
    for either in (held, second):  # whichever the service has current
        cosigners.sign(either, message_intent(b"m"), asker=unnamed)
    cosigners.activate(wallet, 2)
    cosigners.sign(held, message_intent(b"m"), asker=unnamed)  # one that was under way
    cosigners.let_pass(wallet, OVERLAP_MS)
    assert refusal_of(cosigners.sign, held, message_intent(b"m"), asker=unnamed) == "version-not-current"
    cosigners.sign(held, message_intent(b"m"), asker=named)
    cosigners.sign(second, message_intent(b"m"), asker=unnamed)
    third, fourth = (cosigners.generate(wallet, "ed25519", version=number) for number in (3, 4))
    for number in (3, 4):  # the service has changed over twice, and the cosigners heard of it once
        cosigners.admit(wallet, number)
    cosigners.activate(wallet, 4)
    cosigners.let_pass(wallet, OVERLAP_MS)
    cosigners.sign(fourth, message_intent(b"m"), asker=unnamed)
    assert refusal_of(cosigners.sign, third, message_intent(b"m"), asker=unnamed) == "version-not-current"


def test_without_its_record_a_cosigner_does_not_start(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path) as cosigners:
        held = cosigners.generate("w", "ed25519")
        cosigners.sign(held, message_intent(b"m"), signers=[1, 2])
        process = cosigners.processes[1]
        cosigners.hang_up(1)
        process.stop()
        records = process.data / "records"
        records.rename(tmp_path / "elsewhere")
        with pytest.raises(AssertionError):
            process.start()
        shutil.rmtree(records, ignore_errors=True)
        (tmp_path / "elsewhere").rename(records)
        process.start()
        cosigners.sign(held, message_intent(b"m"), signers=[1, 2])
