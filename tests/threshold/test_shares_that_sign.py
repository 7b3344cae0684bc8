"""Three processes make a key that is in none of them, and any two sign with it."""

import hyperkms_cosign as cosign
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hyperkms.threshold.wire import ShareName, Shares, Status
from support.cosigners import Cosigners, Refusal, message_intent, unique


def test_every_quorum_signs_and_the_signature_is_true_to_everybody(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    assert held.state == "in-force"
    for number, quorum in enumerate(cosigners.quorums):
        message = b"message %d" % number
        signature = cosigners.sign(held, message_intent(message), signers=quorum)
        Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, message)
    assert {cosigners.held(index, held.name.wallet).public_key for index in cosigners.everyone} == {held.public_key}


def test_two_of_two_and_three_of_five(tmp_path_factory: pytest.TempPathFactory) -> None:
    for threshold, members in ((2, 2), (3, 5)):
        folder = tmp_path_factory.mktemp(f"{threshold}-of-{members}")
        with Cosigners.running(folder, threshold=threshold, members=members) as group:
            held = group.generate("w", "ed25519")
            signature = group.sign(held, message_intent(b"m"), signers=group.quorums[-1])
            Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, b"m")


def test_a_refreshed_key_is_the_same_key_and_the_old_shares_are_gone(cosigners: Cosigners) -> None:
    before = cosigners.generate(unique(), "ed25519")
    kept = cosigners.refresh(before.name, "ed25519", "none")
    assert {one.public_key for one in kept.values()} == {before.public_key}
    after = cosigners.held(1, before.name.wallet)
    assert (after.name.epoch, after.state) == (1, "kept")
    cosigners.sign(before, message_intent(b"still with the old epoch"))
    cosigners.commit(after.name, kept, cosigners.tests(after))
    cosigners.sign(after, message_intent(b"with the new"))
    with pytest.raises(Refusal) as refused:
        cosigners.sign(before, message_intent(b"with the old"))
    assert refused.value.code == "share-retired"


def test_a_lost_share_is_repaired_by_the_others_and_signs(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    cosigners.lose(3, held.name)
    assert cosigners.ask(3, Shares(wallet=held.name.wallet)).shares == []
    kept = cosigners.repair(held, target=3, helpers=[1, 2])
    assert kept.public_key == held.public_key
    signature = cosigners.sign(held, message_intent(b"m"), signers=[2, 3])
    Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, b"m")


def test_a_second_version_follows_the_first_and_both_sign(cosigners: Cosigners) -> None:
    first = cosigners.generate(unique(), "ed25519")
    second = cosigners.generate(first.name.wallet, "ed25519", version=2)
    assert second.public_key != first.public_key
    cosigners.activate(first.name.wallet, 2)
    for held in (first, second):
        signature = cosigners.sign(held, message_intent(b"m"))
        Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, b"m")


def test_a_retired_share_is_destroyed_in_every_directory(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    sealed = [cosigners.sealed(index, held.name) for index in cosigners.everyone]
    cosigners.retire(held.name)
    for index, bytes_of_share in zip(cosigners.everyone, sealed, strict=True):
        assert cosigners.held(index, held.name.wallet).state == "retired"
        files = [path for path in cosigners.processes[index].data.rglob("*") if path.is_file()]
        assert not any(bytes_of_share in path.read_bytes() for path in files)
    with pytest.raises(Refusal) as refused:
        cosigners.sign(held, message_intent(b"m"))
    assert refused.value.code == "share-retired"
    with pytest.raises(Refusal) as again:
        cosigners.keygen(held.name.wallet, "ed25519", "none")
    assert again.value.code == "share-exists"


def test_nothing_signs_but_the_test_message_before_all_have_committed(cosigners: Cosigners) -> None:
    wallet = unique()
    kept = cosigners.keygen(wallet, "ed25519", "none")
    held = cosigners.held(1, wallet)
    assert held.state == "kept"
    with pytest.raises(Refusal) as refused:
        cosigners.sign(held, message_intent(b"m"), prepared=True)
    assert refused.value.code == "share-not-in-force"
    tests = cosigners.tests(held)
    with pytest.raises(Refusal) as incomplete:
        cosigners.commit(held.name, kept, tests[:2])
    assert incomplete.value.code == "malformed"
    wrong = [tests[0], tests[1], tests[2].__class__(signers=tests[2].signers, signature=tests[1].signature[::-1])]
    with pytest.raises(Refusal) as false:
        cosigners.commit(held.name, kept, wrong)
    assert false.value.code == "signature-wrong"
    swapped = {1: kept[2], 2: kept[1], 3: kept[3]}
    with pytest.raises(Refusal):
        cosigners.commit(held.name, swapped, tests)
    assert cosigners.held(2, wallet).state == "kept"
    cosigners.commit(held.name, kept, tests)
    cosigners.commit(held.name, kept, tests)
    cosigners.sign(cosigners.held(1, wallet), message_intent(b"m"))


def test_what_is_dropped_leaves_room_and_what_is_in_force_is_not_dropped(cosigners: Cosigners) -> None:
    wallet = unique()
    cosigners.keygen(wallet, "ed25519", "none")
    name = ShareName(wallet=wallet, version=1, epoch=0)
    with pytest.raises(Refusal) as exists:
        cosigners.keygen(wallet, "ed25519", "none")
    assert exists.value.code == "share-exists"
    cosigners.drop(name)
    cosigners.drop(name)
    held = cosigners.generate(wallet, "ed25519")
    with pytest.raises(Refusal) as refused:
        cosigners.drop(held.name)
    assert refused.value.code == "share-in-force"


def test_a_cosigner_says_how_it_is(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    before = cosigners.ask(1, Status())
    cosigners.sign(held, message_intent(b"m"))
    after = cosigners.ask(1, Status())
    assert (after.index, after.signed - before.signed, after.banned) == (1, 1, [])
    assert after.head_size > before.head_size
    assert after.memory in {"memfd_secret", "mlock", "none"}


def test_the_form_of_the_test_message_is_signed_by_no_other_means(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    form = cosign.Form.test(cosigners.context(held))
    for test in cosigners.tests(held):
        form.verify(held.public_key, test.signature)
