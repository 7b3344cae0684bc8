"""Whatever comes over a connection: a problem or a closed connection, and the cosigner goes on."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperkms.threshold.cosigner.serving import MOST_CONNECTIONS
from hyperkms.threshold.wire import (
    MOST_FRAME,
    PROTOCOL,
    Advance,
    Begin,
    Call,
    Hello,
    OpenCeremony,
    OpenSigning,
    Prepare,
    ShareName,
    SignShare,
    Status,
    Witness,
)
from support.cosigners import BEARER, Cosigners, Line, Refusal, message_intent

FUZZED = 3_000
_encode = msgspec.msgpack.encode


@pytest.fixture
def line(cosigners: Cosigners) -> Iterator[Line]:
    made = Line(cosigners.processes[1].socket)
    yield made
    made.close()


def raw(cosigners: Cosigners) -> Line:
    return Line(cosigners.processes[1].socket, greet=False)


def call(ask: Any, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(Call(number=1, ask=ask, deadline_ms=1_000), builtin_types=(bytes,))
    return {**made, **changes}


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\xc1",
    "a text": _encode("hello"),
    "an array": _encode([1, 2, 3]),
    "deep nesting": b"\x91" * 100_000 + b"\x90",
    "a map with a huge count": b"\xdf\xff\xff\xff\xff",
    "an unknown ask": _encode(call(Status()) | {"ask": {"type": "shutdown"}}),
    "an ask without its tag": _encode(call(Status()) | {"ask": {}}),
    "a member too many": _encode(call(Status(), more=1)),
    "a member of another type": _encode(call(Status(), number="1")),
    "no deadline": _encode(call(Status(), deadline_ms=0)),
    "a deadline of years": _encode(call(Status(), deadline_ms=2**62)),
    "a text that is no UTF-8": _encode(call(Status())).replace(b"status", b"stat\xff\xff"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_call_closes_the_connection_with_a_problem(line: Line, cosigners: Cosigners, what: str) -> None:
    line.send_raw(HOSTILE[what])
    answer = line.frame()
    assert answer.problem is not None
    assert (answer.number, answer.problem.code) == (0, "malformed-frame")
    assert line.is_closed()
    assert cosigners.ask(1, Status()).index == 1


@pytest.mark.parametrize("length", [0, MOST_FRAME + 1, 2**32 - 1])
def test_a_frame_of_a_length_that_none_has_is_not_waited_for(line: Line, length: int) -> None:
    line.socket.sendall(length.to_bytes(4, "big") + b"x")
    with pytest.raises(Refusal) as refused:
        line.answer(Status)
    assert refused.value.code == "malformed-frame"
    assert line.is_closed()


def test_the_largest_frame_is_read(line: Line) -> None:
    room = MOST_FRAME - 200
    with pytest.raises(Refusal) as refused:
        line.ask(Advance(session="none", messages=[bytes(room)]))
    assert refused.value.code == "session-unknown"


def test_nothing_is_answered_before_the_greeting(cosigners: Cosigners) -> None:
    line = raw(cosigners)
    line.send(Status())
    with pytest.raises(Refusal) as refused:
        line.answer(Status)
    assert refused.value.code == "malformed-frame"
    assert line.is_closed()
    line.close()


def test_another_protocol_is_told_so(cosigners: Cosigners) -> None:
    line = raw(cosigners)
    with pytest.raises(Refusal) as refused:
        line.ask(Hello(protocol=PROTOCOL + 1))
    assert refused.value.code == "malformed"
    assert line.is_closed()
    line.close()


def test_more_connections_than_a_coordinator_needs_are_closed(cosigners: Cosigners) -> None:
    cosigners.hang_up()
    with ExitStack() as ends:
        for _ in range(MOST_CONNECTIONS):
            ends.callback(Line(cosigners.processes[1].socket).close)
        with pytest.raises(ConnectionError):
            Line(cosigners.processes[1].socket)
    assert cosigners.ask(1, Status()).index == 1


def test_many_calls_at_once_are_all_answered(line: Line) -> None:
    sent = {line.send(Status()) for _ in range(500)}
    assert {line.frame().number for _ in range(500)} == sent


def test_a_peer_that_goes_away_in_the_middle_of_a_frame_leaves_nothing(cosigners: Cosigners) -> None:
    for _ in range(50):
        line = Line(cosigners.processes[1].socket)
        line.socket.sendall((1_000_000).to_bytes(4, "big") + b"half")
        line.close()
    assert cosigners.ask(1, Status()).index == 1


def asks(cosigners: Cosigners) -> list[Any]:
    name = ShareName(wallet="fuzzed", version=1, epoch=0)
    intent = message_intent(b"m")
    return [
        Status(),
        OpenCeremony(kind="keygen", share=name, key_type="ed25519", network="none", asker=BEARER),
        OpenSigning(share=name, signers=[1, 2], intent=intent, asker=BEARER),
        SignShare(share=name, signers=[1, 2], commitments=[b"x" * 200], intent=intent, asker=BEARER),
        Prepare(share=name, signers=[1, 2], count=1),
        Begin(session="0" * 32, openings=[b"y" * 200] * 2),
        Witness(log="0" * 32, size=1, head="{}"),
        OpenCeremony(
            kind="repair-target",
            share=name,
            key_type="ed25519",
            network="none",
            asker=BEARER,
            helpers=[2, 3],
            target=1,
            group_key=cosigners.held(1, "sound").group_key,
        ),
    ]


def test_changed_bytes_in_any_call_do_no_harm(cosigners: Cosigners) -> None:
    held = cosigners.generate("sound", "ed25519")
    bodies = [_encode(Call(number=1, ask=ask, deadline_ms=1_000)) for ask in asks(cosigners)]
    seeded = random.Random(7)  # noqa: S311 (the same bytes in every run)
    before = _resident(cosigners)
    line = Line(cosigners.processes[1].socket)
    for _ in range(FUZZED):
        body = bytearray(seeded.choice(bodies))
        for _ in range(seeded.randint(1, 4)):
            body[seeded.randrange(len(body))] = seeded.randrange(256)
        line.send_raw(bytes(body))
        answer = line.frame()
        if answer.problem is not None and answer.problem.code == "malformed-frame":
            line.close()
            line = Line(cosigners.processes[1].socket)
        assert answer.problem is None or answer.problem.code != "internal-error", bytes(body)
    line.close()
    assert _resident(cosigners) - before < 64 * 1024
    assert cosigners.banned() == []
    cosigners.sign(held, message_intent(b"still sound"))


def _resident(cosigners: Cosigners) -> int:
    """KiB."""
    process = cosigners.processes[1].process
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    [found] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(found.split()[1])


def test_sessions_and_written_refusals_are_bounded(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Cosigners.running(tmp_path_factory.mktemp("full"), threshold=2, members=2) as group:
        held = group.generate("w", "ed25519")
        codes = []
        for number in range(70):
            name = ShareName(wallet=f"new-{number}", version=1, epoch=0)
            ask = OpenCeremony(kind="keygen", share=name, key_type="ed25519", network="none", asker=BEARER)
            try:
                group.ask(1, ask)
            except Refusal as refused:
                codes.append(refused.code)
        assert codes == ["cosigner-busy"] * 6
        group.sign(held, message_intent(b"signing with prepared commitments needs no session"))
        wrong = SignShare(share=held.name, signers=[1], commitments=[], intent=message_intent(b"m"), asker=BEARER)
        answers = set()
        for _ in range(400):
            with pytest.raises(Refusal) as failed:
                group.ask(1, wrong)
            answers.add(failed.value.code)
        assert answers == {"malformed", "rate-limited"}
