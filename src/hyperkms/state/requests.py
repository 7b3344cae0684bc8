"""Requests with an Idempotency-Key: what was settled, and what was answered.

    (none) --reserve--> reserved --record--> recorded          (none) --record_within--> recorded

A signature is reserved first, with a plan of everything that goes into it, and recorded with its answer.
A change of the database needs no reservation: its own transaction writes the recorded row.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.completion import Within
from hyperkms.state.database import Database
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.name_locks import NameLocks
from hyperkms.state.schema import requests


class RequestState(StrEnum):
    """How far a request has come."""

    RESERVED = "reserved"
    RECORDED = "recorded"


_IS = sa.and_(requests.c.client == sa.bindparam("of_client"), requests.c.key == sa.bindparam("of_key"))
_FIND = sa.select(requests).where(_IS)
_INSERT = requests.insert()
_RECORD = (
    requests.update()
    .where(_IS, requests.c.state == RequestState.RESERVED.value)
    .values(state=RequestState.RECORDED.value, answer=sa.bindparam("new_answer"))
)


@dataclass(frozen=True)
class RequestName:
    """Whose key; a client's keys are its own."""

    client: str
    key: str

    def to_bytes(self) -> bytes:
        """No two names give the same: neither part has a zero byte."""
        return f"{self.client}\0{self.key}".encode()


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it first came."""

    name: RequestName
    fingerprint: bytes
    """SHA-256 of route and body; docs/formats.md."""
    request_id: str
    created_at: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class KnownRequest:
    """A request that the database has."""

    request: Request
    state: RequestState
    plan: str | None
    answer: str | None
    """The body of the answer; None for one that shows a secret and is not kept."""


class Requests:
    """The rows, and the right to work on one: whoever does has taken its name."""

    def __init__(self, database: Database, locks: Path) -> None:
        self._work = GroupedWork(database, name="requests")
        self._locks = NameLocks(locks)

    def take(self, name: RequestName) -> bool:
        """Whether no other process works on this request, and from now on this one does; never waits."""
        return self._locks.take(name.to_bytes())

    def give_back(self, name: RequestName) -> None:
        """The end of the work on it, whatever came of it."""
        self._locks.give_back(name.to_bytes())

    def find(self, name: RequestName) -> "Future[KnownRequest | None]":
        """What is known of it."""
        return self._work.read(lambda connection: _find(connection, name))

    def reserve(self, request: Request, plan: str, also: Within) -> "Future[None]":
        """Write down what will be done, and what `also` writes with it; durable before it is done."""

        def write(connection: sa.Connection) -> None:
            _insert(connection, request, RequestState.RESERVED, plan=plan)
            also(connection)

        return self._work.write(write)

    def record(self, name: RequestName, answer: str) -> "Future[None]":
        """A reserved request is done, and this was its answer."""
        return self._work.write(lambda connection: _record(connection, name, answer))

    def record_alone(self, request: Request, answer: str | None) -> "Future[None]":
        """A request that changed nothing in the database, or nothing any more, is done."""
        return self._work.write(lambda connection: self.record_within(connection, request, answer))

    def record_within(self, connection: sa.Connection, request: Request, answer: str | None) -> None:
        """A request is done if the transaction that makes its change commits."""
        _insert(connection, request, RequestState.RECORDED, answer=answer)

    def close(self) -> None:
        """Write what was taken, then take no more."""
        self._work.close()
        self._locks.close()


def _find(connection: sa.Connection, name: RequestName) -> KnownRequest | None:
    row = connection.execute(_FIND, {"of_client": name.client, "of_key": name.key}).one_or_none()
    if row is None:
        return None
    request = Request(
        name=name, fingerprint=bytes(row.fingerprint), request_id=row.request_id, created_at=row.created_at
    )
    return KnownRequest(request=request, state=RequestState(row.state), plan=row.plan, answer=row.answer)


def _insert(
    connection: sa.Connection,
    request: Request,
    state: RequestState,
    *,
    plan: str | None = None,
    answer: str | None = None,
) -> None:
    row = {
        "client": request.name.client,
        "key": request.name.key,
        "fingerprint": request.fingerprint,
        "request_id": request.request_id,
        "state": state.value,
        "plan": plan,
        "answer": answer,
        "created_at": request.created_at,
    }
    try:
        connection.execute(_INSERT, row)
    except IntegrityError as error:
        raise in_progress() from error


def _record(connection: sa.Connection, name: RequestName, answer: str) -> None:
    done = connection.execute(_RECORD, {"of_client": name.client, "of_key": name.key, "new_answer": answer})
    if done.rowcount != 1:  # its lock was lost, and somebody else has answered
        raise in_progress()


def in_progress() -> Conflict:
    """The refusal of a request that another one is doing."""
    words = "a request with this Idempotency-Key is under way: ask again with the same key, and get its answer"
    return Conflict("request-in-progress", words)
