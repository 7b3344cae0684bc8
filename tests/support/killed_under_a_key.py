"""Answers one request with an Idempotency-Key as a worker does, in a process that kills itself at a named point.

DATA POINT PATH KEY BODY
"""

import asyncio
import dataclasses
import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from starlette.types import Message

from hyperkms._core import SharedCounters
from hyperkms.audit.record import Record
from hyperkms.audit.sink import Group, RecordSink, Space, Ticket
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import ADMIN_KEY, SHARED
from hyperkms.cli.places import address_of
from hyperkms.config import load_from_process
from hyperkms.http.app import create_app
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, Within, nothing_more
from hyperkms.state.database import open_database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.request_rows import AnsweredRequest, Request, RequestName, transfer
from hyperkms.state.requests import Requests
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.transfers import Transfer
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import Wallet
from hyperkms.wallet_life import Change
from support.forked import fork_for_each

T = TypeVar("T")

BEFORE_RESERVE = "before-the-reservation"
IN_RESERVE = "before-the-reservation-is-committed"
AFTER_RESERVE = "after-the-reservation-and-before-signing"
BEFORE_RECORD = "after-signing-and-before-the-line"
AFTER_RECORD = "after-the-line-and-before-the-answer-is-recorded"
IN_RECORDED = "before-the-answer-is-committed"
AFTER_RECORDED = "after-the-answer-is-recorded"
RESERVING = (BEFORE_RESERVE, IN_RESERVE, AFTER_RESERVE, BEFORE_RECORD, AFTER_RECORD, IN_RECORDED, AFTER_RECORDED)
"""Where the caller chose the nonce."""
SIGNING = (BEFORE_RECORD, AFTER_RECORD, IN_RECORDED, AFTER_RECORDED)
"""Where it did not."""

BEFORE_CHANGE = "before-the-change"
IN_CHANGE = "before-the-change-is-committed"
AFTER_CHANGE = "after-the-change"
CHANGING = (BEFORE_CHANGE, IN_CHANGE, AFTER_CHANGE)


class DyingRequests(Requests):
    """The real rows, and death around or within a write."""

    _point: str

    @classmethod
    def of(cls, real: Requests, point: str) -> "DyingRequests":
        made = cls.__new__(cls)
        vars(made).update(vars(real), _point=point)
        return made

    def transfer(self, one: Transfer) -> None:
        def has_its_row() -> None:
            _die_at(AFTER_RECORDED, self._point)
            one.done()

        _die_at(AFTER_RECORD, self._point)
        if self._point == IN_RECORDED:
            self._work.write(lambda connection: _transfer_and_die(connection, one.answered)).result()
        super().transfer(dataclasses.replace(one, done=has_its_row))

    def reserve(self, request: Request, plan: str | None, also: Within) -> "Future[int | None]":
        def die_after_it(connection: sa.Connection) -> None:
            also(connection)
            _die_at(IN_RESERVE, self._point)

        _die_at(BEFORE_RESERVE, self._point)
        return self._then(super().reserve(request, plan, die_after_it), AFTER_RESERVE)

    def record(self, name: RequestName, answer: str, epoch: int | None = None) -> "Future[None]":
        _die_at(AFTER_RECORD, self._point)
        if self._point == IN_RECORDED:
            self._work.write(lambda connection: _record_and_die(connection, name, answer))
        return self._then(super().record(name, answer, epoch), AFTER_RECORDED)

    def _then(self, done: "Future[T]", point: str) -> "Future[T]":
        done.add_done_callback(lambda _: _die_at(point, self._point))
        return done


class DyingRecords:
    """The real record, and death before it takes a line."""

    def __init__(self, real: RecordSink, point: str) -> None:
        self._real = real
        self._point = point

    def append(self, record: Record, space: Space = Space.ORDINARY) -> Ticket:
        _die_at(BEFORE_RECORD, self._point)
        return self._real.append(record, space)

    def append_group(self, group: Group) -> None:
        _die_at(BEFORE_RECORD, self._point)
        self._real.append_group(group)

    def write_here(self, group: Group) -> bool:
        _die_at(BEFORE_RECORD, self._point)
        return self._real.write_here(group)

    @property
    def is_announced(self) -> bool:
        return self._real.is_announced

    def announce(self) -> None:
        self._real.announce()

    def check(self) -> None:
        self._real.check()

    def close(self) -> None:
        self._real.close()


class DyingWallets(WalletRecords):
    """The real wallet records, and death around or within a change."""

    def __init__(self, data: Path, point: str, rows: RowSignatures) -> None:
        generation = Generation(SharedCounters.open(data / SHARED), WALLET_CHANGES)
        super().__init__(open_database(address_of(load_from_process({"data": data}))), generation, rows)
        self._point = point

    def create(self, wallet: Wallet, completion: Completion[Wallet] = nothing_more) -> None:
        def die_after_it(connection: sa.Connection, made: Wallet) -> None:
            completion(connection, made)
            _die_at(IN_CHANGE, self._point)

        _die_at(BEFORE_CHANGE, self._point)
        super().create(wallet, die_after_it)
        _die_at(AFTER_CHANGE, self._point)

    def apply(self, change: Change, *, before_commit: Within) -> None:
        def die_after_it(connection: sa.Connection) -> None:
            before_commit(connection)
            _die_at(IN_CHANGE, self._point)

        _die_at(BEFORE_CHANGE, self._point)
        super().apply(change, before_commit=die_after_it)
        _die_at(AFTER_CHANGE, self._point)


def main(data: str, point: str, path: str, key: str, body: str) -> None:
    """Answer the request to its point."""
    folder = Path(data)
    parts = _dying(assemble(load_from_process({"data": folder}), create=False), folder, point)
    headers = {"x-api-key": (folder / ADMIN_KEY).read_text().strip(), "idempotency-key": key}
    asyncio.run(_request(parts, path, headers, body.encode()))
    parts.close()


async def _request(parts: Parts, path: str, headers: dict[str, str], body: bytes) -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200, message

    await create_app(parts)(scope, receive, send)


def _dying(parts: Parts, data: Path, point: str) -> Parts:
    return dataclasses.replace(
        parts,
        requests=DyingRequests.of(parts.requests, point),
        record=DyingRecords(parts.record, point),
        wallets=DyingWallets(data, point, parts.rows),
    )


def _transfer_and_die(connection: sa.Connection, answered: AnsweredRequest) -> None:
    transfer(connection, [answered])
    _die_at(IN_RECORDED, IN_RECORDED)


def _record_and_die(connection: sa.Connection, name: RequestName, answer: str) -> None:
    row = {"client": name.client, "key": name.key, "answer": answer}
    words = "UPDATE requests SET state = 'recorded', answer = :answer WHERE client = :client AND key = :key"
    assert connection.execute(sa.text(words), row).rowcount == 1
    _die_at(IN_RECORDED, IN_RECORDED)


def _die_at(here: str, point: str) -> None:
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fork_for_each(main)
