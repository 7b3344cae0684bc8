"""A coordinator that dies in the middle of a commit, or means ill, leaves keys that sign."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import hyperkms_cosign as cosign
import pytest

from hyperkms.threshold.coordinator.coordinator import Coordinator, Key
from hyperkms.threshold.wire import Commit, Drop, HeldShare, Intent, Retire, ShareName, Shares
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


def test_where_no_quorum_has_the_same_epoch_signing_brings_it_to_its_end(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path, threshold=2, members=2) as two:
        held = two.generate("w", "ed25519")
        refreshed_at(two, held, [1])
        coordinator = Coordinator(two.group, folder=tmp_path, coordinators=1, deployment="separate")
        try:
            signed = coordinator.sign(Key("w", 1, held.public_key), INTENT, BEARER, FORM)
        finally:
            coordinator.stop()
        FORM.verify(held.public_key, signed.signature)
        assert [each[-1] for each in states(two, "w")] == [(1, 1, "in-force")] * 2


def test_a_repaired_share_leaves_none_of_an_earlier_epoch(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = refreshed_at(cosigners, held, [1, 2])
    cosigners.ask(3, Drop(share=name))
    new = next(one for one in cosigners.ask(1, Shares(wallet=name.wallet)).shares if one.name == name)
    cosigners.repair(new, target=3, helpers=[1, 2])
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


def test_in_production_a_coordinator_alone_ends_no_key_and_makes_none_for_any_network(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production", HYPERKMS_GRACE_DAYS="0.00001") as cosigners:
        held = cosigners.generate("w", "ed25519")
        cosigners.generate("w", "ed25519", version=2)
        time.sleep(1.5)  # the grace of version 1 is over
        for index in cosigners.everyone:
            with pytest.raises(Refusal) as refused:
                cosigners.ask(index, Retire(wallet="w", version=held.name.version, asker=BEARER))
            assert refused.value.code == "evidence-required"
        with pytest.raises(Refusal) as refused:
            cosigners.generate("any", "secp256k1", "any")
        assert refused.value.code == "network-required"


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
