"""A coordinator that alters, reorders, withholds or replays gets no share and no signature, and nobody is banned."""

from collections.abc import Callable

import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.errors import Tampered
from hyperkms.threshold.wire import (
    Begin,
    Keep,
    OpenCeremony,
    Opened,
    ShareName,
    SignShare,
)
from support.cosigners import BEARER, Cosigners, Refusal, message_intent, unique


def opened(cosigners: Cosigners, wallet: str) -> dict[int, Opened]:
    name = ShareName(wallet=wallet, version=1, epoch=0)
    ask = OpenCeremony(kind="keygen", share=name, key_type="ed25519", network="none", asker=BEARER)
    return cosigners.together(dict.fromkeys(cosigners.everyone, ask))


class Once:
    """Does something to what member 2 is handed in one round."""

    def __init__(self, round_of: int, do: Callable[[list[bytes]], list[bytes]]) -> None:
        self._round, self._do = round_of, do
        self._seen = 0

    def __call__(self, index: int, messages: list[bytes]) -> list[bytes]:
        if index != 2:
            return messages
        self._seen += 1
        return self._do(messages) if self._seen == self._round else messages


FALSE: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a changed bit at the end": lambda messages: [messages[0][:-1] + bytes([messages[0][-1] ^ 1]), *messages[1:]],
    "a changed bit in the head": lambda messages: [messages[0][:8] + b"\xff" + messages[0][9:], *messages[1:]],
    "one cut short": lambda messages: [messages[0][:-7], *messages[1:]],
    "one twice": lambda messages: [messages[0], messages[0], *messages[1:]],
    "one in the place of another": lambda messages: [messages[0]] * len(messages),
    "one withheld": lambda messages: messages[1:],
    "none": lambda _messages: [],
    "one too many": lambda messages: [*messages, b""],
    "twenty-one": lambda messages: [*messages] * 21,
}


@pytest.mark.parametrize("round_of", [1, 2])
@pytest.mark.parametrize("what", FALSE)
def test_what_is_altered_on_the_way_ends_the_ceremony_without_a_share(
    cosigners: Cosigners, what: str, round_of: int
) -> None:
    wallet = unique()
    sessions = opened(cosigners, wallet)
    with pytest.raises(Refusal):
        cosigners.rounds(sessions, Once(round_of, FALSE[what]))
    with pytest.raises(Refusal) as ended:
        cosigners.ask(2, Keep(session=sessions[2].session))
    assert ended.value.code in {"session-unknown", "session-not-done"}
    assert cosigners.banned() == []
    assert cosigners.generate(wallet, "ed25519").state == "in-force"


def test_messages_may_come_in_any_order(cosigners: Cosigners) -> None:
    sessions = opened(cosigners, unique())
    cosigners.rounds(sessions, lambda _index, messages: messages[::-1])
    assert {one.done for one in cosigners.last.values()} == {True}


def test_openings_of_another_session_begin_nothing(cosigners: Cosigners) -> None:
    first, second = opened(cosigners, unique()), opened(cosigners, unique())
    with pytest.raises(Refusal):
        cosigners.ask(1, Begin(session=first[1].session, openings=[first[2].opening, second[3].opening]))
    with pytest.raises(Refusal):
        cosigners.ask(2, Begin(session=first[2].session, openings=[first[1].opening, first[1].opening]))
    with pytest.raises(Refusal) as ended:
        cosigners.ask(1, Begin(session=first[1].session, openings=[first[2].opening, first[3].opening]))
    assert ended.value.code == "session-unknown"
    assert cosigners.banned() == []


def test_shares_for_different_messages_make_no_signature(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    commitments = cosigners.commitments(held, [1, 2])
    asks = {
        index: SignShare(
            share=held.name,
            signers=[1, 2],
            commitments=commitments,
            intent=message_intent(b"for cosigner %d" % index),
            asker=BEARER,
        )
        for index in (1, 2)
    }
    given = [one.share for one in cosigners.together(asks).values()]
    form = cosign.Form.ed25519(b"for cosigner 1")
    with pytest.raises(Tampered) as failed:
        cosign.aggregate(cosigners.known, cosigners.context(held), held.group_key, {1, 2}, commitments, form, given)
    assert failed.value.details.get("cosigner") in {None, 2}
    assert cosigners.banned() == []


MIXED: tuple[Callable[[bytes, bytes], list[bytes]], ...] = (
    lambda one, two: [one, two[:-1] + bytes([two[-1] ^ 1])],
    lambda one, two: [one, two[:-40] + bytes(40)],
    lambda one, _two: [one, one],
    lambda one, _two: [one],
    lambda _one, two: [two, two],
    lambda _one, _two: [],
    lambda one, two: [one, two, b""],
)


def test_commitments_that_were_altered_or_swapped_are_not_signed_with(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    for change in MIXED:
        one, two = cosigners.commitments(held, [1, 2])
        ask = SignShare(
            share=held.name, signers=[1, 2], commitments=change(one, two), intent=message_intent(b"m"), asker=BEARER
        )
        with pytest.raises(Refusal):
            cosigners.ask(1, ask)
    assert cosigners.banned() == []
    cosigners.sign(held, message_intent(b"m"))


def test_acknowledgements_of_another_wallet_put_nothing_in_force(cosigners: Cosigners) -> None:
    one, two = unique(), unique()
    kept_of_one = cosigners.keygen(one, "ed25519", "none")
    cosigners.keygen(two, "ed25519", "none")
    tests = cosigners.tests(cosigners.held(1, two))
    with pytest.raises(Refusal) as failed:
        cosigners.commit(ShareName(wallet=two, version=1, epoch=0), kept_of_one, tests)
    assert failed.value.problem.kind == "Tampered"
    assert cosigners.held(1, two).state == "kept"
    for wallet in (one, two):
        cosigners.drop(ShareName(wallet=wallet, version=1, epoch=0))


def test_a_name_that_is_no_name_is_refused_before_it_is_written(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    for who in (
        msgspec.structs.replace(BEARER, client="x" * 65),
        msgspec.structs.replace(BEARER, client="a\nb"),
        msgspec.structs.replace(BEARER, request_id="\x1b[2J"),
    ):
        with pytest.raises(Refusal) as failed:
            cosigners.sign(held, message_intent(b"m"), asker=who)
        assert failed.value.code == "malformed"
