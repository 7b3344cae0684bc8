"""A limit over time, asked by several processes of one data directory at once, some of which are killed.

HYPERKMS_TEST_WINDOWS and HYPERKMS_TEST_KILLS say how often (`make faults`).
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hyperkms.access.clients import Role, client
from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy
from hyperkms.operations.caller import Caller
from hyperkms.operations.policies import apply_policy
from hyperkms.wallet import KeyType
from support import spending
from support.in_process import Here, here
from support.service import START_S, environment
from support.spending import LIMIT, PERIOD_MS, WALLET, WORTH

WINDOWS = int(os.environ.get("HYPERKMS_TEST_WINDOWS", "256"))
KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "6"))
PROCESSES = 4
NOW = 1_780_000_000_000
CALLER = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
ALL_THREE = {"max_notional": {"1h": 10**11, "24h": 10**11}, "max_orders": {"1h": 2**32}}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data") as opened:
        opened.wallet(WALLET, KeyType.SECP256K1)
        opened.now = NOW
        yield opened


def _apply(at: Here, **limits: Any) -> None:
    document = policy_of({"format": 1, "allow": ["order"], "rules": [{"name": "spend", **limits}]})
    new = NewPolicy(wallet=WALLET, document=document, effect=Effect.ENFORCED, reason=None, expected=None)
    apply_policy(at.parts, CALLER, new)


def _used(at: Here, meter: str, period: int = PERIOD_MS) -> int:
    number = at.parts.reservations.meter_of(f"policy {WALLET}: spend {meter}")
    return at.parts.reservations.used(number, period, is_outstanding=False)


def _start(at: Here, *words: str) -> "subprocess.Popen[bytes]":
    settings = environment(PYTHONPATH=str(Path(spending.__file__).parents[1]))
    command = [sys.executable, spending.__file__, str(at.data), *words, str(NOW)]
    return subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def test_of_four_processes_in_every_window_exactly_what_fits_is_granted(at: Here) -> None:
    _apply(at, max_notional={"1h": LIMIT})
    with ExitStack() as ends:
        children = [ends.enter_context(_start(at, "windows", str(WINDOWS))) for _ in range(PROCESSES)]
        assert [_line(child) for child in children] == [b"ready\n"] * PROCESSES
        granted = [_window(children) for _ in range(WINDOWS)]
        assert [child.wait(timeout=START_S) for child in children] == [0] * PROCESSES
    assert [sum(window) for window in granted] == [LIMIT // WORTH] * WINDOWS
    assert sum(min(window) < max(window) < LIMIT // WORTH for window in granted), "they were at it at once"


def _window(children: "list[subprocess.Popen[bytes]]") -> list[int]:
    """What each was granted."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    return [int(_line(child)) for child in children]


def _line(child: "subprocess.Popen[bytes]") -> bytes:
    assert child.stdout is not None
    return child.stdout.readline()


def test_a_process_that_is_killed_while_it_reserves_leaves_too_much_counted_and_never_too_little(at: Here) -> None:
    _apply(at, **ALL_THREE)
    acknowledged = killed = 0
    seeded = random.Random(7)  # noqa: S311 (moments to kill at)
    for _ in range(KILLS):
        with ExitStack() as ends:
            children = [ends.enter_context(_start(at, "for-ever")) for _ in range(2)]
            for child in children:
                assert child.stdout is not None
                acknowledged += len(child.stdout.read(1))
            time.sleep(seeded.uniform(0.0, 0.05))
            for child in children:
                child.kill()
                killed += 1
                acknowledged += len(child.communicate(timeout=START_S)[0])
        spent = (_used(at, "max_notional 1h"), _used(at, "max_notional 1d", 24 * PERIOD_MS))
        for orders in (_used(at, "max_orders 1h"), *(micro / 10**6 / WORTH for micro in spent)):
            assert acknowledged <= orders <= acknowledged + killed
    assert acknowledged > 10 * killed
