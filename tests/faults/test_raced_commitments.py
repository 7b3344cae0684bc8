"""Races for one prepared commitment: of many that ask for a share with it at once, one gets one; of two machines none.

A commitment that is used for two messages gives the share of the key away. A machine that goes on from a snapshot lets
go of all of them, since another may go on from the same. HYPERKMS_TEST_NONCE_RACES says how many
races (`make faults`: 100,000).
"""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.cli.assemble_cosigner import assembled, continuity_of
from hyperkms.config import load
from hyperkms.state.vm_generation import Heard, VmGeneration
from hyperkms.threshold.cosigner.continuity import ClockSet
from hyperkms.threshold.cosigner.desk import answer
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.wire import (
    Ask,
    Begin,
    HeldShare,
    OpenCeremony,
    Opened,
    Prepare,
    Prepared,
    Problem,
    ShareGiven,
    ShareName,
    SignShare,
)
from support.cosigners import BEARER, Cosigners, Line, message_intent
from support.record import records_in
from support.service import command, environment

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


@pytest.fixture(scope="module")
def cosigners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosigners]:
    with Cosigners.running(tmp_path_factory.mktemp("raced")) as running:
        yield running


def test_of_all_who_race_for_a_commitment_one_gets_a_share_of_each_cosigner(cosigners: Cosigners) -> None:
    with ExitStack() as ends:
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


# ---- a machine that goes on from a snapshot -----------------------------------------------------

KERNEL, SOMEBODY = 0, 4711
NEW = b"change@/devices/platform/VMGENCTR:00\0ACTION=change\0SUBSYSTEM=platform\0NEW_VMGENID=1\0SEQNUM=1437\0"


@dataclass
class Machine:
    """What a kernel says, byte for byte, and its clocks."""

    said: list[Heard] = field(default_factory=list)
    wall_ms: int = 1_800_000_000_000

    def receive(self) -> Heard:
        if not self.said:
            raise BlockingIOError
        return self.said.pop(0)

    def nothing(self) -> None:
        """It goes on as it was."""

    def somebody_says(self) -> None:
        self.said.append(Heard(NEW, 0, SOMEBODY))

    def the_kernel_says(self) -> None:
        self.said.append(Heard(NEW, 0, KERNEL))

    def is_set(self) -> None:
        self.wall_ms += 3_600_000


@contextmanager
def here(cosigners: Cosigners, index: int, machine: Machine) -> Iterator[Cosigner]:
    """A cosigner as its process puts it together, in this one and on that machine."""
    process = cosigners.processes[index]
    cosigners.hang_up(index)
    process.stop()
    config = load(environment(**process.settings), {"data": process.data})
    with assembled(config, cosigners.file) as (made, _):
        signs = [VmGeneration(machine.receive).changed, ClockSet(lambda: machine.wall_ms, lambda: 1_000.0).changed]
        yield replace(made, continuity=continuity_of(made.holding, made.sessions, signs))
    process.start("--group", str(cosigners.file))


def test_what_was_prepared_and_is_under_way_ends_where_a_machine_goes_on_from_a_snapshot(cosigners: Cosigners) -> None:
    held, machine = cosigners.generate("v", "ed25519"), Machine()
    with here(cosigners, 1, machine) as cosigner:
        for happens, is_kept in (
            (machine.nothing, True),
            (machine.somebody_says, True),
            (machine.the_kernel_says, False),
            (machine.is_set, False),
            (machine.nothing, True),
        ):
            name = happens.__name__
            commitments = prepared_here(cosigners, cosigner, held)
            session = begun_here(cosigner)
            happens()
            intent = message_intent(name.encode())
            ask = SignShare(share=held.name, signers=SIGNERS, commitments=commitments, intent=intent, asker=BEARER)
            begin = Begin(session=session, openings=[])
            assert code_of(cosigner, ask) == (None if is_kept else "commitment-used"), name
            assert (code_of(cosigner, begin) == "session-unknown") is not is_kept, name
            commitments = prepared_here(cosigners, cosigner, held)
            assert code_of(cosigner, msgspec.structs.replace(ask, commitments=commitments)) is None, (
                "what is new is used"
            )


def prepared_here(cosigners: Cosigners, cosigner: Cosigner, held: HeldShare) -> Commitments:
    ask = Prepare(share=held.name, signers=SIGNERS, count=1)
    made = answer(cosigner, ask)
    assert isinstance(made, Prepared)
    return [*made.commitments, *cosigners.ask(2, ask).commitments]


def begun_here(cosigner: Cosigner) -> str:
    """The key generation of a wallet that comes to nothing."""
    share = ShareName(wallet="u", version=1, epoch=0)
    made = answer(cosigner, OpenCeremony(kind="keygen", share=share, key_type="ed25519", network="none", asker=BEARER))
    assert isinstance(made, Opened)
    return made.session


def code_of(cosigner: Cosigner, ask: Ask) -> str | None:
    """That of the refusal, if it is one."""
    given = answer(cosigner, ask)
    return given.code if isinstance(given, Problem) else None


def test_one_that_cannot_hear_the_kernel_says_so_and_signs(cosigners: Cosigners) -> None:
    """As in a sandbox that has no such sockets: the first of each thread is refused, and all of the doctor's."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    refusing = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=socket", "-e")
    process, held = cosigners.processes[1], cosigners.generate("t", "ed25519")
    cosigners.hang_up(1)
    process.stop()
    process.within = (*refusing, "inject=socket:error=EAFNOSUPPORT:when=1")
    process.lines.clear()
    process.start("--group", str(cosigners.file))
    [listening] = [line for line in process.lines if line["event"] == "listening"]
    assert listening["vm_generation"] == "unheard"
    [told] = [line for line in process.lines if line["event"] == "vm-generation-unheard"]
    assert "Address family not supported" in told["words"]
    cosigners.sign(held, message_intent(b"m"), signers=SIGNERS)
    doctor = [*refusing, "inject=socket:error=EAFNOSUPPORT", *command("doctor", "--json", "--data", str(process.data))]
    done = subprocess.run(
        doctor, env=environment(**process.settings), cwd=process.data, capture_output=True, check=False
    )
    [found] = [one for one in json.loads(done.stdout) if one["what"] == "vm generation"]
    assert found["verdict"] == "note"
    assert "Address family not supported" in found["words"]
    assert "AF_NETLINK" in found["do"]
