"""Runs of protocols that are under way: few, short, and each used by one call at a time."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, Union

import hyperkms_cosign as cosign

from hyperkms.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from hyperkms.threshold.cosigner.ceremonies import Making
    from hyperkms.threshold.cosigner.signing import Signing

MOST = 64
LONGEST_S = 60.0

Purpose: TypeAlias = Union["Making", "Signing"]


@dataclass
class Running:
    """One run: the state of the protocol, and what it is for."""

    session: cosign.Session
    purpose: Purpose
    drop: Callable[[], None]
    """Called once if it comes to nothing."""
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    since: float = field(default_factory=time.monotonic)
    is_void: bool = False
    """It was let go of, or what it makes was dropped before it was kept: nothing comes of it."""


class Sessions:
    """At most 64, none older than a minute. A session is taken out for each step, and put back if that went well."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: dict[str, Running] = {}
        self._taken: dict[str, Running] = {}

    def require_room(self) -> None:
        """Unavailable if no further one can be."""
        self.sweep()
        with self._turn:
            if len(self._waiting) + len(self._taken) >= MOST:
                words = f"{MOST} sessions are under way at this cosigner; they end within {LONGEST_S:.0f} s"
                raise Unavailable("cosigner-busy", words)

    def add(self, running: Running) -> None:
        """One more; Unavailable if there is no room, and it is dropped then."""
        try:
            self.require_room()
        except Unavailable:
            running.drop()
            raise
        with self._turn:
            self._waiting[running.token] = running

    def take(self, token: str) -> Running:
        """The session, for one step; NotFound if there is none of this name, or another call has it."""
        self.sweep()
        with self._turn:
            running = self._waiting.pop(token, None)
            if running is None:
                words = "there is no such session here: it ended, failed, is too old, or another call is at it"
                raise NotFound("session-unknown", words)
            self._taken[token] = running
        return running

    def put_back(self, running: Running) -> None:
        """It waits for its next step."""
        with self._turn:
            self._taken.pop(running.token, None)
            self._waiting[running.token] = running

    def end(self, running: Running) -> None:
        """It came to its end, and nothing has to be given back."""
        with self._turn:
            self._taken.pop(running.token, None)

    def fail(self, running: Running) -> None:
        """It came to nothing."""
        self.end(running)
        running.drop()

    def void(self, is_meant: Callable[[Purpose], bool]) -> None:
        """Nothing that these make is kept, wherever they are."""
        with self._turn:
            for running in (*self._waiting.values(), *self._taken.values()):
                running.is_void = running.is_void or is_meant(running.purpose)

    def let_go(self) -> None:
        """All end, also those at which a call is now: it gives nothing away."""
        with self._turn:
            waiting = [*self._waiting.values()]
            self._waiting.clear()
            for running in self._taken.values():
                running.is_void = True
        for running in waiting:
            running.drop()

    def sweep(self) -> None:
        """End those that are too old."""
        now = time.monotonic()
        with self._turn:
            old = [one for one in self._waiting.values() if now - one.since > LONGEST_S]
            for running in old:
                del self._waiting[running.token]
        for running in old:
            running.drop()
