"""A wallet is retired with a last grace: no cosigner signs from then on, and each destroys its shares after it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperkms.threshold.group import read_group
from hyperkms.threshold.wire import HeldShare, Retire, RetireWallet, Said, ShareName, Shares, SignShare, Word
from support.asking_cosigners import asker, command, known
from support.cosigners import BEARER, Cosigners, Process, Refusal, message_intent
from support.mpc import cosigner_pids, generate, service_in_shares, stopped
from support.service import Service
from support.until import until

ENDED = "/mpc/wallets/w/retire"


def refusal(group: Cosigners, index: int, ask: Any) -> str:
    """The code with which this cosigner refuses."""
    with pytest.raises(Refusal) as refused:
        group.ask(index, ask)
    return refused.value.code


def refused_share(group: Cosigners, index: int, held: HeldShare, who: Any = BEARER) -> str:
    """The code with which this cosigner gives no share of a signature."""
    signers = sorted({index, index % len(group.everyone) + 1})
    commitments = group.commitments(held, signers)
    intent = message_intent(b"m")
    sign = SignShare(share=held.name, signers=signers, commitments=commitments, intent=intent, asker=who)
    return refusal(group, index, sign)


def states(group: Cosigners, index: int, wallet: str = "w") -> list[tuple[int, str]]:
    return [(one.name.version, one.state) for one in group.ask(index, Shares(wallet=wallet)).shares]


def words_of(group: Cosigners, ask: Any) -> list[Word]:
    """What the first two say of it under their identity keys."""
    said: dict[int, Said] = {index: group.ask(index, ask) for index in (1, 2)}
    return [Word(member=index, statement=one.statement) for index, one in said.items()]


def test_in_production_it_takes_the_clients_request_or_the_words_of_the_others(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production") as group:
        owner = known(group, "owner", "generate", "rotate", "retire", "sign-bytes")
        held = group.generate("w", "ed25519", asker=asker(owner, "/mpc/wallets/generate", {"walletId": "w"}))
        group.generate("w", "ed25519", version=2, asker=asker(owner, "/wallets/rotate", {"walletId": "w"}))
        one = asker(owner, "/mpc/wallets/sign", {"walletId": "w", "message": "m"})
        for who, code in (
            (BEARER, "evidence-required"),
            (asker(owner, ENDED, {"version": 2}), "intent-differs"),
            (asker(owner, "/mpc/wallets/v/retire", {}), "intent-differs"),
            (one, "intent-differs"),
        ):
            assert refusal(group, 1, RetireWallet(wallet="w", asker=who)) == code
        group.sign(held, message_intent(b"m"), asker=one)

        words = words_of(group, RetireWallet(wallet="w", asker=asker(owner, ENDED, {"reason": "over"})))
        forged = [words[0], Word(member=2, statement=words[0].statement)]
        shown = RetireWallet(wallet="w", asker=BEARER)
        for few, code in (([], "evidence-required"), (words[:1], "evidence-required"), (forged, "signature-wrong")):
            assert refusal(group, 3, msgspec.structs.replace(shown, retired=few)) == code
        group.ask(3, msgspec.structs.replace(shown, retired=words))
        for index in group.everyone:
            assert refused_share(group, index, held, one) == "wallet-retired"
            assert states(group, index) == [(1, "in-force"), (2, "retired")], "what waited never signed, and is gone"
            assert refusal(group, index, Retire(wallet="w", version=1, asker=BEARER)) == "evidence-required"
            group.ask(index, shown)  # once more, and it is as it was
        at_once = asker(owner, ENDED, {"destroy": True})
        group.ask(1, Retire(wallet="w", version=1, asker=at_once))
        assert states(group, 1) == [(1, "retired"), (2, "retired")]


def test_after_its_grace_each_destroys_what_it_has_and_nobody_need_ask(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production", HYPERKMS_GRACE_DAYS="0.00002") as group:
        owner = known(group, "owner", "generate", "retire")
        group.generate("w", "ed25519", asker=asker(owner, "/mpc/wallets/generate", {"walletId": "w"}))
        sealed = [group.sealed(index, ShareName(wallet="w", version=1, epoch=0)) for index in group.everyone]
        words_of(group, RetireWallet(wallet="w", asker=asker(owner, ENDED, {})))
        until(lambda: [states(group, index) for index in (1, 2)] == [[(1, "retired")]] * 2)
        for index in (1, 2):
            files = [path for path in group.processes[index].data.rglob("*") if path.is_file()]
            assert not any(sealed[index - 1] in path.read_bytes() for path in files)
            lines = command(group, index, "audit", "show", "--wallet", "w")["records"]
            operations = [line["record"].get("operation") for line in lines]
            assert operations[-2:] == ["retire-wallet", "retire-share"]
        assert states(group, 3) == [(1, "in-force")], "it was away"
        ended = Retire(wallet="w", version=1, asker=BEARER)
        group.ask(3, msgspec.structs.replace(ended, retired=words_of(group, ended)))
        assert states(group, 3) == [(1, "retired")]


def of_service(service: Service) -> Cosigners:
    """The cosigners that a service has started, asked behind its back."""
    folder = service.data / "cosigners"
    group = read_group(folder / "group.json")
    processes = {member.index: Process(folder / str(member.index), {}) for member in group.members}
    return Cosigners(group, processes, folder / "group.json")


def test_the_cosigners_are_told_at_once_and_one_that_was_away_when_it_is_asked_again(tmp_path: Path) -> None:
    with service_in_shares(tmp_path) as service:
        generate(service, "w")
        group = of_service(service)
        held = group.held(1, "w")
        with stopped(cosigner_pids(service)[3]):
            answer = service.post(ENDED, {"reason": "over"})
            assert (answer.status, answer.json["wallet"]["retiredReason"]) == (200, "over"), answer.body
            assert "cosigner-3" in answer.json["note"]
            assert "cosigner-1" not in answer.json["note"]
            assert refused_share(group, 1, held) == "wallet-retired"
        again = service.post(ENDED, {})
        assert again.status == 200, again.body
        assert "note" not in again.json
        assert refused_share(group, 3, held) == "wallet-retired"
        assert states(group, 3) == [(1, "in-force")]
        group.hang_up()


def test_after_the_grace_the_service_knows_that_the_shares_are_destroyed(tmp_path: Path) -> None:
    with service_in_shares(tmp_path, HYPERKMS_GRACE_DAYS="0.00002") as service:
        generate(service, "w")
        answer = service.post("/wallets/w/retire", {})
        assert answer.status == 200, answer.body
        until(lambda: "destroyedAt" in service.get("/wallets/w/versions").json["versions"][0])
        group = of_service(service)
        assert [states(group, index) for index in group.everyone] == [[(1, "retired")]] * 3
        group.hang_up()
