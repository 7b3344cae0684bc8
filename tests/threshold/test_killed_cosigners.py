"""Kill -9 at every step of a ceremony: what was begun is finished or dropped, and no wallet is half made."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hyperkms.threshold.wire import Begin, Commit, Keep, OpenCeremony, ShareName, Shares
from support.cosigners import BEARER, Cosigners, Refusal, message_intent, unique


def name(wallet: str) -> ShareName:
    return ShareName(wallet=wallet, version=1, epoch=0)


def finish(cosigners: Cosigners, wallet: str) -> None:
    """As a coordinator does after a crash: drop what not all keep, and begin anew."""
    cosigners.drop(name(wallet))
    held = cosigners.generate(wallet, "ed25519")
    Ed25519PublicKey.from_public_bytes(held.public_key).verify(cosigners.sign(held, message_intent(b"m")), b"m")


def open_all(cosigners: Cosigners, wallet: str) -> dict[int, str]:
    ask = OpenCeremony(kind="keygen", share=name(wallet), key_type="ed25519", network="none", asker=BEARER)
    return {index: one.session for index, one in cosigners.together(dict.fromkeys(cosigners.everyone, ask)).items()}


def test_after_the_opening(cosigners: Cosigners) -> None:
    wallet = unique()
    sessions = open_all(cosigners, wallet)
    cosigners.restart(2, kill=True)
    with pytest.raises(Refusal) as gone:
        cosigners.ask(2, Begin(session=sessions[2], openings=[]))
    assert gone.value.code == "session-unknown"
    finish(cosigners, wallet)


def test_before_one_of_them_keeps_its_share(cosigners: Cosigners) -> None:
    wallet = unique()
    ask = OpenCeremony(kind="keygen", share=name(wallet), key_type="ed25519", network="none", asker=BEARER)
    opened = cosigners.together(dict.fromkeys(cosigners.everyone, ask))
    cosigners.rounds(opened)
    for index in (1, 2):
        cosigners.ask(index, Keep(session=opened[index].session))
    cosigners.restart(3, kill=True)
    assert cosigners.ask(3, Shares(wallet=wallet)).shares == []
    finish(cosigners, wallet)


def test_after_all_keep_their_shares(cosigners: Cosigners) -> None:
    wallet = unique()
    kept = cosigners.keygen(wallet, "ed25519", "none")
    for index in cosigners.everyone:
        cosigners.restart(index, kill=True)
    held = cosigners.held(1, wallet)
    assert (held.state, held.public_key) == ("kept", kept[1].public_key)
    cosigners.commit(held.name, kept, cosigners.tests(held))
    cosigners.sign(held, message_intent(b"m"))


def test_between_two_commits_and_the_test_signatures_are_made_again(cosigners: Cosigners) -> None:
    wallet = unique()
    kept = cosigners.keygen(wallet, "ed25519", "none")
    held = cosigners.held(1, wallet)
    acknowledgements = [kept[index].acknowledgement for index in cosigners.everyone]
    cosigners.ask(1, Commit(share=held.name, acknowledgements=acknowledgements, tests=cosigners.tests(held)))
    cosigners.restart(1, kill=True)
    assert [cosigners.held(index, wallet).state for index in cosigners.everyone] == ["in-force", "kept", "kept"]
    told = {index: cosigners.held(index, wallet).acknowledgement for index in cosigners.everyone}
    assert list(told.values()) == acknowledgements
    cosigners.commit(held.name, kept, cosigners.tests(held))
    cosigners.sign(held, message_intent(b"m"), signers=[2, 3])


def test_in_the_middle_of_a_refresh_the_old_epoch_signs_on(cosigners: Cosigners) -> None:
    before = cosigners.generate(unique(), "ed25519")
    kept = cosigners.refresh(before.name, "ed25519", "none")
    after = cosigners.held(1, before.name.wallet)
    cosigners.restart(2, kill=True)
    cosigners.sign(before, message_intent(b"old"))
    tests = cosigners.tests(after)
    acknowledgements = [kept[index].acknowledgement for index in cosigners.everyone]
    cosigners.ask(1, Commit(share=after.name, acknowledgements=acknowledgements, tests=tests))
    cosigners.restart(1, kill=True)
    cosigners.sign(before, message_intent(b"old"), signers=[2, 3])
    cosigners.commit(after.name, kept, cosigners.tests(after))
    signature = cosigners.sign(after, message_intent(b"new"))
    Ed25519PublicKey.from_public_bytes(before.public_key).verify(signature, b"new")


def test_any_one_of_three_may_be_down(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    for down in cosigners.everyone:
        cosigners.hang_up(down)
        cosigners.processes[down].kill()
        others = [index for index in cosigners.everyone if index != down]
        cosigners.sign(held, message_intent(b"m"), signers=others)
        cosigners.processes[down].start()
