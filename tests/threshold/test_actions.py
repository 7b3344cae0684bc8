"""Hyperliquid actions, signed with secp256k1 by two of three processes, each under its own rules."""

import json
from collections.abc import Callable
from typing import Any

import coincurve
import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.threshold.wire import Asker, HeldShare, Intent, Opened, OpenSigning
from hyperkms.wallet import address_of
from support.approving import Approver
from support.asking_cosigners import asker, command, known, refusals
from support.cosigners import BEARER, COORDINATOR, Cosigners, Refusal, unique
from support.good_actions import ORDER
from support.signed import Signer, now_ms

PATH = "/hyperliquid/sign"
ACTION = {"type": "order", "orders": [ORDER], "grouping": "na"}
SEND = {"type": "usdSend", "destination": "0x" + "11" * 20, "amount": "1"}


@pytest.fixture(scope="module")
def held(cosigners: Cosigners) -> HeldShare:
    return cosigners.generate("trader", "secp256k1", "testnet")


@pytest.fixture(scope="module")
def bot(cosigners: Cosigners) -> Signer:
    return known(cosigners, "trader-bot", "trade")


def intent(action: object = ACTION, **changes: Any) -> Intent:
    now = now_ms()
    made = Intent(
        form="action",
        operation="sign-action",
        action=action if isinstance(action, bytes) else json.dumps(action).encode(),
        nonce=now,
        expires_after=now + 30_000,
        network="testnet",
    )
    return msgspec.structs.replace(made, **changes)


def refused(cosigners: Cosigners, held: HeldShare, wanted: Intent, who: Asker = BEARER) -> str:
    with pytest.raises(Refusal) as failed:
        cosigners.sign(held, wanted, asker=who)
    return failed.value.code


def digest(cosigners: Cosigners, index: int, wallet: str) -> bytes:
    """Of the newest share that a cosigner says it gave."""
    found = command(cosigners, index, "audit", "show", "--wallet", wallet, "--operation", "sign-action")
    line = [one["record"] for one in found["records"] if "session" in one["record"]][-1]
    assert line["publicKey"] == "0x" + cosigners.held(index, wallet).public_key.hex()
    return bytes.fromhex(line["digest"][2:])


def test_every_quorum_signs_an_order_that_recovers_to_the_wallet(cosigners: Cosigners, held: HeldShare) -> None:
    for quorum in cosigners.quorums:
        signature = cosigners.sign(held, intent(), signers=quorum)
        assert len(signature) == 65
        recoverable = signature[:64] + bytes([signature[64] - 27])
        hashed = digest(cosigners, quorum[0], "trader")
        public = coincurve.PublicKey.from_signature_and_message(recoverable, hashed, hasher=None)
        assert public.format() == held.public_key
        assert hashed == digest(cosigners, quorum[1], "trader")
    assert address_of(held.public_key) is not None


def test_a_nonce_signs_one_action_whatever_the_quorum_and_over_a_kill(cosigners: Cosigners, held: HeldShare) -> None:
    wanted = intent()
    cosigners.sign(held, wanted, signers=[1, 2])
    cosigners.sign(held, wanted, signers=[1, 3])
    other = intent(
        {**ACTION, "orders": [{**ORDER, "s": "0.002"}]}, nonce=wanted.nonce, expires_after=wanted.expires_after
    )
    assert refused(cosigners, held, other) == "nonce-signed"
    cosigners.restart(1, kill=True)
    assert refused(cosigners, held, other) == "nonce-signed"
    [line, *_] = refusals(cosigners, 1, "trader")
    assert line["signed"] == {"action": {"type": "order"}}
    cosigners.sign(held, wanted, signers=[1, 2])


def test_a_signed_request_cannot_be_used_with_another_nonce(cosigners: Cosigners, held: HeldShare, bot: Signer) -> None:
    who = asker(bot, PATH, {"walletId": "trader", "action": ACTION})
    wanted = intent()
    cosigners.sign(held, wanted, asker=who)
    cosigners.sign(held, wanted, asker=who, signers=[2, 3])
    later = msgspec.structs.replace(wanted, nonce=wanted.nonce + 1)
    assert refused(cosigners, held, later, who) == "request-used"
    cosigners.restart(1, kill=True)
    assert refused(cosigners, held, later, who) == "request-used"
    assert cosigners.banned() == []


def test_the_policy_of_each_cosigner_decides_for_itself(cosigners: Cosigners, held: HeldShare, bot: Signer) -> None:
    assert refused(cosigners, held, intent({**SEND}, expires_after=None)) == "action-not-allowed"
    folder = cosigners.file.parent
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"format": 1, "allow": ["trade-only", "usdSend"]}))
    command(cosigners, 1, "policy", "apply", str(policy), "--wallet", "trader")
    wanted = intent(SEND, expires_after=None)
    with pytest.raises(Refusal) as one_refuses:
        cosigners.sign(held, wanted)
    assert one_refuses.value.code == "action-not-allowed"
    command(cosigners, 2, "policy", "apply", str(policy), "--wallet", "trader")
    assert len(cosigners.sign(held, intent(SEND, expires_after=None))) == 65
    who = asker(bot, PATH, {"walletId": "trader", "action": SEND})
    assert len(cosigners.sign(held, intent(SEND, expires_after=None), asker=who)) == 65
    for index in (1, 2):
        command(cosigners, index, "policy", "use", "none", "--wallet", "trader")


def test_limits_over_time_count_a_digest_once(cosigners: Cosigners, held: HeldShare) -> None:
    policy = cosigners.file.parent / "limit.json"
    rule = {"name": "slow", "max_orders": {"1h": 2}}
    policy.write_text(json.dumps({"format": 1, "allow": ["trade-only"], "rules": [rule]}))
    for index in (1, 2):
        command(cosigners, index, "policy", "apply", str(policy), "--wallet", "trader")
    first = intent()
    for _ in range(3):
        cosigners.sign(held, first)
    cosigners.sign(held, intent())
    assert refused(cosigners, held, intent()) == "policy-refused"
    for index in (1, 2):
        command(cosigners, index, "policy", "use", "none", "--wallet", "trader")


def test_two_quorums_at_the_same_signature_count_it_once(cosigners: Cosigners, held: HeldShare) -> None:
    """A second one is asked where the first is slow; each reserves what it counts before either comes to its end."""
    policy = cosigners.file.parent / "twice.json"
    rule = {"name": "twice", "max_orders": {"1h": 2}}
    policy.write_text(json.dumps({"format": 1, "allow": ["trade-only"], "rules": [rule]}))
    for index in cosigners.everyone:
        command(cosigners, index, "policy", "apply", str(policy), "--wallet", "trader")
    first = intent()
    opened = [
        cosigners.together(
            dict.fromkeys(quorum, OpenSigning(share=held.name, signers=quorum, intent=first, asker=BEARER))
        )
        for quorum in ([1, 2], [1, 3])
    ]
    for sessions in opened:
        cosigners.rounds(sessions)
    cosigners.sign(held, intent())
    assert refused(cosigners, held, intent()) == "policy-refused"
    for index in cosigners.everyone:
        command(cosigners, index, "policy", "use", "none", "--wallet", "trader")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no expiry": ({"expires_after": None}, "expires-after-required"),
    "the other network": ({"network": "mainnet"}, "wrong-network"),
    "a nonce of last week": ({"nonce": 1_780_000_000_000}, "nonce-outside-window"),
    "an unknown action": ({"action": b'{"type":"mint"}'}, "unknown-action"),
    "no action": ({"action": b"[]"}, "malformed"),
    "a transfer": ({"action": json.dumps(SEND).encode(), "expires_after": None}, "action-not-allowed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_cosigner_refuses_by_itself_and_writes_it_down(cosigners: Cosigners, held: HeldShare, case: str) -> None:
    changes, code = REFUSED[case]
    before = cosigners.ask(2, cosigners.status).refused
    ask = OpenSigning(share=held.name, signers=[1, 2], intent=intent(**changes), asker=BEARER)
    with pytest.raises(Refusal) as failed:
        cosigners.ask(2, ask)
    assert failed.value.code == code
    assert cosigners.ask(2, cosigners.status).refused == before + 1
    assert refusals(cosigners, 2, "trader")[-1]["code"] == code


class Altered:
    """Changes the last bit of what member 2 is handed in one round."""

    def __init__(self, round_of: int) -> None:
        self._round = round_of
        self.seen = 0

    def __call__(self, index: int, messages: list[bytes]) -> list[bytes]:
        if index != 2 or not messages:
            return messages
        self.seen += 1
        changed = [messages[0][:-1] + bytes([messages[0][-1] ^ 1]), *messages[1:]]
        return changed if self.seen == self._round else messages


def opened(cosigners: Cosigners, held: HeldShare) -> dict[int, Opened]:
    ask = OpenSigning(share=held.name, signers=[1, 2], intent=intent(), asker=BEARER)
    return cosigners.together(dict.fromkeys([1, 2], ask))


def test_what_is_altered_while_it_is_signed_ends_it_without_a_signature(cosigners: Cosigners, held: HeldShare) -> None:
    counted = Altered(0)
    cosigners.rounds(opened(cosigners, held), counted)
    assert counted.seen >= 3
    for round_of in range(1, counted.seen + 1):
        with pytest.raises(Refusal) as failed:
            cosigners.rounds(opened(cosigners, held), Altered(round_of))
        assert failed.value.problem.kind == "Tampered", round_of
    assert cosigners.banned() == []


def test_a_text_is_signed_in_its_own_form(cosigners: Cosigners, held: HeldShare) -> None:
    signer = known(cosigners, unique(), "sign-text")
    who = asker(signer, "/wallets/sign", {"walletId": "trader", "message": "hello"})
    wanted = Intent(form="eip191", operation="sign-message", message=b"hello")
    cosign.Form.eip191(b"hello").verify(held.public_key, cosigners.sign(held, wanted, asker=who))


# ---- approvals -----------------------------------------------------------------------------------------

ANNA, BEN = Approver(), Approver()
WIRE = parse_action(ACTION, Numbers.CANONICAL).wire


@pytest.fixture(scope="module")
def approved(cosigners: Cosigners) -> HeldShare:
    """A wallet for whose orders each cosigner asks for an approval of Anna's or Ben's."""
    made = cosigners.generate("desk", "secp256k1", "testnet")
    policy = cosigners.file.parent / "people.json"
    rule = {"name": "people", "approvals": 1, "approvers": {"anna": ANNA.text, "ben": BEN.text}}
    policy.write_text(json.dumps({"format": 1, "allow": ["trade-only"], "rules": [rule]}))
    for index in cosigners.everyone:
        command(cosigners, index, "policy", "apply", str(policy), "--wallet", "desk")
    return made


def showing(*texts: str) -> Asker:
    """A coordinator that shows approvals with a request that came with a bearer key."""
    return msgspec.structs.replace(BEARER, approvals=list(texts))


def test_an_approval_permits_one_digest_of_the_group_whatever_the_quorum_and_over_a_kill(
    cosigners: Cosigners, approved: HeldShare
) -> None:
    wanted, text = intent(), ANNA.approve("desk", WIRE)
    assert refused(cosigners, approved, wanted) == "approval-required"
    cosigners.sign(approved, wanted, asker=showing(text))
    cosigners.sign(approved, wanted, asker=showing(text), signers=[2, 3])
    for index in (1, 2, 3):
        found = command(cosigners, index, "audit", "show", "--wallet", "desk", "--operation", "sign-action")
        line = [one["record"] for one in found["records"] if "session" in one["record"]][-1]
        assert [(one["name"], one["key"]) for one in line["approvals"]] == [("anna", ANNA.fingerprint.hex())]
    again = intent(nonce=wanted.nonce + 1)
    assert refused(cosigners, approved, again, showing(text)) == "approval-required"
    cosigners.restart(2, kill=True)
    ask = OpenSigning(share=approved.name, signers=[2, 3], intent=again, asker=showing(text))
    with pytest.raises(Refusal) as failed:
        cosigners.ask(2, ask)
    assert "of anna was used before" in failed.value.problem.message
    cosigners.sign(approved, wanted, asker=showing(text), signers=[1, 2])
    cosigners.sign(approved, again, asker=showing(BEN.approve("desk", WIRE)))


FALSE: dict[str, Callable[[], Asker]] = {
    "withheld": showing,
    "altered": lambda: showing(ANNA.approve("desk", WIRE)[:-1] + "x"),
    "of another order": lambda: showing(ANNA.approve("desk", {**WIRE, "grouping": "normalTpsl"})),
    "of another wallet": lambda: showing(ANNA.approve("trader", WIRE)),
    "of the other network": lambda: showing(ANNA.approve("desk", WIRE, network="mainnet")),
    "for a vault": lambda: showing(ANNA.approve("desk", WIRE, vault=bytes(20))),
    "of a stranger": lambda: showing(Approver().approve("desk", WIRE)),
    "ended": lambda: showing(ANNA.approve("desk", WIRE, time=now_ms() - 2_000, until=now_ms() - 1_000)),
    "for longer than an hour": lambda: showing(ANNA.approve("desk", WIRE, until=now_ms() + 3_700_000)),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_coordinator_gets_nothing_for_an_approval_that_is(
    cosigners: Cosigners, approved: HeldShare, what: str
) -> None:
    assert refused(cosigners, approved, intent(), FALSE[what]()) == "approval-required"
    assert cosigners.banned() == []


def test_too_many_approvals_are_not_looked_at(cosigners: Cosigners, approved: HeldShare) -> None:
    for texts in (["x"] * 21, ["x" * 301]):
        assert refused(cosigners, approved, intent(), showing(*texts)) == "malformed"


def test_of_two_signatures_under_way_with_one_approval_one_is_made(cosigners: Cosigners, approved: HeldShare) -> None:
    """Both were judged before either had used it up."""
    who = showing(ANNA.approve("desk", WIRE))
    now = now_ms()
    first, second = (
        cosigners.together(
            dict.fromkeys([1, 2], OpenSigning(share=approved.name, signers=[1, 2], intent=wanted, asker=who))
        )
        for wanted in (intent(nonce=now), intent(nonce=now + 1))
    )
    cosigners.rounds(first)
    with pytest.raises(Refusal) as failed:
        cosigners.rounds(second)
    assert failed.value.code == "approval-used"
    assert cosigners.banned() == []


def test_the_approvals_of_a_signed_request_are_those_of_its_body(
    cosigners: Cosigners, approved: HeldShare, bot: Signer
) -> None:
    """So a coordinator can withhold none of them from one cosigner, to use it with another once more."""
    text = ANNA.approve("desk", WIRE)
    bare = asker(bot, PATH, {"walletId": "desk", "action": ACTION})
    beside = msgspec.structs.replace(bare, approvals=[text])
    assert refused(cosigners, approved, intent(), beside) == "approval-required"
    cosigners.sign(
        approved, intent(), asker=asker(bot, PATH, {"walletId": "desk", "action": ACTION, "approvals": [text]})
    )
    again = asker(bot, PATH, {"walletId": "desk", "action": ACTION, "approvals": [text]})
    assert refused(cosigners, approved, intent(), again) == "approval-required"


def test_a_client_does_not_approve_what_it_asks_for(cosigners: Cosigners, approved: HeldShare) -> None:
    for index in cosigners.everyone:
        command(cosigners, index, "client", "create", "anna", "--public-key", ANNA.text, "--allow", "trade")
    anna = Signer(COORDINATOR, private=ANNA.private)
    for approver, code in ((ANNA, "approval-required"), (BEN, None)):
        body = {"walletId": "desk", "action": ACTION, "approvals": [approver.approve("desk", WIRE)]}
        if code is None:
            cosigners.sign(approved, intent(), asker=asker(anna, PATH, body))
        else:
            assert refused(cosigners, approved, intent(), asker(anna, PATH, body)) == code
