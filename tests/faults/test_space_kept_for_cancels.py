"""A full disk, with space that was allocated ahead: what takes risk away is signed and written down, nothing else."""

import http.client
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hyperkms.cli.layout import RECORDS
from hyperkms.hyperliquid.nonces import CEILING_AHEAD_MS
from support.keep_alive import Line, line_to
from support.record import entries_in, files_in, records_in
from support.service import START_S, Answer, Service, command, environment
from support.traced import strace

DISK_MIB = 32
FILE_SYSTEMS = ["tmpfs", "ext4"] if "HYPERKMS_TEST_SIGNATURES" in os.environ else ["tmpfs"]
"""The long form (`make faults`) has both."""
SETTINGS = {"HYPERKMS_AUDIT_EMERGENCY_MB": "1"}
PIECES = 8
NOOP: Mapping[str, Any] = {"type": "noop"}
CANCEL: Mapping[str, Any] = {"type": "cancel", "cancels": [{"a": 0, "o": 91490942}]}
BY_CLOID: Mapping[str, Any] = {
    "type": "cancelByCloid",
    "cancels": [{"asset": 0, "cloid": "0x00000000000000000000000000000001"}],
}
STILL_SIGNED: Sequence[Mapping[str, Any]] = [CANCEL, BY_CLOID, NOOP, {"type": "scheduleCancel", "time": 4102444800000}]
REDUCE_ONLY = {"a": 0, "b": True, "p": "100", "s": "1", "r": True, "t": {"limit": {"tif": "Gtc"}}}
ORDER: Mapping[str, Any] = {"type": "order", "orders": [REDUCE_ONLY], "grouping": "na"}
NOT_SIGNED: Sequence[Mapping[str, Any]] = [
    ORDER,
    {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
    {"type": "scheduleCancel"},
    {"type": "usdSend", "destination": "0x" + "11" * 20, "amount": "1"},
]
"""The last one is refused by policy; the refusal has no line, so it is not told."""


@pytest.fixture(params=FILE_SYSTEMS)
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data directory that is a file system of its own; only the superuser may mount one."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    mounts = {"tmpfs": _tmpfs, "ext4": _ext4}
    if os.geteuid() != 0 or not all(_succeeds(words) for words in mounts[request.param](tmp_path, data)):
        pytest.skip("only a superuser who may mount has a small disk to fill")
    try:
        data.chmod(0o700)
        yield data
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def _tmpfs(_folder: Path, data: Path) -> Sequence[Sequence[str]]:
    return [["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(data)]]


def _ext4(folder: Path, data: Path) -> Sequence[Sequence[str]]:
    """Without blocks that only the superuser may take."""
    image = str(folder / "disk")
    return [
        ["truncate", "-s", f"{DISK_MIB}M", image],
        ["mkfs.ext4", "-q", "-m", "0", image],
        ["mount", "-o", "loop", image, str(data)],
    ]


def _succeeds(words: Sequence[str]) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_cancels_are_signed_on_a_full_disk_and_nothing_else(data: Path) -> None:
    with started(data) as service, line_to(service) as line:
        keyed_before = sign(line, ORDER, Idempotency_Key="before")
        assert pieces(data) == PIECES
        with filled(data):
            until_full(line)
            for action in NOT_SIGNED:
                assert_full(ask(line, action))
                assert_full(ask(line, action, Idempotency_Key="k"))
            assert_full(line.post("/wallets/sign", {"walletId": "bytes", "message": "m"}))
            signed = [sign(line, action) for action in STILL_SIGNED]
            signed.append(sign(line, CANCEL, Idempotency_Key="cancel"))
            assert [answer["nonce"] for answer in signed] == sorted({answer["nonce"] for answer in signed})
            batch = line.post("/hyperliquid/sign-batch", {"requests": [body(CANCEL), body(ORDER), body(NOOP)]}).json
            assert [result["success"] for result in batch["results"]] == [True, False, True]
            assert batch["results"][1]["problem"]["code"] == "record-full"
            assert_says_emergency(line, 1)
            assert verified(data)["findings"] == []
        assert_sound_again(service, line, [keyed_before, *signed])


def test_the_space_outlasts_the_ceilings_of_nonces(data: Path) -> None:
    """A ceiling is written into the database every other second, and the database lies on the same disk."""
    with started(data) as service, line_to(service) as line, filled(data):
        until_full(line)
        ceilings_raised(line, times=2)
        service.stop()
    assert not (data / "hyperkms.db-journal").exists()


def test_a_process_that_is_killed_in_the_emergency_is_followed_by_one_that_cancels(data: Path) -> None:
    answers = []
    with filled_after_start(data) as (service, line):
        until_full(line)
        answers += [sign(line, CANCEL), sign(line, NOOP)]
        service.kill()
        with Service.start(data, **SETTINGS) as again, line_to(again) as other:
            answers += [sign(other, CANCEL), sign(other, NOOP)]
            until_full(other)  # what the killed process had ahead is room on the disk again
            answers.append(sign(other, CANCEL))
            assert_says_emergency(other, 1)
            again.kill()
        with Service.start(data, **SETTINGS) as third, line_to(third) as other:
            answers.append(sign(other, BY_CLOID))
            (data / "filler").unlink()
            assert_sound_again(third, other, answers)
    nonces = [answer["nonce"] for answer in answers]
    assert nonces == sorted(set(nonces))


@pytest.mark.parametrize(("call", "when"), [("link", 1), ("openat", 2), ("fdatasync", 1), ("unlink", 2)])
def test_a_kill_while_a_ceiling_is_written_on_a_full_disk_leaves_a_sound_database(
    data: Path, call: str, when: int
) -> None:
    """Before, while and after SQLite writes into the journal that lay ready: an old one must never be played back.

    The first journal that is opened and unlinked is one of SQLite's own, for which there is no room.
    """
    with filled_after_start(data, HYPERKMS_AUDIT_EMERGENCY_MB="4") as (service, line):
        until_full(line)
        answers = ceilings_raised(line, times=2)
        before, journal = highest_ceiling(data), str(data / "hyperkms.db-journal")
        with strace(service, "-P", journal, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"):
            with suppress(http.client.HTTPException, OSError):
                while True:
                    answers.append(sign(line, CANCEL))
            service.process.wait(timeout=START_S)
        assert highest_ceiling(data) >= before
        with Service.start(data, HYPERKMS_AUDIT_EMERGENCY_MB="4") as again, line_to(again) as other:
            answers += ceilings_raised(other, times=1)
            nonces = [answer["nonce"] for answer in answers]
            assert nonces == sorted(set(nonces))
            again.stop()
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert highest_ceiling(data) >= nonces[-1]


def test_when_the_space_is_used_up_everything_is_refused_until_there_is_room(data: Path) -> None:
    with filled_after_start(data) as (service, line):
        until_full(line)
        answers = []
        while (answer := ask(line, CANCEL)).status == 200:
            answers.append(answer.json)
        assert_full(answer)
        assert "so is the space" in answer.json["detail"]
        assert len(answers) > 500
        assert pieces(data) == 0
        for action in (*STILL_SIGNED, *NOT_SIGNED):
            assert_full(ask(line, action))
        assert "so is the space" in line.get("/ready").json["detail"]
        assert verified(data)["findings"] == []
        (data / "filler").unlink()
        assert_sound_again(service, line, answers)


def test_with_several_workers_each_goes_into_the_space(data: Path) -> None:
    with filled_after_start(data, "--workers", "2") as (service, line):
        until_full(line)
        answers = [answer for _ in range(24) for answer in new_connection(service)]
        assert len({answer["receipt"]["log"] for answer in answers}) == 2
        (data / "filler").unlink()
        assert_sound_again(service, line, answers, workers=2)
    assert len({answer["nonce"] for answer in answers}) == len(answers)


def test_without_the_space_a_full_disk_refuses_cancels_too(data: Path) -> None:
    with Service.start(data, HYPERKMS_AUDIT_EMERGENCY_MB="0") as service, line_to(service) as line:
        make_wallets(service)
        sign(line, CANCEL)
        with filled(data):
            while (answer := ask(line, CANCEL)).status == 200:
                pass
            assert (answer.status, answer.json["code"]) == (503, "record-unwritable")
        assert pieces(data) == 0


def test_a_disk_with_little_room_is_not_filled_for_the_day_on_which_it_is_full(data: Path) -> None:
    with Service.start(data, HYPERKMS_AUDIT_EMERGENCY_MB=str(DISK_MIB // 2)) as service:
        make_wallets(service)
        assert pieces(data) == 0
        assert service.get("/ready").status == 200


# ---- the service --------------------------------------------------------------------------------------------


@contextmanager
def started(data: Path, *flags: str, **settings: str) -> Iterator[Service]:
    with Service.start(data, *flags, **(SETTINGS | settings)) as service:
        make_wallets(service)
        yield service


@contextmanager
def filled_after_start(data: Path, *flags: str, **settings: str) -> Iterator[tuple[Service, Line]]:
    """A service whose disk is full from here on: `filler` has the rest of it."""
    with started(data, *flags, **settings) as service, line_to(service) as line:
        sign(line, ORDER)
        fill(data)
        yield service, line


def make_wallets(service: Service) -> None:
    service.generate("bytes")
    service.generate("bot", keyType="secp256k1")


@contextmanager
def filled(data: Path) -> Iterator[None]:
    fill(data)
    try:
        yield
    finally:
        (data / "filler").unlink()


def fill(data: Path) -> None:
    """Not a block is left, also when the file system has settled how many it needs for itself."""
    with (data / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 512, 512):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
            os.fsync(file.fileno())
            os.sync()


def pieces(data: Path) -> int:
    return len(list((data / RECORDS).glob("emergency-*.room")))


def body(action: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"walletId": "bot", "action": action}


def ask(line: Line, action: Mapping[str, Any], **headers: str) -> Answer:
    return line.post("/hyperliquid/sign", body(action), **headers)


def sign(line: Line, action: Mapping[str, Any], **headers: str) -> Any:
    answer = ask(line, action, **headers)
    assert answer.status == 200, answer.body
    return answer.json


def ceilings_raised(line: Line, *, times: int) -> list[Any]:
    """Cancels over so long a time that the ceiling of their nonces had to be raised so often."""
    answers = [sign(line, CANCEL)]
    while answers[-1]["nonce"] < answers[0]["nonce"] + times * CEILING_AHEAD_MS:
        for _ in range(30):
            line.get("/ready")
        answers.append(sign(line, CANCEL))
    return answers


def highest_ceiling(data: Path) -> int:
    """After the recovery that SQLite does when a database is opened."""
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        return int(database.execute("SELECT max(ceiling) FROM signers").fetchone()[0])


def new_connection(service: Service) -> Iterator[Any]:
    with line_to(service) as line:
        yield sign(line, CANCEL)


def until_full(line: Line) -> None:
    """The page in which the record ends has room for a few lines more."""
    while (answer := ask(line, ORDER)).status == 200:
        pass
    assert_full(answer)


def assert_full(answer: Answer) -> None:
    assert b'"signature"' not in answer.body
    assert (answer.status, answer.json["code"]) == (503, "record-full"), answer.body


def assert_says_emergency(line: Line, value: int) -> None:
    page = line.get("/metrics").body.decode().splitlines()
    assert f"hyperkms_record_emergency {value}" in page
    (left,) = [text for text in page if text.startswith("hyperkms_record_emergency_bytes ")]
    assert int(left.split()[1]) == (PIECES if value == 0 else PIECES - 1) * 128 * 1024 or value
    ready = line.get("/ready")
    assert (ready.status, ready.json.get("code")) == ((503, "record-full") if value else (200, None))


def assert_sound_again(service: Service, line: Line, answers: Sequence[Any], *, workers: int = 1) -> None:
    """The disk has room: everything is signed, the space is there anew, and the record holds what was answered."""
    assert line.get("/ready").status == 200
    sign(line, ORDER)
    while pieces(service.data) < PIECES * workers:
        assert line.get("/ready").status == 200
    lines = {(found["log"], found["index"]): found["record"] for found in records_in(service.data / RECORDS)}
    for answer in answers:
        record = lines[answer["receipt"]["log"], answer["receipt"]["index"]]
        assert (record["digest"], record["signed"]["nonce"]) == (answer["receipt"]["digest"], answer["nonce"])
    service.stop()
    assert verified(service.data)["findings"] == []
    exported = run("audit", "export", "--format", "jsonl", "--data", str(service.data))
    assert len(exported.stdout.splitlines()) == len(records_in(service.data / RECORDS))
    for path in files_in(service.data / RECORDS):
        assert path.stat().st_blocks * 512 <= path.stat().st_size + 4096, "space ahead is left in a file that has ended"
    closed = [entry["log"] for entry in entries_in(service.data / RECORDS) if entry["event"] == "close"]
    assert sorted(closed) == sorted({entry["log"] for entry in entries_in(service.data / RECORDS) if "log" in entry})


def verified(data: Path) -> Any:
    found = run("audit", "verify", "--json", "--data", str(data))
    return json.loads(found.stdout)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*words), env=environment(), capture_output=True, text=True, check=True)
