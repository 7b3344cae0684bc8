"""A disk that is full or broken: 503, no signature in any answer, and no damaged line in the record.

Where space was kept for cancels: test_space_kept_for_cancels.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hyperkms.cli.layout import RECORDS
from support.keep_alive import Line, line_to
from support.keyed import NOOP, REPLAYED
from support.record import files_in
from support.service import Answer, Service
from support.traced import strace

ATTEMPTS = int(os.environ.get("HYPERKMS_TEST_SIGNATURES", "60"))
HANGS_US = 16_000_000
MESSAGE = {"walletId": "bytes", "message": "m"}
ACTION = {"walletId": "bot", "action": NOOP}
ORDER_PAYLOAD = {"walletId": "bytes", "orderPayload": {"b": 1, "a": 2.5}}
SINGLE: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("/wallets/sign", MESSAGE),
    ("/wallets/sign-order", ORDER_PAYLOAD),
    ("/hyperliquid/sign", ACTION),
]
BATCHES: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("/wallets/sign-batch", {"requests": [MESSAGE] * 3}),
    ("/hyperliquid/sign-batch", {"requests": [ACTION] * 3}),
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service.start(tmp_path / "data") as running:
        make_wallets(running)
        yield running


def test_after_a_failed_fsync_nothing_is_signed_until_the_restart(service: Service) -> None:
    with line_to(service) as line:
        asked_before = answers_of(line)
        (record,) = files_in(service.data / RECORDS)
        with strace(service, "-P", str(record), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO"):
            keys = assert_all_refused(line)
        assert_all_refused(line)
    lines = record_lines(service.data)
    service.stop()
    with Service.start(service.data) as again, line_to(again) as line:
        assert line.get("/ready").status == 200
        assert record_lines(again.data)[: len(lines)] == lines
        assert_finished(line, keys)
        nonces = [answer["nonce"] for answer in asked_before if "nonce" in answer]
        assert line.post("/hyperliquid/sign", ACTION).json["nonce"] > max(nonces)


def test_while_the_disk_does_not_answer_everything_is_refused_and_afterwards_signed(service: Service) -> None:
    """Few records before it, so that the writing thread is asked: the event loop itself writes to a quick disk only."""
    with line_to(service) as line, line_to(service) as other:
        assert line.post("/wallets/sign", MESSAGE).status == 200
        (record,) = files_in(service.data / RECORDS)
        with strace(
            service, "-P", str(record), "-e", "trace=fsync", "-e", f"inject=fsync:delay_enter={HANGS_US}:when=1"
        ):
            assert_refused(line.post("/wallets/sign", MESSAGE, Idempotency_Key="k"))
            assert_refused(other.post("/wallets/sign", {"walletId": "nobodys", "message": "m"}))
            assert other.get("/ready").status == 503
            while other.get("/ready").status != 200:
                pass
        assert_finished(line, {"k": ("/wallets/sign", MESSAGE)})
    record_lines(service.data)


def test_a_line_that_was_cut_short_is_followed_by_a_new_file(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_AUDIT_EMERGENCY_MB="0") as service, line_to(service) as line:
        make_wallets(service)
        answers_of(line)
        (record,) = files_in(service.data / RECORDS)
        before = record.read_bytes()
        with strace(service, "-P", str(record), "-e", "trace=write", "-e", "inject=write:error=ENOSPC"):
            assert_refused(line.post("/hyperliquid/sign", ACTION))
            after = line.post("/hyperliquid/sign", ACTION)
        assert after.status == 200, after.body
        assert after.json["receipt"]["index"] == 1
        assert after.json["receipt"]["log"] not in record.name
    assert record.read_bytes() == before
    record_lines(service.data)


def test_a_full_disk_refuses_and_recovers_by_itself(service: Service) -> None:
    records = service.data / RECORDS
    with line_to(service) as line, small_disk(records):
        answers_of(line)
        with filled(records):
            sign_to_the_last_byte(line)
            keys = assert_all_refused(line)
            assert len(files_in(records)) < 4
            assert descriptors(service) < 60
        assert line.get("/ready").status == 200
        assert_finished(line, keys)
        answers_of(line)
        assert len(files_in(records)) < 5
        record_lines(service.data)
        service.stop()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_cannot_record_says_so_in_its_first_line(tmp_path: Path, workers: str) -> None:
    data = tmp_path / "data"
    with Service.start(data, "--workers", workers) as service:
        make_wallets(service)
    with small_disk(data / RECORDS), filled(data / RECORDS):
        with Service.start(data, "--workers", workers) as service, line_to(service) as line:
            assert line.get("/ready").status == 503
            assert_refused(line.post("/wallets/sign", MESSAGE))
            assert service.process.stderr is not None
            told = [service.process.stderr.readline()]
            while "Ctrl-C stops" not in told[-1]:
                told.append(service.process.stderr.readline())
        assert not any("ready on" in line for line in told), told
        assert "not ready: " in told[-1]
        assert "cannot be written" in told[0]
        assert any(json.loads(line)["event"] == "not-ready" for line in service.lines)


# ---- disks --------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(at: Path) -> Iterator[None]:
    """A file system of 256 KiB mounted over the folder; only the superuser may."""
    words = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", str(at)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("only a superuser who may mount has a small disk to fill")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(512)):
            pass
    try:
        yield
    finally:
        filler.unlink()


def descriptors(service: Service) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


# ---- requests -----------------------------------------------------------------------------------------------


def make_wallets(service: Service) -> None:
    service.generate("bytes")
    service.generate("bot", keyType="secp256k1")


def answers_of(line: Line) -> Sequence[Any]:
    """One of each kind, keyed and not, and all are signed."""
    answers = [line.post(path, body) for path, body in [*SINGLE, *BATCHES]]
    answers += [line.post(path, body, Idempotency_Key=secrets.token_hex(8)) for path, body in [*SINGLE, *BATCHES]]
    assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
    return [answer.json for answer in answers]


def sign_to_the_last_byte(line: Line) -> None:
    """The page in which the record ends has room for a few lines more."""
    while (answer := line.post("/wallets/sign", MESSAGE)).status == 200:
        pass
    assert_refused(answer)


def assert_all_refused(line: Line) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Every kind of request, again and again; the keys of those that had one."""
    keys = {}
    for number in range(-(-ATTEMPTS // (2 * len(SINGLE) + 2 * len(BATCHES)))):
        for path, body in SINGLE:
            keys[key := f"{path}-{number}"] = path, body
            assert_refused(line.post(path, body))
            assert_refused(line.post(path, body, Idempotency_Key=key))
        for path, body in BATCHES:
            keys[key := f"{path}-{number}"] = path, body
            assert_each_refused(line.post(path, body))
            assert_refused(line.post(path, body, Idempotency_Key=key))
        ready = line.get("/ready")
        assert (ready.status, ready.json["code"]) == (503, "record-unwritable")
    return keys


def assert_refused(answer: Answer) -> None:
    assert b'"signature"' not in answer.body
    assert (answer.status, answer.json["code"]) == (503, "record-unwritable"), answer.body


def assert_each_refused(answer: Answer) -> None:
    """A batch answers each of its requests for itself."""
    assert b'"signature"' not in answer.body
    problems = [result["problem"] for result in answer.json["results"]]
    assert {(problem["status"], problem["code"]) for problem in problems} == {(503, "record-unwritable")}


def assert_finished(line: Line, keys: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """What was refused under a key is signed when it is asked for again, and the same from then on."""
    for key, (path, body) in keys.items():
        first, again = (line.post(path, body, Idempotency_Key=key) for _ in range(2))
        assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true"), first.body
        assert all(result["success"] for result in first.json.get("results", [first.json])), first.body


def record_lines(data: Path) -> Sequence[Any]:
    """Every line of every file, each whole and in its place."""
    found = []
    for path in files_in(data / RECORDS):
        text = path.read_text()
        assert not text or text.endswith("\n")
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line["index"] for line in lines] == list(range(len(lines)))
        found += lines
    return found
