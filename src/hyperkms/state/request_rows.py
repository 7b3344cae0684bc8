"""Rows of requests with an Idempotency-Key: what was settled, and what was answered.

(none) --reserve--> reserved --record--> recorded
(none) --insert, transfer or recover--> recorded

Where several instances share the database a reserved row has the epoch of the one that works on it. Only that one
records it, until it is gone and another one has taken the row over:

reserved --drop--> (none)            what was reserved without a plan was refused
reserved --take over--> reserved     by the next instance that is asked for it
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hyperkms.errors import Conflict
from hyperkms.state.schema import requests


class RequestState(StrEnum):
    """How far a request has come."""

    RESERVED = "reserved"
    RECORDED = "recorded"


IN_PROGRESS = "request-in-progress"
_IS = sa.and_(requests.c.client == sa.bindparam("of_client"), requests.c.key == sa.bindparam("of_key"))
_OF_EPOCH = requests.c.epoch.is_not_distinct_from(sa.bindparam("of_epoch", type_=sa.BigInteger))
_FIND = sa.select(requests).where(_IS)
_INSERT = requests.insert()
_DELETE = requests.delete().where(_IS)
_RECORD = (
    requests.update()
    .where(_IS, requests.c.state == RequestState.RESERVED.value, _OF_EPOCH)
    .values(state=RequestState.RECORDED.value, answer=sa.bindparam("new_answer"))
)
_RESERVED_BY = sa.and_(_IS, requests.c.state == RequestState.RESERVED.value, _OF_EPOCH)
_TAKE_OVER = requests.update().where(_RESERVED_BY).values(epoch=sa.bindparam("new_epoch", type_=sa.BigInteger))
_DROP = requests.delete().where(_RESERVED_BY)


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
    epoch: int | None = None
    """Of the instance that has reserved it."""


@dataclass(frozen=True)
class AnsweredRequest:
    """A request whose answer is durable in the record."""

    request: Request
    answer: str


def find(connection: sa.Connection, name: RequestName) -> KnownRequest | None:
    """The row of this name."""
    row = connection.execute(_FIND, _named(name)).one_or_none()
    if row is None:
        return None
    request = Request(
        name=name, fingerprint=bytes(row.fingerprint), request_id=row.request_id, created_at=row.created_at
    )
    return KnownRequest(
        request=request, state=RequestState(row.state), plan=row.plan, answer=row.answer, epoch=row.epoch
    )


def insert(  # noqa: PLR0913 (each by name)
    connection: sa.Connection,
    request: Request,
    state: RequestState,
    *,
    plan: str | None = None,
    answer: str | None = None,
    epoch: int | None = None,
) -> None:
    """A new row; Conflict if there is one of this name."""
    try:
        connection.execute(_INSERT, {**_row(request, state, plan=plan, answer=answer), "epoch": epoch})
    except IntegrityError as error:
        raise in_progress() from error


def record(connection: sa.Connection, name: RequestName, answer: str, epoch: int | None = None) -> None:
    """A reserved request is done; Conflict if it is not reserved, or not by this epoch."""
    done = connection.execute(_RECORD, {**_named(name), "new_answer": answer, "of_epoch": epoch})
    if done.rowcount != 1:  # its lock was lost, and somebody else has answered
        raise in_progress()


def take_over(connection: sa.Connection, name: RequestName, *, before: int | None, epoch: int) -> None:
    """Let this epoch work on what one had reserved that is gone; Conflict if somebody else was faster."""
    taken = connection.execute(_TAKE_OVER, {**_named(name), "of_epoch": before, "new_epoch": epoch})
    if taken.rowcount != 1:
        raise in_progress()


def drop(connection: sa.Connection, name: RequestName, epoch: int) -> None:
    """Forget what this epoch had reserved and did not do."""
    connection.execute(_DROP, {**_named(name), "of_epoch": epoch})


def transfer(connection: sa.Connection, answered: Sequence[AnsweredRequest]) -> None:
    """Rows of requests whose names this process holds and whose answers have left: they replace what there is."""
    connection.execute(_DELETE, [_named(one.request.name) for one in answered])
    connection.execute(_INSERT, [_row(one.request, RequestState.RECORDED, answer=one.answer) for one in answered])


def recover(connection: sa.Connection, answered: Iterable[AnsweredRequest]) -> None:
    """Rows of requests that a killed process had answered.

    One of an earlier attempt is replaced: had its answer been released, the later one would not have been made.
    """
    for one in answered:
        known = find(connection, one.request.name)
        if known is None:
            insert(connection, one.request, RequestState.RECORDED, answer=one.answer)
        elif known.state is RequestState.RECORDED and known.request.created_at < one.request.created_at:
            transfer(connection, [one])


def void_within(connection: sa.Connection) -> int:
    """Forget requests that were begun and not answered: none is resumed, and what it had reserved stays taken."""
    return connection.execute(requests.delete().where(requests.c.state == RequestState.RESERVED.value)).rowcount


def in_progress() -> Conflict:
    """The refusal of a request that another one is doing."""
    words = "a request with this Idempotency-Key is under way: ask again with the same key, and get its answer"
    return Conflict("request-in-progress", words)


def _named(name: RequestName) -> dict[str, Any]:
    return {"of_client": name.client, "of_key": name.key}


def _row(
    request: Request, state: RequestState, *, plan: str | None = None, answer: str | None = None
) -> dict[str, Any]:
    return {
        "client": request.name.client,
        "key": request.name.key,
        "fingerprint": request.fingerprint,
        "request_id": request.request_id,
        "state": state.value,
        "plan": plan,
        "answer": answer,
        "created_at": request.created_at,
    }
