"""What AWS does on a bad day: a proxy in front of the emulator that spoils chosen calls."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.aws_door import Call, door

BUSY = {
    "throttled": (400, "ThrottlingException"),
    "too-many": (429, "TooManyRequestsException"),
    "internal": (500, "KMSInternalException"),
    "unavailable": (503, "ServiceUnavailable"),
    "expired": (400, "ExpiredTokenException"),
    "denied": (400, "AccessDeniedException"),
    "disabled": (400, "DisabledException"),
}
"""Faults that are an answer: the status and the code."""
FAULTS = (*BUSY, "cut-before", "cut-after", "truncated", "garbage", "slow", "hang")
_SLOW_S = 0.2
_HANG_S = 4.0


@dataclass
class Spoiler:
    """Spoils the next calls of an operation; counts what is asked."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    decide: Callable[[str, Mapping[str, Any]], str | None] = lambda *_: None
    """Told of each call, by its operation and what it says, before it is forwarded; may name a fault for it."""
    _faults: dict[str, list[str]] = field(default_factory=dict)
    _lasting: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, operation: str, *faults: str) -> None:
        """The next calls of this operation meet these, one each."""
        with self._lock:
            self._faults[operation] = list(faults)

    def spoil_all(self, fault: str, *operations: str) -> None:
        """Every call of these operations meets this fault, until `heal`."""
        with self._lock:
            self._lasting.update(dict.fromkeys(operations, fault))

    def heal(self) -> None:
        """Nothing is spoiled any more."""
        with self._lock:
            self._faults.clear()
            self._lasting.clear()

    def next_fault(self, operation: str) -> str | None:
        """What this call meets."""
        with self._lock:
            self.asked[operation] += 1
            due = self._faults.get(operation)
            return due.pop(0) if due else self._lasting.get(operation)


@contextmanager
def spoiled(upstream: str) -> Iterator[Spoiler]:
    """A proxy in front of the emulator at `upstream`."""
    spoiler = Spoiler()
    with door(upstream, lambda call, body: _decide(spoiler, call, body)) as spoiler.url:
        yield spoiler


def _decide(spoiler: Spoiler, call: Call, body: bytes) -> None:
    operation = call.target.rpartition(".")[2]
    fault = spoiler.next_fault(operation) or spoiler.decide(operation, json.loads(body))
    if fault in ("cut-before", "hang"):
        time.sleep(_HANG_S if fault == "hang" else 0)
        call.hang_up()
        return
    if fault in BUSY:
        status, code = BUSY[fault]
        told = {"__type": code, "message": "User: arn:aws:iam::1:user/somebody and what AWS says"}
        call.answer(status, json.dumps(told).encode())
        return
    if fault == "slow":
        time.sleep(_SLOW_S)
    status, answer = call.forward(body)
    if fault == "cut-after":
        call.hang_up()
    elif fault == "truncated":
        call.answer(status, answer[: len(answer) // 2], length=len(answer))
        call.hang_up()
    else:
        call.answer(status, b"<html>" if fault == "garbage" else answer)
