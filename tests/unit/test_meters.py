"""What was spent lately, counted by all processes of a host: never more than the limit, and no less than fits."""

import multiprocessing
import multiprocessing.queues
import multiprocessing.synchronize
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms._core import Meters
from hyperkms.errors import Malformed, Unavailable
from support.service import START_S

MINUTE = 60_000
WIDTH = MINUTE // 60
NOW = 1_750_000_000_000
WINDOWS = int(os.environ.get("HYPERKMS_TEST_WINDOWS", "256"))
PROCESSES = 4
_LIMIT, _AMOUNT = 100, 7


@pytest.fixture
def meters(tmp_path: Path) -> Meters:
    return Meters.open(tmp_path / "meters")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Meters:
    return Meters.open(tmp_path_factory.mktemp("many") / "meters")


def rolling(amount: int, limit: int, meter: int = 1) -> tuple[int, int, int | None, int, int]:
    return (meter, MINUTE, None, amount, limit)


def until(end: int, amount: int, limit: int) -> tuple[int, int, int | None, int, int]:
    return (1, MINUTE, end, amount, limit)


def test_an_amount_counts_for_its_period_and_a_sixtieth_of_it(meters: Meters) -> None:
    assert isinstance(meters.reserve([rolling(10, 10)], now=NOW), int)
    for later in (NOW, NOW + MINUTE):
        lack = meters.reserve([rolling(1, 10)], now=later)
        assert lack == (0, 10, NOW + MINUTE + WIDTH - later)
    assert isinstance(meters.reserve([rolling(1, 10)], now=NOW + MINUTE + WIDTH), int)


def test_all_of_a_request_is_reserved_or_nothing(meters: Meters) -> None:
    lack = meters.reserve([rolling(5, 10, meter=1), rolling(5, 4, meter=2), rolling(5, 10, meter=3)], now=NOW)
    assert lack == (1, 0, None)
    assert [meters.used(rolling(0, 0, meter), now=NOW) for meter in (1, 2, 3)] == [0, 0, 0]


def test_two_demands_of_one_request_count_together(meters: Meters) -> None:
    assert meters.reserve([rolling(6, 10), rolling(6, 10)], now=NOW) == (1, 6, MINUTE + WIDTH)
    assert meters.used(rolling(0, 0), now=NOW) == 0


def test_what_came_to_nothing_is_given_back(meters: Meters) -> None:
    meters.reserve([rolling(10, 10)], now=NOW)
    meters.give_back([rolling(10, 10)], then=NOW)
    assert isinstance(meters.reserve([rolling(10, 10)], now=NOW + 1), int)


def test_what_has_an_end_counts_until_then(meters: Meters) -> None:
    assert isinstance(meters.reserve([until(NOW + 10_000, 10, 10)], now=NOW), int)
    assert meters.reserve([until(NOW + 10_000, 1, 10)], now=NOW + 9_999) == (0, 10, 1)
    assert isinstance(meters.reserve([until(NOW + 30_000, 1, 10)], now=NOW + 10_000 + WIDTH), int)


def test_to_ask_what_would_lack_takes_nothing(meters: Meters) -> None:
    meters.reserve([rolling(10, 10, meter=2)], now=NOW)
    asked = [rolling(5, 10), rolling(5, 10), rolling(1, 10, meter=2)]
    assert meters.lacks(asked, now=NOW) == (2, 10, MINUTE + WIDTH)
    assert meters.lacks(asked[:2], now=NOW) is None
    assert meters.used(rolling(0, 0), now=NOW) == 0


def test_what_is_only_watched_may_pass_the_limit(meters: Meters) -> None:
    meters.count([rolling(25, 10)], now=NOW)
    assert meters.used(rolling(0, 0), now=NOW) == 25


def test_a_clock_that_was_ahead_neither_frees_nor_locks_for_ever(meters: Meters) -> None:
    ahead = NOW + 2 * 86_400_000
    assert isinstance(meters.reserve([rolling(10, 10)], now=ahead), int)
    assert meters.reserve([rolling(1, 10)], now=NOW) == (0, 10, MINUTE + 3 * WIDTH)
    assert isinstance(meters.reserve([rolling(10, 10)], now=NOW + MINUTE + 3 * WIDTH), int)


def test_who_read_the_clock_a_moment_before_another_shortens_nothing(meters: Meters) -> None:
    assert isinstance(meters.reserve([rolling(10, 10)], now=NOW), int)
    assert not isinstance(meters.reserve([rolling(1, 10)], now=NOW - 1), int)
    assert not isinstance(meters.reserve([rolling(1, 10)], now=NOW + MINUTE + WIDTH - 1), int)
    assert isinstance(meters.reserve([rolling(1, 10)], now=NOW + MINUTE + WIDTH), int)


@pytest.mark.parametrize("late", [1, 2 * WIDTH, 3 * WIDTH, 30_000, MINUTE])
def test_who_comes_late_makes_nothing_older_that_was_spent_meanwhile(meters: Meters, late: int) -> None:
    """A request reads the clock and then waits for a mark, or for its turn; others reserve in between."""
    assert meters.reserve([rolling(6, 10)], now=NOW) == NOW
    assert meters.reserve([rolling(4, 10)], now=NOW - late) == NOW
    assert meters.used(rolling(0, 0), now=NOW - late) == 10
    for later in (NOW - late, NOW, NOW + MINUTE):
        assert meters.reserve([rolling(1, 10)], now=later) == (0, 10, WIDTH + MINUTE - max(later - NOW, 0))
    assert isinstance(meters.reserve([rolling(10, 10)], now=NOW + MINUTE + WIDTH), int)


def test_who_comes_late_shortens_nothing_that_has_an_end(meters: Meters) -> None:
    assert meters.reserve([until(NOW + MINUTE, 10, 10)], now=NOW) == NOW
    assert not isinstance(meters.reserve([until(NOW + 1, 1, 10)], now=NOW - 10_000), int)
    assert not isinstance(meters.reserve([until(NOW + MINUTE, 1, 10)], now=NOW + MINUTE - 1), int)


def test_what_came_late_and_to_nothing_is_given_back_whole(meters: Meters) -> None:
    meters.reserve([rolling(1, 10)], now=NOW)
    since = meters.reserve([rolling(9, 10)], now=NOW - 30_000)
    assert since == NOW
    meters.give_back([rolling(9, 10)], then=since)
    assert meters.used(rolling(0, 0), now=NOW) == 1


def test_time_stands_for_each_meter_by_itself(meters: Meters) -> None:
    assert meters.reserve([rolling(1, 10, meter=1)], now=NOW) == NOW
    assert meters.reserve([rolling(1, 10, meter=2)], now=NOW - 5_000) == NOW - 5_000
    assert meters.reserve([rolling(1, 10, meter=2), rolling(1, 10, meter=1)], now=NOW - 4_000) == NOW


def test_amounts_near_the_largest_number_do_not_wrap(meters: Meters) -> None:
    most = 2**64 - 1
    assert isinstance(meters.reserve([rolling(most, most)], now=NOW), int)
    assert meters.reserve([rolling(most, most)], now=NOW) == (0, most, MINUTE + WIDTH)


def test_a_cleared_file_counts_nothing(meters: Meters) -> None:
    meters.reserve([rolling(10, 10)], now=NOW)
    meters.clear()
    assert meters.used(rolling(0, 0), now=NOW) == 0


def test_another_process_sees_what_was_reserved(tmp_path: Path) -> None:
    Meters.open(tmp_path / "meters").reserve([rolling(10, 10)], now=NOW)
    assert not isinstance(Meters.open(tmp_path / "meters").reserve([rolling(1, 10)], now=NOW), int)


@pytest.mark.parametrize("number", [0, 8192, 2**40])
def test_a_meter_that_has_no_place_is_refused(meters: Meters, number: int) -> None:
    with pytest.raises(Unavailable, match="room for 8191 meters"):
        meters.reserve([rolling(1, 10, meter=number)], now=NOW)


def test_a_period_too_short_for_its_buckets_is_refused(meters: Meters) -> None:
    with pytest.raises(Malformed):
        meters.reserve([(1, 59, None, 1, 10)], now=NOW)


def test_a_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    meters = Meters.open(tmp_path / "meters")
    (tmp_path / "meters").rename(tmp_path / "taken")
    with pytest.raises(Unavailable, match="counter file"):
        meters.require_in_place()


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 40)), max_size=80))
def test_no_period_holds_more_than_the_limit_and_what_fits_is_granted(
    many: Meters, steps: Sequence[tuple[int, int]]
) -> None:
    many.clear()
    now, granted = NOW, list[tuple[int, int]]()
    for pause, amount in steps:
        now += pause
        was_granted = isinstance(many.reserve([rolling(amount, _LIMIT)], now=now), int)
        in_period = sum(taken for at, taken in granted if at > now - MINUTE)
        counted_longest = sum(taken for at, taken in granted if at > now - MINUTE - WIDTH)
        if was_granted:
            assert in_period + amount <= _LIMIT
            granted.append((now, amount))
        else:
            assert counted_longest + amount > _LIMIT


def test_four_processes_against_one_limit_get_exactly_what_fits(tmp_path: Path) -> None:
    """256 periods of their own clock: in each, four processes ask at once for more than there is."""
    Meters.open(tmp_path / "meters")
    context = multiprocessing.get_context("spawn")
    barrier, taken = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=_ask_in_every_window, args=(tmp_path / "meters", barrier, taken))
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    counts = [taken.get(timeout=START_S) for _ in processes]
    for process in processes:
        process.join()
    assert [sum(window) for window in zip(*counts, strict=True)] == [_LIMIT // _AMOUNT] * WINDOWS


def _ask_in_every_window(
    path: Path, barrier: multiprocessing.synchronize.Barrier, taken: "multiprocessing.queues.Queue[list[int]]"
) -> None:
    meters = Meters.open(path)
    counts = []
    for window in range(WINDOWS):
        now = NOW + window * 2 * MINUTE
        barrier.wait(timeout=START_S)
        asked = [meters.reserve([rolling(_AMOUNT, _LIMIT)], now=now + step) for step in range(_LIMIT // _AMOUNT + 2)]
        counts.append(sum(isinstance(answer, int) for answer in asked))
    taken.put(counts)
