"""Rows of requests with a key: reserved once, recorded once, and one process at a time."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hyperkms.errors import Conflict, Unavailable
from hyperkms.state.completion import nothing_within
from hyperkms.state.database import Database
from hyperkms.state.grouped import GroupedWork
from hyperkms.state.name_locks import NameLocks
from hyperkms.state.request_rows import AnsweredRequest, KnownRequest, Request, RequestName, RequestState
from hyperkms.state.requests import Requests
from hyperkms.state.schema import facts
from support.databases import open_at

pytestmark = pytest.mark.usefixtures("each_database")

NAME = RequestName("bot", "k")
REQUEST = Request(name=NAME, fingerprint=b"f" * 32, request_id="0123456789abcdef", created_at=1)
HOLDER = """
import sys
from pathlib import Path
from hyperkms.state.name_locks import NameLocks
locks = NameLocks(Path(sys.argv[1]))
print(locks.take(b"held"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_at(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def requests(database: Database, tmp_path: Path) -> Iterator[Requests]:
    opened = Requests(database, tmp_path / "requests.lock")
    yield opened
    opened.close()


def note(database: Database, name: str) -> str | None:
    """What stands under a name that a test wrote."""
    with database.read() as connection:
        found = connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()
    return None if found is None else str(found)


def known(requests: Requests, name: RequestName = NAME) -> KnownRequest | None:
    """What is known of it, when nothing is left to recover."""
    found = requests.find(name).result()
    assert found.left == []
    return found.known


def test_a_request_is_reserved_then_recorded(requests: Requests) -> None:
    assert known(requests) is None
    requests.reserve(REQUEST, "plan", nothing_within).result()
    reserved = known(requests)
    assert reserved is not None
    assert (reserved.request, reserved.state, reserved.plan, reserved.answer) == (
        REQUEST,
        RequestState.RESERVED,
        "plan",
        None,
    )
    requests.record(NAME, "answer").result()
    recorded = known(requests)
    assert recorded == replace(reserved, state=RequestState.RECORDED, answer="answer")


def test_nothing_is_reserved_or_recorded_twice(requests: Requests) -> None:
    requests.reserve(REQUEST, "plan", nothing_within).result()
    again: list[Future[Any]] = [
        requests.reserve(REQUEST, "other", nothing_within),
        requests.record_alone(REQUEST, "other"),
    ]
    requests.record(NAME, "answer").result()
    for refused in [*again, requests.record(NAME, "other")]:
        with pytest.raises(Conflict, match="request-in-progress"):
            refused.result()
    found = known(requests)
    assert found is not None
    assert (found.plan, found.answer) == ("plan", "answer")


def test_what_is_refused_with_a_reservation_undoes_it(requests: Requests) -> None:
    def refuse(_connection: sa.Connection) -> None:
        raise Conflict("nonce-reused", "words")

    with pytest.raises(Conflict, match="nonce-reused"):
        requests.reserve(REQUEST, "plan", refuse).result()
    assert known(requests) is None


def test_the_keys_of_two_clients_are_two(requests: Requests) -> None:
    requests.reserve(REQUEST, "plan", nothing_within).result()
    assert known(requests, RequestName("other", "k")) is None


def test_of_two_lines_for_a_request_the_later_one_is_its_answer_in_whatever_order_they_are_found(
    requests: Requests,
) -> None:
    """The first was refused, with its line written all the same; its process was killed before or after the other."""
    first, second = AnsweredRequest(REQUEST, "refused"), AnsweredRequest(replace(REQUEST, created_at=2), "released")
    for found in ([first], [second], [first]):
        requests.recover([], found).result()
    stands = known(requests)
    assert stands is not None
    assert stands.answer == "released"


# ---- groups -------------------------------------------------------------------------------------------------


def test_a_piece_that_fails_undoes_itself_and_none_of_its_group(database: Database) -> None:
    work = GroupedWork(database, name="test")

    def fail(connection: sa.Connection) -> None:
        connection.execute(facts.insert().values(name="failed", value="1"))
        raise Conflict("nonce-reused", "words")

    def write(name: str, connection: sa.Connection) -> str:
        connection.execute(facts.insert().values(name=name, value="1"))
        return name

    with database.write():  # whatever is handed over now makes a group
        before = work.write(lambda connection: write("before", connection))
        failed = work.write(fail)
        after = work.write(lambda connection: write("after", connection))
    assert (before.result(), after.result()) == ("before", "after")
    with pytest.raises(Conflict):
        failed.result()
    assert [note(database, name) for name in ("before", "failed", "after")] == ["1", None, "1"]
    work.close()


def test_work_that_is_handed_over_is_done_before_the_end_and_none_after_it(database: Database) -> None:
    work = GroupedWork(database, name="test")
    done = [work.read(lambda _, n=number: n) for number in range(50)]  # type: ignore[misc]  # a default binds the number
    work.close()
    assert [future.result() for future in done] == list(range(50))
    with pytest.raises(Unavailable):
        work.read(lambda _: None).result()


# ---- one process at a time ----------------------------------------------------------------------------------


def test_a_name_that_another_process_holds_is_free_when_that_process_is_killed(tmp_path: Path) -> None:
    locks = NameLocks(tmp_path / "locks")
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "locks")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert (locks.take(b"held"), locks.take(b"other")) == (False, True)
        holder.kill()
    assert locks.take(b"held")
    locks.give_back(b"held")
    locks.close()
