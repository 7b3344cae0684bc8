"""Of many processes that bring the same signed requests one accepts each, and none accepts it again after kills."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hyperkms import _core
from support.signed import Signer, now_ms

PROCESSES = 4
REQUESTS = 3000
BOOT = "07" * 16

_WORK = """
import sys
from hyperkms._core import RequestSignature, SharedReplays

replays = SharedReplays.open(sys.argv[1], bytes.fromhex(sys.argv[2]))
sys.stdin.readline()
for number, header in enumerate(open(sys.argv[3], "rb").read().splitlines()):
    if replays.take(RequestSignature.read(header)):
        sys.stdout.write(f"{number:<1023}\\n")
        sys.stdout.flush()
"""
"""Writes the number of each request that it has accepted, in lines of a size that fills the pipe and is never torn."""


def _headers(folder: Path) -> Path:
    signer, now = Signer("5e" * 16), now_ms()
    written = folder / "headers"
    lines = [signer.sign(signer.request("GET", "/wallets", time=now + number % 3)) for number in range(REQUESTS)]
    written.write_text("\n".join(lines))
    return written


def _begun(folder: Path, headers: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", _WORK, str(folder / "replays"), BOOT, str(headers)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told_to_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _accepted(process: "subprocess.Popen[str]") -> list[int]:
    """The rest of what it told; it has ended then."""
    with process:
        assert process.stdout is not None
        return [int(line) for line in process.stdout.read().splitlines()]


def test_each_is_accepted_by_exactly_one(tmp_path: Path) -> None:
    headers = _headers(tmp_path)
    _core.SharedReplays.create(tmp_path / "replays", bytes.fromhex(BOOT), now=1, floor=0)
    processes = [_begun(tmp_path, headers) for _ in range(PROCESSES)]
    for process in processes:
        _told_to_go(process)
    accepted = [_accepted(process) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert Counter(number for each in accepted for number in each) == dict.fromkeys(range(REQUESTS), 1)


def test_what_a_killed_process_accepted_is_accepted_by_no_other(tmp_path: Path) -> None:
    """It is killed in the middle again and again; whoever goes on meets no lock, and repeats nothing."""
    headers = _headers(tmp_path)
    _core.SharedReplays.create(tmp_path / "replays", bytes.fromhex(BOOT), now=1, floor=0)
    accepted: Counter[int] = Counter()
    for turn in range(1, 11):
        process = _begun(tmp_path, headers)
        _told_to_go(process)
        assert process.stdout is not None
        for _ in range(turn * 20):
            accepted[int(process.stdout.readline())] += 1
        process.kill()
        accepted.update(_accepted(process))
        assert process.returncode == -signal.SIGKILL
    last = _begun(tmp_path, headers)
    _told_to_go(last)
    accepted.update(_accepted(last))
    assert set(accepted.values()) == {1}
    lost = set(range(REQUESTS)) - set(accepted)
    assert len(lost) <= 10, "at most the one that each was about to tell of"
