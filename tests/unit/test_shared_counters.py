"""Limits and generations in the mapped file that all processes of a host share."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hyperkms._core import SharedCounters
from hyperkms.errors import Unavailable
from hyperkms.state.generation import Generation
from support.databases import POSTGRESQL, open_at

pytestmark = pytest.mark.usefixtures("each_database")

SECOND = 1_000_000_000


def test_a_window_grants_its_limit_and_then_waits_for_its_end(tmp_path: Path) -> None:
    counters = SharedCounters.open(tmp_path / "shared")
    taken = [counters.take_window(1, amount=1, now=1000 + step, limit=3, period=500) for step in range(4)]
    assert taken == [(True, 2, 500), (True, 1, 499), (True, 0, 498), (False, 0, 497)]
    assert counters.take_window(1, amount=1, now=1500, limit=3, period=500) == (True, 2, 500)


def test_spans_are_counted_one_histogram_after_the_other(tmp_path: Path) -> None:
    counters = SharedCounters.open(tmp_path / "shared")
    for stamps in ([100, 110, 131], [200, 211, 211], [300, 320, 319]):
        counters.observe_spans(8, bounds=[10, 20], stamps=stamps)
    assert [counters.read(cell) for cell in range(8, 12)] == [1, 2, 0, 41]
    assert [counters.read(cell) for cell in range(12, 16)] == [2, 0, 1, 21]


def test_a_batch_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    counters = SharedCounters.open(tmp_path / "shared")
    assert counters.take_window(1, amount=4, now=1000, limit=5, period=500) == (True, 1, 500)
    assert counters.take_window(1, amount=2, now=1000, limit=5, period=500) == (False, 1, 500)
    assert counters.take_bucket(2, amount=4, now=SECOND, interval=SECOND, burst=5)[:2] == (True, 1)
    assert counters.take_bucket(2, amount=2, now=SECOND, interval=SECOND, burst=5) == (False, 1, SECOND)


def test_a_window_from_another_clock_does_not_close_the_door_for_ever(tmp_path: Path) -> None:
    counters = SharedCounters.open(tmp_path / "shared")
    assert counters.take_window(1, amount=1, now=10**12, limit=1, period=500)[0]
    assert counters.take_window(1, amount=1, now=10**11, limit=1, period=500)[0]


def test_a_bucket_from_another_clock_is_empty_at_most(tmp_path: Path) -> None:
    counters = SharedCounters.open(tmp_path / "shared")
    assert counters.take_bucket(1, amount=1, now=10**18, interval=SECOND, burst=2)[0]
    assert counters.take_bucket(1, amount=1, now=10**17, interval=SECOND, burst=2) == (False, 0, SECOND)
    assert counters.take_bucket(1, amount=1, now=10**17 + SECOND, interval=SECOND, burst=2)[0]


@given(st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 4)), max_size=60), st.integers(1, 8))
def test_a_bucket_never_grants_more_than_its_burst_and_its_rate(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int]], burst: int
) -> None:
    counters = SharedCounters.open(tmp_path_factory.mktemp("bucket") / "shared")
    now, granted = SECOND, []
    for later, amount in asked:
        now += later
        if counters.take_bucket(1, amount=amount, now=now, interval=SECOND, burst=burst)[0]:
            granted.append((now, amount))
    for first, (begin, _) in enumerate(granted):
        for end, (until, _) in enumerate(granted[first:], start=first):
            total = sum(amount for _, amount in granted[first : end + 1])
            assert total <= burst + (until - begin) / SECOND


def _take_many(path: Path) -> int:
    counters = SharedCounters.open(path)
    return sum(counters.take_window(7, amount=1, now=1000, limit=1000, period=10**6)[0] for _ in range(500))


def test_processes_share_one_limit_exactly(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        granted = pool.map(_take_many, [tmp_path / "shared"] * 4)
    assert sum(granted) == 1000


def test_what_was_read_holds_until_the_next_change(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    here, there = (Generation(SharedCounters.open(tmp_path / "shared"), 0) for _ in range(2))
    before = here.current()
    with there.change(database):
        assert here.current() == before
    assert here.current() not in (before, None)
    assert here.current() == there.current()
    database.close()


def test_after_a_death_at_the_commit_nothing_is_remembered_until_the_next_change(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    counters = SharedCounters.open(tmp_path / "shared")
    generation = Generation(counters, 0)
    counters.add(0, amount=1)  # a ticket whose process died
    assert generation.current() is None
    with generation.change(database):
        pass
    assert generation.current() == 2
    database.close()


def test_a_change_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    generation = Generation(SharedCounters.open(tmp_path / "shared"), 0)
    before = generation.current()
    with pytest.raises(ValueError, match="no"), generation.change(database):
        raise ValueError("no")
    assert generation.current() == before
    database.close()


def test_a_change_whose_commit_failed_is_finished_too(tmp_path: Path, each_database: str) -> None:
    if each_database == POSTGRESQL:
        pytest.skip("no reader keeps PostgreSQL from committing; test_postgresql.py cuts the connection off instead")
    database = open_at(tmp_path / "state.db")
    generation = Generation(SharedCounters.open(tmp_path / "shared"), 0)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM facts").fetchone()
        with pytest.raises(Unavailable), generation.change(database) as connection:
            connection.execute(sa.text("INSERT INTO facts VALUES ('a', 'b')"))
    assert generation.current() is not None
    database.close()


def test_a_sweep_finishes_what_a_dead_process_left(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    counters = SharedCounters.open(tmp_path / "shared")
    generation = Generation(counters, 0)
    counters.add(0, amount=3)
    assert generation.current() is None
    generation.settle(database)
    assert generation.current() == 3
    database.close()


def test_nothing_is_remembered_once_the_shared_file_is_gone_and_nothing_is_changed(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    generation = Generation(SharedCounters.open(tmp_path / "shared"), 0)
    generation.watch()
    assert generation.current() is not None
    (tmp_path / "shared").unlink()
    generation.watch()
    assert generation.current() is None
    with pytest.raises(Unavailable), generation.change(database):
        pass
    database.close()
