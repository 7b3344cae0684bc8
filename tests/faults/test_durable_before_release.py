"""What the kernel saw: a signature's record is on the disk before the answer is on the socket."""

import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hyperkms.audit.segments import MANIFEST
from hyperkms.cli.layout import DATABASE, RECORDS
from hyperkms.hyperliquid.nonces import CEILING_AHEAD_MS
from support.keep_alive import Line, line_to
from support.keyed import NOOP
from support.service import Service
from support.traced import SYNCS, Call, calls, traced

ROUND = 120
SIGNATURES = int(os.environ.get("HYPERKMS_TEST_SIGNATURES", str(ROUND)))
"""At least so many on each disk at each number of connections; 2,500 outside CI."""
WARM = 40
BATCH = 4
PATIENCE = 8
"""Rounds more until the thread in question has written: a busy machine makes a quick disk look slow."""
PLAUSIBLE_MS = 600_000
"""What follows an address elsewhere in the database is no number so near to its nonces."""
SLOW = ("-e", "inject=fsync:delay_exit=6000")
"""Six milliseconds an fsync, so that the writing thread is asked whatever the disk is."""
_RECEIPT = re.compile(rb'"receipt":\{"log":"([0-9a-f]{32})","index":(\d+)')
_REQUEST_ID = re.compile(rb"x-request-id: ([0-9a-f]{16})")
_SIGNER = re.compile(rb"(0x[0-9a-f]{40})(.{6})", re.DOTALL)
"""An address and its ceiling in a page of the table `signers`: 6 bytes, big-endian (SQLite's serial type 5)."""


@dataclass(frozen=True, order=True)
class Place:
    """What a receipt names."""

    log: str
    index: int


class Ceiling(NamedTuple):
    """A nonce ceiling that a commit made durable."""

    address: str
    nonce: int
    durable: int
    """When: comparable with the begin of a call."""


@contextmanager
def quick_disk() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
    if not os.access(memory, os.W_OK):
        pytest.skip("there is no tmpfs at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(params=["in-the-event-loop", "in-the-writing-thread"])
def written(request: pytest.FixtureRequest) -> str:
    """Which thread writes the record."""
    return str(request.param)


@pytest.fixture
def service(written: str, tmp_path: Path) -> Iterator[Service]:
    with quick_disk() if written == "in-the-event-loop" else nullcontext(tmp_path) as folder:
        with Service.start(folder / "data"):
            pass  # the first start has lines of its own: here the log begins with what a test asks for
        with Service.start(folder / "data") as running:
            yield running


@pytest.mark.timeout(240 + SIGNATURES)
@pytest.mark.parametrize("connections", [1, 16])
def test_the_fsync_of_a_record_and_of_its_nonces_ceiling_precedes_the_answer(
    service: Service, written: str, connections: int, tmp_path: Path
) -> None:
    service.generate("bytes")
    seen_at_work, rounds = False, -(-SIGNATURES // ROUND)
    for number in range(rounds + PATIENCE):
        bot, output = f"bot-{number}", tmp_path / "calls"
        address = service.generate(bot, keyType="secp256k1")["address"]
        warm_up(service)
        with traced(service, output, *(SLOW if written == "in-the-writing-thread" else ())):
            told = sign(service, bot, connections)
        seen = calls(output)
        assert released(seen) == sorted(told)
        assert_recorded_first(seen, service.data)
        assert_ceiling_first(seen, service.data, bot, address)
        records, answers = threads_that_write(seen, service.data)
        seen_at_work |= bool(records & answers if written == "in-the-event-loop" else records - answers)
        if number + 1 >= rounds and seen_at_work:
            return
    pytest.skip(f"all was in order, but no record was written {written}: this machine is too busy for it now")


def test_a_log_is_listed_before_its_first_line_and_a_refusal_on_the_disk_before_it_is_told(
    service: Service, tmp_path: Path
) -> None:
    output = tmp_path / "calls"
    with traced(service, output):
        told = refuse(service)
    seen = calls(output)
    lines = {line["record"].get("requestId"): call for call, line in record_lines(seen, service.data)}
    answers = {found[1].decode(): call for call in seen if (found := _REQUEST_ID.search(call.data)) and is_answer(call)}
    assert set(told) <= set(lines) & set(answers)
    for request in told:
        assert is_synced_between(seen, lines[request], answers[request])
    (listed,) = (call for call in seen if b'"event":"open"' in call.data)
    first = min(lines.values(), key=lambda call: call.begun)
    assert is_synced_between(seen, listed, first)


def refuse(service: Service) -> Sequence[str]:
    """The ids of requests that were refused, all kinds of them."""
    told = []
    body = {"walletId": "nobodys", "message": "m"}
    with line_to(service) as line:
        for _ in range(WARM // 2):
            for path, sent in (("/wallets/sign", body), ("/wallets/sign-batch", {"requests": [body] * BATCH})):
                for headers in ({}, {"Idempotency_Key": secrets.token_hex(8)}):
                    answer = line.post(path, sent, **headers)
                    assert b"wallet-not-found" in answer.body
                    told.append(answer.headers["x-request-id"])
    return told


def is_answer(call: Call) -> bool:
    return call.place.startswith("TCP")


def is_synced_between(seen: Sequence[Call], written: Call, then: Call) -> bool:
    """An fsync of the file that was written began after it had ended, and ended before the other call began."""
    return any(
        call.name in SYNCS
        and (call.result, call.place) == (0, written.place)
        and written.ended < call.begun
        and call.ended < then.begun
        for call in seen
    )


# ---- what the bots do ---------------------------------------------------------------------------------------


def warm_up(service: Service) -> None:
    """Enough signatures that a quick disk is known to be one."""
    with line_to(service) as line:
        for _ in range(WARM):
            assert line.post("/wallets/sign", {"walletId": "bytes", "message": "m"}).status == 200


def sign(service: Service, bot: str, connections: int) -> Sequence[Place]:
    """What every connection was told, all kinds of requests on each."""
    with ThreadPoolExecutor(connections) as pool:
        share = -(-ROUND // connections)
        told = [
            place
            for places in pool.map(lambda _: sign_some(service, bot, share), range(connections))
            for place in places
        ]
    with line_to(service) as line:
        return [*told, *sign_past_a_ceiling(line, bot)]


def sign_some(service: Service, bot: str, wanted: int) -> Sequence[Place]:
    told: list[Place] = []
    message, action = {"walletId": "bytes", "message": "m"}, {"walletId": bot, "action": NOOP}
    kinds: Sequence[tuple[str, dict[str, Any]]] = [
        ("/wallets/sign", message),
        ("/hyperliquid/sign", action),
        ("/hyperliquid/sign-batch", {"requests": [action] * BATCH}),
    ]
    with line_to(service) as line:
        while len(told) < wanted:
            for path, body in kinds:
                told += places(line.post(path, body).json)
                told += places(line.post(path, body, Idempotency_Key=secrets.token_hex(8)).json)
    return told


def sign_past_a_ceiling(line: Line, bot: str) -> Sequence[Place]:
    """Until a ceiling that stood at the beginning must have been raised."""
    told: list[Place] = []
    first = last = 0
    while last <= first + CEILING_AHEAD_MS:
        answer = line.post("/hyperliquid/sign", {"walletId": bot, "action": NOOP}).json
        last = answer["nonce"]
        first = first or last
        told += places(answer)
    return told


def places(answer: Mapping[str, Any]) -> Sequence[Place]:
    assert answer["success"], answer
    return [Place(each["receipt"]["log"], each["receipt"]["index"]) for each in answer.get("results", [answer])]


# ---- what the kernel saw ------------------------------------------------------------------------------------


def released(seen: Sequence[Call]) -> Sequence[Place]:
    return sorted(place for call in seen for place in receipts(call))


def receipts(call: Call) -> Sequence[Place]:
    """Those in an answer; nothing in what goes elsewhere than to a client."""
    if not call.place.startswith("TCP"):
        return []
    return [Place(log.decode(), int(index)) for log, index in _RECEIPT.findall(call.data)]


def record_lines(seen: Sequence[Call], data: Path) -> Iterator[tuple[Call, Any]]:
    """Every line of the record, with the call that wrote it, whole."""
    for call in seen:
        if call.name not in SYNCS and call.place.startswith(f"{data / RECORDS}/"):
            assert call.result == len(call.data)
            if not call.place.endswith(f"/{MANIFEST}"):
                yield from ((call, json.loads(line)) for line in call.data.splitlines())


def assert_recorded_first(seen: Sequence[Call], data: Path) -> None:
    """write of the line, fsync of that file, write of the answer: each ended before the next began."""
    lines = {Place(line["log"], line["index"]): call for call, line in record_lines(seen, data)}
    syncs = [call for call in seen if call.name in SYNCS and call.result == 0]
    for answer in seen:
        for place in receipts(answer):
            line = lines[place]
            between = (sync for sync in syncs if line.ended < sync.begun and sync.ended < answer.begun)
            assert any(sync.place == line.place for sync in between), f"{place} was released before it was durable"


def assert_ceiling_first(seen: Sequence[Call], data: Path, bot: str, address: str) -> None:
    """No nonce is written down, let alone released, before a ceiling at or above it is committed."""
    ceilings = [ceiling for ceiling in durable_ceilings(seen, data) if ceiling.address == address]
    assert len({ceiling.nonce for ceiling in ceilings}) > 1
    numbered = [
        (call, line["record"]["signed"]["nonce"])
        for call, line in record_lines(seen, data)
        if line["record"].get("wallet") == bot
    ]
    assert len(numbered) > ROUND // 2
    for call, nonce in numbered:
        above = range(nonce, nonce + PLAUSIBLE_MS)
        assert any(ceiling.nonce in above and ceiling.durable < call.begun for ceiling in ceilings), nonce


def durable_ceilings(seen: Sequence[Call], data: Path) -> Iterator[Ceiling]:
    """A commit ends with the fsync of the folder from which the journal was unlinked."""
    written: dict[int, list[tuple[str, int]]] = {}
    unlinked = set()
    for call in seen:
        if call.place == str(data / DATABASE) and call.name == "pwrite64":
            found = ((at.decode(), int.from_bytes(number)) for at, number in _SIGNER.findall(call.data))
            written.setdefault(call.thread, []).extend(found)
        elif call.name == "unlink" and call.data.decode() == f"{data / DATABASE}-journal" and call.result == 0:
            unlinked.add(call.thread)
        elif call.name in SYNCS and call.place == str(data) and call.thread in unlinked and call.result == 0:
            unlinked.remove(call.thread)
            yield from (Ceiling(at, number, call.ended) for at, number in written.pop(call.thread, []))


def threads_that_write(seen: Sequence[Call], data: Path) -> tuple[set[int], set[int]]:
    """The record, and the answers."""
    return {call.thread for call, _ in record_lines(seen, data)}, {call.thread for call in seen if receipts(call)}
