"""The cosigners that a service starts, as its log tells of them: which process each one is, and how to end it."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

from demo.errors import ProcessFailed
from hyperkms.client import SigningClient

Judge: TypeAlias = Callable[[set[int]], bool]
SEEN_S = 30


class Cosigners:
    """Hears the log of the service from its first line on."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._pids: dict[int, int] = {}
        self._down: set[int] = set()

    def hear(self, line: str) -> None:
        """A line of the log; a cosigner that is to stay down and was started again is killed again."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or event.get("event") != "cosigner-started":
            return
        with self._turn:
            index, pid = int(event["cosigner"]), int(event["pid"])
            self._pids[index] = pid
            if index in self._down:
                _kill(pid)

    def pid_of(self, index: int) -> int:
        """The newest process of a cosigner."""
        with self._turn:
            if index not in self._pids:
                raise ProcessFailed(f"the service said nothing of a cosigner {index}")
            return self._pids[index]

    @contextmanager
    def killed(self, client: SigningClient, *indexes: int) -> Iterator[None]:
        """SIGKILL for these cosigners, and again each time the service starts them, until the block ends.

        On entry the service knows that they are gone; after the block it starts them again.
        """
        for index in indexes:
            self.pid_of(index)
        with self._turn:
            self._down.update(indexes)
            for index in indexes:
                _kill(self._pids[index])
        try:
            _wait(client, lambda alive: alive.isdisjoint(indexes), "still answer after they were killed")
            yield
        finally:
            with self._turn:
                self._down.difference_update(indexes)


def wait_for_all(client: SigningClient) -> None:
    """Until every cosigner answers; ProcessFailed if that takes too long."""
    everyone = {one["index"] for one in client.get("/mpc/status")["cosigners"]}
    _wait(client, lambda alive: alive == everyone, "were not all back in time")


def _wait(client: SigningClient, enough: Judge, words: str) -> None:
    deadline = time.monotonic() + SEEN_S
    while time.monotonic() < deadline:
        if enough({one["index"] for one in client.get("/mpc/status")["cosigners"] if one["alive"]}):
            return
        time.sleep(0.02)
    raise ProcessFailed(f"cosigners {words}")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
