"""A cosigner believes the client's signature and nothing else; what a coordinator makes of it is refused."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hyperkms.threshold.wire import Asker, SignShare
from support.asking_cosigners import asker, command, known, refusals
from support.cosigners import BEARER, Cosigners, Refusal, message_intent, unique
from support.signed import Signer, now_ms

PATH = "/mpc/wallets/sign"


@pytest.fixture(scope="module")
def bot(cosigners: Cosigners) -> Signer:
    return known(cosigners, "bot", "sign-bytes")


def body(wallet: str, message: str = "hello") -> dict[str, Any]:
    return {"walletId": wallet, "message": message}


def refused(cosigners: Cosigners, held: Any, who: Asker, message: bytes = b"hello") -> str:
    with pytest.raises(Refusal) as failed:
        cosigners.sign(held, message_intent(message), asker=who)
    return failed.value.code


def test_a_signed_request_signs_what_it_says_and_the_record_names_its_client(cosigners: Cosigners, bot: Signer) -> None:
    held = cosigners.generate(unique(), "ed25519")
    who = asker(bot, PATH, body(held.name.wallet), client="the-treasurer")
    cosigners.sign(held, message_intent(b"hello"), asker=who)
    for index in cosigners.quorums[0]:
        found = command(cosigners, index, "audit", "show", "--wallet", held.name.wallet, "--operation", "sign-message")
        [line] = [one["record"] for one in found["records"]]
        assert (line["client"], line["evidence"], line["signers"]) == ("bot", "signed", [1, 2])
        assert who.signed is not None
        assert line["request"] == "0x" + who.signed.authorization.decode()[-128:]


def test_the_same_request_again_signs_the_same_thing_again(cosigners: Cosigners, bot: Signer) -> None:
    """Another quorum may have to make the signature; nothing else is ever made of the request."""
    held = cosigners.generate(unique(), "ed25519")
    who = asker(bot, PATH, body(held.name.wallet))
    for quorum in cosigners.quorums:
        cosigners.sign(held, message_intent(b"hello"), asker=who, signers=quorum)
    assert refused(cosigners, held, who, b"hullo") == "intent-differs"


def test_a_coordinator_that_swaps_the_message_gets_nothing_and_nobody_is_banned(
    cosigners: Cosigners, bot: Signer
) -> None:
    held = cosigners.generate(unique(), "ed25519")
    who = asker(bot, PATH, body(held.name.wallet))
    assert refused(cosigners, held, who, b"all my coins") == "intent-differs"
    for index in cosigners.quorums[0]:
        [line] = refusals(cosigners, index, held.name.wallet)
        assert (line["code"], line["operation"]) == ("intent-differs", "sign-message")
    assert cosigners.banned() == []


def test_a_request_for_one_wallet_signs_with_no_other(cosigners: Cosigners, bot: Signer) -> None:
    held, other = (cosigners.generate(unique(), "ed25519") for _ in range(2))
    assert refused(cosigners, held, asker(bot, PATH, body(other.name.wallet))) == "intent-differs"


def changed(who: Asker, **members: Any) -> Asker:
    assert who.signed is not None
    return msgspec.structs.replace(who, signed=msgspec.structs.replace(who.signed, **members))


def test_whatever_of_a_signed_request_is_changed_it_is_nobodys(cosigners: Cosigners, bot: Signer) -> None:
    held = cosigners.generate(unique(), "ed25519")
    who = asker(bot, PATH, body(held.name.wallet))
    assert who.signed is not None
    altered = {
        "the body": changed(who, body=who.signed.body.replace(b"hello", b"hullo")),
        "the path": changed(who, target=b"/wallets/sign"),
        "the method": changed(who, method=b"PUT"),
        "the key of repetition": changed(who, idempotency_key=b"k"),
        "the signature": changed(who, authorization=who.signed.authorization[:-128] + bytes(128).hex().encode()[:128]),
        "no header": changed(who, authorization=b""),
        "no text": changed(who, authorization=b"\xff" * 300),
    }
    for what, one in altered.items():
        assert refused(cosigners, held, one, b"hullo") == "invalid-signature", what


def test_a_stranger_an_old_request_and_one_for_another_service_are_refused(cosigners: Cosigners, bot: Signer) -> None:
    held = cosigners.generate(unique(), "ed25519")
    wallet = held.name.wallet
    stranger = Signer(bot.service)
    assert refused(cosigners, held, asker(stranger, PATH, body(wallet))) == "invalid-signature"
    old = asker(bot, PATH, body(wallet), time=now_ms() - 31_000)
    assert refused(cosigners, held, old) == "request-stale"
    elsewhere = asker(replace(bot, service="ee" * 16), PATH, body(wallet))
    assert refused(cosigners, held, elsewhere) == "request-for-another-service"


def test_a_client_without_a_grant_here_is_refused_whatever_the_coordinator_says(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    trader = known(cosigners, unique(), "trade")
    assert refused(cosigners, held, asker(trader, PATH, body(held.name.wallet), client="bot")) == "scope-missing"


def test_a_client_that_was_revoked_at_one_cosigner_gets_no_share_of_it(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    name = unique()
    signer = known(cosigners, name, "sign-bytes")
    cosigners.sign(held, message_intent(b"hello"), asker=asker(signer, PATH, body(held.name.wallet)))
    command(cosigners, 2, "client", "revoke", name)
    assert refused(cosigners, held, asker(signer, PATH, body(held.name.wallet))) == "invalid-signature"
    cosigners.sign(held, message_intent(b"hello"), asker=asker(signer, PATH, body(held.name.wallet)), signers=[1, 3])


def test_commitments_sign_once_and_only_for_their_quorum(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    commitments = cosigners.commitments(held, [1, 2])
    ask = SignShare(share=held.name, signers=[1, 2], commitments=commitments, intent=message_intent(b"m"), asker=BEARER)
    of_another_quorum = msgspec.structs.replace(ask, signers=[1, 3])
    with pytest.raises(Refusal) as misplaced:
        cosigners.ask(1, of_another_quorum)
    assert misplaced.value.code in {"commitment-misplaced", "commitments-incomplete"}
    with pytest.raises(Refusal) as used:
        cosigners.ask(1, ask)  # whatever came of the first
    assert used.value.code == "commitment-used"
    fresh = msgspec.structs.replace(ask, commitments=cosigners.commitments(held, [1, 2]))
    cosigners.ask(1, fresh)
    with pytest.raises(Refusal) as again:
        cosigners.ask(1, msgspec.structs.replace(fresh, intent=message_intent(b"n")))
    assert again.value.code == "commitment-used"
    assert cosigners.banned() == []


def test_signers_that_are_no_quorum_are_refused(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    for signers in ([1], [1, 1], [2, 3], [1, 4], [1, 2, 3], [0, 1], []):
        ask = SignShare(share=held.name, signers=signers, commitments=[], intent=message_intent(b"m"), asker=BEARER)
        with pytest.raises(Refusal) as failed:
            cosigners.ask(1, ask)
        assert failed.value.code == "malformed"


def test_retirement_is_believed_of_a_client_that_may_and_says_so(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    wallet = held.name.wallet
    operator = known(cosigners, unique(), "retire")
    path = f"/wallets/{wallet}/retire"
    for who, code in (
        (asker(operator, "/wallets/other/retire", {"version": 1}), "intent-differs"),
        (asker(operator, path, {"version": 2}), "intent-differs"),
        (asker(operator, path, {}), "intent-differs"),
        (asker(operator, path, {"destroy": "yes"}), "intent-differs"),
        (asker(operator, PATH, body(wallet)), "intent-differs"),
        (asker(known(cosigners, unique(), "read"), path, {"version": 1}), "scope-missing"),
    ):
        with pytest.raises(Refusal) as failed:
            cosigners.retire(held.name, who)
        assert failed.value.code == code
    cosigners.sign(held, message_intent(b"still there"))
    cosigners.retire(held.name, asker(operator, path, {"destroy": True}))
    assert cosigners.held(3, wallet).state == "retired"


def test_in_production_a_bearer_key_is_no_evidence_unless_the_cosigner_was_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("production")
    with Cosigners.running(folder, threshold=2, members=2, HYPERKMS_ENV="production") as group:
        maker = known(group, "maker", "generate")
        made = asker(maker, "/mpc/wallets/generate", {"walletId": "treasury", "keyType": "ed25519"})
        held = group.generate("treasury", "ed25519", asker=made)
        with pytest.raises(Refusal) as failed:
            group.sign(held, message_intent(b"m"))
        assert failed.value.code == "evidence-required"
        with pytest.raises(Refusal) as not_retired:
            group.retire(held.name)
        assert not_retired.value.code == "evidence-required"
        for index in group.everyone:
            assert command(group, index, "cosigner", "allow-bearer", "treasury")["changed"] is True
        group.sign(held, message_intent(b"m"))
        command(group, 2, "cosigner", "allow-bearer", "treasury", "--end")
        with pytest.raises(Refusal) as ended:
            group.sign(held, message_intent(b"m"))
        assert ended.value.code == "evidence-required"
        bot = known(group, "bot", "sign-bytes")
        group.sign(held, message_intent(b"hello"), asker=asker(bot, PATH, body("treasury")))
