"""Cosigners that are stopped, killed or flooded: with any one away everything is signed, with two away nothing.

`make faults` stops for 10 s (HYPERKMS_TEST_STOP_S), signs 1,000 times under kills (HYPERKMS_TEST_MPC_SIGNATURES) and
sends 100,000 malformed frames (HYPERKMS_TEST_MALFORMED).
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from hyperkms.threshold import wire
from hyperkms.threshold.wire import (
    MOST_FRAME,
    Advance,
    Begin,
    Call,
    Commit,
    Drop,
    Hello,
    Keep,
    OpenCeremony,
    OpenSigning,
    Prepare,
    Retire,
    ShareName,
    Shares,
    SignShare,
    Status,
    Witness,
)
from support.cosigners import BEARER, WAIT_S, Line, message_intent
from support.mpc import cosigner_pids, generate, service_in_shares, sign, stopped, wait_for_all
from support.service import Service
from support.until import until

STOP_S = float(os.environ.get("HYPERKMS_TEST_STOP_S", "2"))
SIGNATURES = int(os.environ.get("HYPERKMS_TEST_MPC_SIGNATURES", "200"))
MALFORMED = int(os.environ.get("HYPERKMS_TEST_MALFORMED", "2000"))
KEY_TYPES = ("ed25519", "secp256k1")
MEMBERS = (1, 2, 3)
CALLERS = 4
DEADLINE_S = 5.0
"""Of a signature; what is above it here is the test's own way to the service."""
SLACK_S = 5.0
GROWTH_KIB = 20 * 1024

pytestmark = pytest.mark.timeout(240 + 16 * STOP_S + SIGNATURES + MALFORMED / 100)


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service_in_shares(tmp_path_factory.mktemp("lost")) as running:
        for key_type in KEY_TYPES:
            generate(running, key_type, keyType=key_type)
        yield running


@pytest.fixture
def service(_running: Service) -> Service:
    """With every cosigner answering, whatever the test before did."""
    wait_for_all(_running)
    return _running


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("member", MEMBERS)
def test_while_one_is_stopped_every_request_is_signed(service: Service, key_type: str, member: int) -> None:
    signed = 0
    with stopped(cosigner_pids(service)[member]):
        ends = time.monotonic() + STOP_S
        while time.monotonic() < ends or signed < CALLERS:
            with ThreadPoolExecutor(CALLERS) as pool:
                answers = list(pool.map(lambda number: sign(service, key_type, f"{number}"), range(CALLERS)))
            assert all(member not in answer["receipt"]["cosigned"]["signers"] for answer in answers)
            signed += len(answers)
    assert signed >= CALLERS


@pytest.mark.parametrize("away", [*combinations(MEMBERS, 2), MEMBERS])
def test_while_two_or_three_are_stopped_every_request_is_refused_in_time(
    service: Service, away: tuple[int, ...]
) -> None:
    pids = cosigner_pids(service)
    with stopped(*(pids[member] for member in away)):
        ends = time.monotonic() + STOP_S
        while True:
            for key_type in KEY_TYPES:
                _is_refused(service, key_type, away)
            if time.monotonic() > ends:
                break
    wait_for_all(service)
    for key_type in KEY_TYPES:
        sign(service, key_type)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("back", [1, 2])
def test_a_request_that_waits_for_two_is_signed_once_one_of_them_is_back(
    service: Service, key_type: str, back: int
) -> None:
    pids, away = cosigner_pids(service), 3 - back
    with stopped(pids[away]), stopped(pids[back]), ThreadPoolExecutor(1) as pool:
        _is_refused(service, key_type, (1, 2))
        asked = pool.submit(sign, service, key_type)
        os.kill(pids[back], signal.SIGCONT)
        signed = asked.result()
    assert signed["receipt"]["cosigned"]["signers"] == [back, 3]


def _is_refused(service: Service, key_type: str, away: tuple[int, ...]) -> None:
    began = time.monotonic()
    answer = service.post("/mpc/wallets/sign", {"walletId": key_type, "message": "hello"})
    assert (answer.status, answer.json["code"]) == (503, "insufficient-shares"), answer.body
    missing, names = answer.json["missing"], [f"cosigner-{member}" for member in away]
    assert missing == names or (away == MEMBERS and len(missing) > 1 and set(missing) < set(names)), missing
    assert time.monotonic() - began < DEADLINE_S + SLACK_S


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_while_one_after_another_is_killed_every_request_is_signed(service: Service, key_type: str) -> None:
    """A cosigner is killed at a random moment, and the next one only once all are back: never two away at once."""
    moments = random.Random(key_type)  # noqa: S311 (the same moments in every run)
    killed: list[int] = []
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(sign, service, key_type, f"message {number}") for number in range(SIGNATURES)]
        while not all(one.done() for one in asked):
            time.sleep(moments.uniform(0, 0.3))
            killed.append(_kill(service, moments.choice(MEMBERS)))
            wait_for_all(service)
        signed = [one.result() for one in asked]
    assert len(signed) == SIGNATURES
    assert len(killed) >= 1


def _kill(service: Service, member: int) -> int:
    """Kill it, and wait until it has been started again; its new process."""
    pid = cosigner_pids(service)[member]
    os.kill(pid, signal.SIGKILL)
    until(lambda: cosigner_pids(service)[member] != pid)
    return cosigner_pids(service)[member]


def test_malformed_frames_and_messages_do_a_cosigner_no_harm(service: Service, request: pytest.FixtureRequest) -> None:
    """Changed bytes in every call, cut and lengthened, and calls that are well formed and mean nothing."""
    pid = cosigner_pids(service)[1]
    socket = service.data / "cosigners" / "1" / "cosigner.sock"
    seeded = random.Random(11)  # noqa: S311 (the same bytes in every run)
    bodies = [msgspec.msgpack.encode(Call(number=1, ask=ask, deadline_ms=1_000)) for ask in _asks(seeded)]
    _flood(socket, bodies, seeded, MALFORMED // 10)  # what a cosigner keeps for use is allocated by then
    before, answered = _resident_kib(pid), _flood(socket, bodies, seeded, MALFORMED)
    assert answered == MALFORMED
    assert cosigner_pids(service)[1] == pid, "it was not started again"
    growth = _resident_kib(pid) - before
    request.node.user_properties.append((f"growth in KiB after {answered} malformed frames", growth))
    assert growth < GROWTH_KIB
    assert service.get("/mpc/status", headers={}).json["quorumLeft"] == 1
    for key_type in KEY_TYPES:
        sign(service, key_type)
    logged = (json.loads(line) for line in list(service.lines))
    assert [line for line in logged if line["event"] == "cosigner-log" and line["line"]["event"] == "failed"] == []


def _asks(seeded: random.Random) -> list[wire.Ask]:
    name = ShareName(wallet="ed25519", version=1, epoch=0)
    traded = ShareName(wallet="secp256k1", version=1, epoch=0)
    intent = message_intent(b"m")
    junk = [seeded.randbytes(length) for length in (1, 64, 230, 5_000)]
    opening = OpenCeremony(kind="keygen", share=name, key_type="ed25519", network="none", asker=BEARER)
    return [
        Status(),
        Hello(),
        Shares(wallet="ed25519"),
        opening,
        msgspec.structs.replace(opening, kind="refresh", share=traded, key_type="secp256k1", network="testnet"),
        OpenSigning(share=traded, signers=[1, 2], intent=intent, asker=BEARER),
        SignShare(share=name, signers=[1, 2], commitments=junk, intent=intent, asker=BEARER),
        Prepare(share=name, signers=[1, 2], count=1),
        Begin(session="0" * 32, openings=junk),
        Advance(session="0" * 32, messages=junk),
        Keep(session="0" * 32),
        Commit(share=name, acknowledgements=junk, tests=[wire.TestSignature(signers=[1, 2], signature=junk[1])]),
        Drop(share=ShareName(wallet="nobody", version=1, epoch=0)),
        Retire(wallet="nobody", version=1, asker=BEARER),
        Witness(log="0" * 32, size=1, head="{}"),
    ]


def _flood(socket: Path, bodies: list[bytes], seeded: random.Random, count: int) -> int:
    """Send so many, each answered with a problem or an answer, or by the end of the connection; how many were."""
    answered = 0
    line = _line(socket)
    for _ in range(count):
        raw = _frame(seeded, seeded.choice(bodies))
        try:
            line.socket.sendall(raw)
            answer = line.frame()
        except (ConnectionError, TimeoutError):
            ended = True
        else:
            ended = answer.number == 0
        answered += 1
        if ended:
            line.close()
            line = _line(socket)
    line.close()
    return answered


def _line(socket: Path) -> Line:
    """A greeted connection; those that were closed have to be noticed first, since a cosigner has eight at most."""
    ends = time.monotonic() + WAIT_S
    while True:
        try:
            return Line(socket)
        except ConnectionError:
            assert time.monotonic() < ends, "the cosigner takes no connection any more"
            time.sleep(0.01)


def _frame(seeded: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    kind = seeded.randrange(8)
    if kind == 0:
        changed = bytearray(seeded.randbytes(seeded.randint(1, 300)))
    elif kind == 1:
        del changed[seeded.randrange(1, len(changed)) :]
    elif kind == 2:
        changed += seeded.randbytes(seeded.randint(1, 64))
    elif kind == 3:
        return seeded.choice((0, MOST_FRAME + 1, 2**32 - 1)).to_bytes(4, "big") + changed
    elif kind < 7:
        for _ in range(seeded.randint(1, 4)):
            changed[seeded.randrange(len(changed))] = seeded.randrange(256)
    return len(changed).to_bytes(4, "big") + changed


def _resident_kib(pid: int) -> int:
    [found] = [line for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines() if line.startswith("VmRSS")]
    return int(found.split()[1])
