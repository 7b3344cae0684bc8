"""Which signed requests were accepted: each once on this host, whatever is killed or lost.

The memory is a mapped file, which survives the death of processes. After another boot of the machine, or without the
file, a new one is made, which accepts nothing that could have been accepted before it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from hyperkms._core import RequestSignature, SharedReplays
from hyperkms.errors import Unavailable
from hyperkms.state import facts
from hyperkms.state.boot import boot_id
from hyperkms.state.database import Database
from hyperkms.state.shared_turn import SharedTurn

MAX_WINDOW_MS = 30_000
"""How far from the clock a request's time may be at most, under any setting of any process."""
FACT = "replays"
"""The fact that is there once any request was accepted."""


class Replays:
    """The memory of one process; all of a host share it."""

    def __init__(self, database: Database, path: Path, clock: Callable[[], int]) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._turn = SharedTurn()
        self._opened: SharedReplays | None = None

    def take(self, signature: RequestSignature) -> bool:
        """Whether the request is accepted now; False: it was before.

        Unavailable for one of a time of which nothing is remembered, while there is no room, and once the file was
        replaced. Ask afterwards whether it is still in time. Waits where the file is not open yet.
        """
        opened = self._opened or self._turn.take(self._open)
        if signature.time <= opened.floor:
            wait = max(1, -(-(opened.floor - self._clock()) // 1000))
            words = (
                "signed requests of this moment are not accepted: the memory of those before them was lost (the machine"
            )
            raise Unavailable(
                "replay-memory-new", f"{words} was started again?); what is signed in {wait} s is accepted"
            )
        return opened.take(signature)

    def prepare(self) -> None:
        """Open the memory now if there ever was one, so that what a new one has to refuse is soon over."""
        if facts.read(self._database, FACT) is not None:
            self._turn.take(self._open)

    def check(self) -> None:
        """Unavailable if the file was replaced while it was in use."""
        if self._opened is not None:
            self._opened.require_in_place()

    def _open(self) -> SharedReplays:
        if self._opened is None:
            # Who makes the file holds the database's lock, so that no two do.
            with self._database.write() as connection:
                boot = _boot()
                self._opened = SharedReplays.open(self._path, boot) or self._made(connection, boot)
        return self._opened

    def _made(self, connection: sa.Connection, boot: bytes) -> SharedReplays:
        now = self._clock()
        was_made = facts.read_within(connection, FACT) is not None
        # An earlier file may have accepted what is signed for a moment ahead, up to now, on whatever machine.
        floor = now + MAX_WINDOW_MS if was_made or self._path.exists() else 0
        SharedReplays.create(self._path, boot, now=now, floor=floor)
        if not was_made:
            facts.write_within(connection, FACT, "made")
        made = SharedReplays.open(self._path, boot)
        if made is None:
            raise Unavailable("replay-memory-unavailable", f"{self._path} is not what was written a moment ago")
        return made


_UNKNOWN = bytes(16)


def _boot() -> bytes:
    """16 bytes that name this boot; zeros where the system does not tell (macOS)."""
    found = boot_id()
    return _UNKNOWN if found is None else hashlib.sha256(found.encode()).digest()[:16]
