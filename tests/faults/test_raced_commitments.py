"""Races for one prepared commitment: of many that ask for a share with it at once, one gets one.

A commitment that is used for two messages gives the share of the key away. HYPERKMS_TEST_NONCE_RACES says how many
races (`make faults`: 100,000).
"""

import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.threshold.wire import HeldShare, ShareGiven, SignShare
from support.cosigners import BEARER, Cosigners, Line, message_intent
from support.record import records_in

RACES = int(os.environ.get("HYPERKMS_TEST_NONCE_RACES", "2000"))
AT_ONCE = 16
"""So many commitments are at hand at a time: no cosigner keeps more."""
RACERS = 3
SIGNERS = [1, 2]
LOST = {"commitment-used", "rate-limited"}
"""A cosigner writes down so many refusals a second, and is short with who asks for more."""

pytestmark = pytest.mark.timeout(300 + RACES / 10)
Commitments = list[bytes]
"""One of each signer."""


def test_of_all_who_race_for_a_commitment_one_gets_a_share_of_each_cosigner(tmp_path: Path) -> None:
    with Cosigners.running(tmp_path) as cosigners, ExitStack() as ends:
        held = cosigners.generate("w", "ed25519")
        lines = {
            (signer, racer): ends.enter_context(closing(Line(cosigners.processes[signer].socket)))
            for signer in SIGNERS
            for racer in range(RACERS)
        }
        pool = ends.enter_context(ThreadPoolExecutor(len(lines)))
        agreed, raced = 0, 0
        while raced < RACES:
            prepared = [cosigners.commitments(held, SIGNERS) for _ in range(min(AT_ONCE, RACES - raced))]
            asked = {
                (signer, racer): pool.submit(_race, line, held, prepared, f"{raced} {racer}")
                for (signer, racer), line in lines.items()
            }
            given = {who: each.result() for who, each in asked.items()}
            for number, commitments in enumerate(prepared):
                shares = _one_of_each(given, number)
                if len({racer for racer, _ in shares}) == 1:
                    message = f"{raced} {shares[0][0]} {number}".encode()
                    _verify(cosigners, held, commitments, [share for _, share in shares], message)
                    agreed += 1
            raced += len(prepared)
        assert agreed > 0, "in some races the same racer won everywhere, and a signature came of it"
    for signer in SIGNERS:
        found = [line["record"] for line in records_in(cosigners.processes[signer].data / "records")]
        sessions = [one["session"] for one in found if one.get("operation") == "sign-message" and "session" in one]
        assert len(sessions) == len(set(sessions)) == RACES, "one share left for each commitment, and is written down"


def _race(line: Line, held: HeldShare, prepared: Sequence[Commitments], words: str) -> dict[int, bytes]:
    """Ask for a share with every one of these, each for a message that no other racer asks for; which were given."""
    numbers = list(range(len(prepared)))
    random.shuffle(numbers)
    asked = {}
    for number in numbers:
        intent = message_intent(f"{words} {number}".encode())
        ask = SignShare(
            share=held.name, signers=SIGNERS, commitments=prepared[number], intent=intent, asker=BEARER, prepared=False
        )
        asked[line.send(ask)] = number
    given = {}
    for _ in numbers:
        answer = line.frame()
        if answer.problem is None:
            given[asked[answer.number]] = msgspec.msgpack.decode(answer.body, type=ShareGiven).share
        else:
            assert answer.problem.code in LOST, answer.problem
    return given


def _one_of_each(given: dict[tuple[int, int], dict[int, bytes]], number: int) -> list[tuple[int, bytes]]:
    """Which racer has a share of each signer, and the share; an assertion fails unless one has."""
    found = []
    for signer in SIGNERS:
        won = [(racer, given[signer, racer][number]) for racer in range(RACERS) if number in given[signer, racer]]
        assert len(won) == 1, f"cosigner {signer} gave {len(won)} shares with one commitment"
        found += won
    return found


def _verify(
    cosigners: Cosigners, held: HeldShare, commitments: Commitments, shares: list[bytes], message: bytes
) -> None:
    form, context = cosign.Form.ed25519(message), cosigners.context(held)
    signature = cosign.aggregate(cosigners.known, context, held.group_key, set(SIGNERS), commitments, form, shares)
    form.verify(held.public_key, signature)
