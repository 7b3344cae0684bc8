"""Requests with an Idempotency-Key: looked for, worked on by one at a time, written down.

A signature whose nonce the caller chose is reserved first, with a plan of everything that goes into it, and recorded
with its answer. Any other signature has its key in its line of the record, and its row follows (`transfers`). A
change of the database needs neither: its own transaction writes the recorded row.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from hyperkms.state import request_rows as rows
from hyperkms.state.completion import Within
from hyperkms.state.database import Database
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.instance_rows import end_expired_within, is_alive_within
from hyperkms.state.name_locks import NameLocks
from hyperkms.state.request_rows import AnsweredRequest, KnownRequest, Request, RequestName, RequestState
from hyperkms.state.transfers import LeftLog, Transfer, Transfers, forget


@dataclass(frozen=True)
class Found:
    """What is known of a request; nothing can be said of it while `left` has logs that are not recovered."""

    known: KnownRequest | None
    left: Sequence[LeftLog]
    is_elsewhere: bool = False
    """Another instance works on it."""


class Requests:
    """The rows, and the right to work on one: whoever does has taken its name."""

    def __init__(
        self,
        database: Database,
        locks: Path,
        *,
        epoch: Callable[[], int] | None = None,
    ) -> None:
        self._epoch = epoch
        """Of this instance; None where it has the database alone."""
        self._work = GroupedWork(database, name="requests")
        self._locks = NameLocks(locks)
        self.transfers = Transfers(self._work, self._locks)
        """Those of signatures, from the record; none where instances share."""

    def take(self, name: RequestName) -> bool:
        """Whether no other process works on this request, and from now on this one does; never waits."""
        return self._locks.take(name.to_bytes())

    def give_back(self, name: RequestName) -> None:
        """The end of the work on it, whatever came of it."""
        self._locks.give_back(name.to_bytes())

    @property
    def are_shared(self) -> bool:
        """Whether other instances may be asked for the same: then every request is reserved before it is done."""
        return self._epoch is not None

    def find(self, name: RequestName) -> "Future[Found]":
        """What is known of it. Unavailable while the database takes no answers."""
        self.transfers.require_room()
        return self._work.read(partial(self._found, name))

    def take_over(self, known: KnownRequest) -> "Future[int | None]":
        """Go on with what was reserved: by an instance that is gone, too. Conflict while it is not.

        Its own epoch, with which the request is now reserved; None where instances do not share.
        """
        name, before = known.request.name, known.epoch

        def write(connection: sa.Connection) -> int | None:
            if self._epoch is None or before == (mine := self._epoch()):
                return before
            end_expired_within(connection)  # from here on it records nothing
            if before is not None and is_alive_within(connection, before):
                raise rows.in_progress()
            rows.take_over(connection, name, before=before, epoch=mine)
            return mine

        return self._work.write(write)

    def left(self) -> "Future[Sequence[LeftLog]]":
        """Logs of dead processes whose requests are to be recovered."""
        return self._work.read(self.transfers.left)

    def recover(self, logs: Sequence[LeftLog], answered: Sequence[AnsweredRequest]) -> "Future[None]":
        """These requests are all that was answered in these logs; of two of one name the first stands."""

        def write(connection: sa.Connection) -> None:
            rows.recover(connection, answered)
            forget(connection, [left.log for left in logs])

        return self._work.write(write)

    def transfer(self, one: Transfer) -> None:
        """An answer that is durable in the record gets its row soon."""
        self.transfers.put(one)

    def reserve(self, request: Request, plan: str | None, also: Within) -> "Future[int | None]":
        """Write down what will be done, and what `also` writes with it; durable before it is done.

        The epoch with which it is reserved; None where instances do not share.
        """

        def write(connection: sa.Connection) -> int | None:
            epoch = None if self._epoch is None else self._epoch()
            rows.insert(connection, request, RequestState.RESERVED, plan=plan, epoch=epoch)
            also(connection)
            return epoch

        return self._work.write(write)

    def record(self, name: RequestName, answer: str, epoch: int | None = None) -> "Future[None]":
        """A reserved request is done, and this was its answer."""
        return self._work.write(lambda connection: rows.record(connection, name, answer, epoch))

    def drop(self, name: RequestName, epoch: int) -> "Future[None]":
        """A request that was reserved without a plan is not done."""
        return self._work.write(lambda connection: rows.drop(connection, name, epoch))

    def record_alone(self, request: Request, answer: str | None) -> "Future[None]":
        """A request that changed nothing in the database, or nothing any more, is done."""
        return self._work.write(lambda connection: self.record_within(connection, request, answer))

    def record_within(self, connection: sa.Connection, request: Request, answer: str | None) -> None:
        """A request is done if the transaction that makes its change commits."""
        rows.insert(connection, request, RequestState.RECORDED, answer=answer)

    def _found(self, name: RequestName, connection: sa.Connection) -> Found:
        known, left = rows.find(connection, name), self.transfers.left(connection)
        if self._epoch is None or known is None or known.state is RequestState.RECORDED or known.epoch is None:
            return Found(known, left)
        return Found(known, left, known.epoch != self._epoch() and is_alive_within(connection, known.epoch))

    def close(self) -> None:
        """Write what was taken, then take no more; the record is closed before."""
        self.transfers.close()
        self._work.close()
        self._locks.close()
