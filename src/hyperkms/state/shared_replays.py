"""Which signed requests were accepted, where several instances share the database: each once by any of them."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

import sqlalchemy as sa

from hyperkms._core import RequestSignature
from hyperkms.errors import Unavailable
from hyperkms.state import facts
from hyperkms.state.database import Database
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.replays import FACT, MAX_WINDOW_MS
from hyperkms.state.schema import accepted_requests
from hyperkms.state.waiting import about_to_wait

_FLOOR: Final = "replays_shared_from"
_KEPT_MS: Final = 10 * 60 * 1000
"""After the end of any window, for clocks that differ."""


class SharedReplays:
    """The memory of all instances, as one process uses it."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._work = GroupedWork(database, name="replays")
        self._clock = clock
        self._floor = self._settled_floor()

    def take(self, signature: RequestSignature) -> bool:
        """Whether the request is accepted now; False: it was before, here or elsewhere.

        Ask afterwards whether it is still in time. Waits.
        """
        if signature.time <= self._floor:
            wait = max(1, -(-(self._floor - self._clock()) // 1000))
            words = (
                "signed requests of this moment are not accepted: a file that is used no more may have accepted them"
            )
            raise Unavailable("replay-memory-new", f"{words}; what is signed in {wait} s is accepted")
        about_to_wait()
        identity = f"{signature.key} {signature.time} {signature.id}".encode()
        return self._work.write(partial(_take, hashlib.sha256(identity).digest(), signature.time)).result()

    def prepare(self) -> None:
        """Nothing is to be made."""

    def check(self) -> None:
        """No file can have been replaced."""

    def forget_old(self) -> None:
        """Drop what no window has any more. Called by the sweep."""
        now = self._clock()
        self._work.write(lambda connection: connection.execute(_old(now))).result()

    def close(self) -> None:
        """Take no more."""
        self._work.close()

    def _settled_floor(self) -> int:
        """What was accepted up to then by an instance alone stands in its file."""
        was_alone = facts.read(self._database, FACT) is not None
        return int(facts.settle(self._database, _FLOOR, str(self._clock() + MAX_WINDOW_MS if was_alone else 0)))


def _take(digest: bytes, moment: int, connection: sa.Connection) -> bool:
    row = {"digest": digest, "until": moment + MAX_WINDOW_MS + _KEPT_MS}
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 (SQLite does without)

    made = insert(accepted_requests).values(**row).on_conflict_do_nothing().returning(accepted_requests.c.digest)
    return connection.execute(made).first() is not None


def _old(now: int) -> sa.Delete:
    return accepted_requests.delete().where(accepted_requests.c.until < now)
