"""Requests with an Idempotency-Key: looked for, worked on by one at a time, written down.

A signature whose nonce the caller chose is reserved first, with a plan of everything that goes into it, and recorded
with its answer. Any other signature has its key in its line of the record, and its row follows (`transfers`). A
change of the database needs neither: its own transaction writes the recorded row.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hyperkms.state import request_rows as rows
from hyperkms.state.completion import Within
from hyperkms.state.database import Database
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.name_locks import NameLocks
from hyperkms.state.request_rows import AnsweredRequest, KnownRequest, Request, RequestName, RequestState
from hyperkms.state.transfers import LeftLog, Transfer, Transfers, forget


@dataclass(frozen=True)
class Found:
    """What is known of a request; nothing can be said of it while `left` has logs that are not recovered."""

    known: KnownRequest | None
    left: Sequence[LeftLog]


class Requests:
    """The rows, and the right to work on one: whoever does has taken its name."""

    def __init__(self, database: Database, locks: Path) -> None:
        self._work = GroupedWork(database, name="requests")
        self._locks = NameLocks(locks)
        self.transfers = Transfers(self._work, self._locks)
        """Those of signatures, from the record."""

    def take(self, name: RequestName) -> bool:
        """Whether no other process works on this request, and from now on this one does; never waits."""
        return self._locks.take(name.to_bytes())

    def give_back(self, name: RequestName) -> None:
        """The end of the work on it, whatever came of it."""
        self._locks.give_back(name.to_bytes())

    def find(self, name: RequestName) -> "Future[Found]":
        """What is known of it. Unavailable while the database takes no answers."""
        self.transfers.require_room()
        return self._work.read(lambda connection: Found(rows.find(connection, name), self.transfers.left(connection)))

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

    def reserve(self, request: Request, plan: str, also: Within) -> "Future[None]":
        """Write down what will be done, and what `also` writes with it; durable before it is done."""

        def write(connection: sa.Connection) -> None:
            rows.insert(connection, request, RequestState.RESERVED, plan=plan)
            also(connection)

        return self._work.write(write)

    def record(self, name: RequestName, answer: str) -> "Future[None]":
        """A reserved request is done, and this was its answer."""
        return self._work.write(lambda connection: rows.record(connection, name, answer))

    def record_alone(self, request: Request, answer: str | None) -> "Future[None]":
        """A request that changed nothing in the database, or nothing any more, is done."""
        return self._work.write(lambda connection: self.record_within(connection, request, answer))

    def record_within(self, connection: sa.Connection, request: Request, answer: str | None) -> None:
        """A request is done if the transaction that makes its change commits."""
        rows.insert(connection, request, RequestState.RECORDED, answer=answer)

    def close(self) -> None:
        """Write what was taken, then take no more; the record is closed before."""
        self.transfers.close()
        self._work.close()
        self._locks.close()
