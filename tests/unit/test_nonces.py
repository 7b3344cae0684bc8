"""Nonces are used once by a signer, whatever crashes, restarts or turns back the clock."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from hyperkms import _core
from hyperkms.errors import Conflict, Malformed, Unavailable
from hyperkms.hyperliquid.nonces import (
    CEILING_AHEAD_MS,
    CLOCK_AHEAD_MS,
    WINDOW_FUTURE_MS,
    WINDOW_PAST_MS,
    Nonces,
)
from hyperkms.state.schema import signers
from support.databases import open_at

pytestmark = pytest.mark.usefixtures("each_database")

SIGNER = "0x" + "11" * 20
OTHER = "0x" + "22" * 20
NOW = 1_800_000_000_000


class Clock:
    """Milliseconds that only move when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def _nonces(folder: Path, clock: Clock, file: str = "nonces", boot: str | None = "this boot") -> Nonces:
    return Nonces(open_at(folder / "state.db"), _core.SharedCounters.open(folder / file), clock, boot=boot)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def nonces(tmp_path: Path, clock: Clock) -> Nonces:
    return _nonces(tmp_path, clock)


def test_the_first_nonce_is_now_and_the_next_are_one_more_each(nonces: Nonces) -> None:
    assert [nonces.allocate(SIGNER) for _ in range(3)] == [NOW, NOW + 1, NOW + 2]


def test_signers_do_not_share_numbers(nonces: Nonces) -> None:
    assert nonces.allocate(SIGNER) == nonces.allocate(OTHER) == NOW


def test_a_nonce_follows_the_clock(nonces: Nonces, clock: Clock) -> None:
    nonces.allocate(SIGNER)
    clock.now += 10_000
    assert nonces.allocate(SIGNER) == clock.now


@pytest.mark.parametrize("jump", [-1_000, -59_000])
def test_a_clock_that_goes_back_a_little_repeats_nothing(nonces: Nonces, clock: Clock, jump: int) -> None:
    first = nonces.allocate(SIGNER)
    clock.now += jump
    assert nonces.allocate(SIGNER) == first + 1


@pytest.mark.parametrize("jump", [-61_000, -3_600_000, -172_800_000])
def test_a_clock_that_goes_back_more_than_a_minute_is_refused(nonces: Nonces, clock: Clock, jump: int) -> None:
    nonces.allocate(SIGNER)
    clock.now += jump
    with pytest.raises(Unavailable) as refused:
        nonces.allocate(SIGNER)
    assert refused.value.code == "nonce-ahead-of-clock"


def test_no_nonce_is_more_than_a_minute_ahead_of_the_clock(nonces: Nonces) -> None:
    issued = [nonces.allocate(SIGNER) for _ in range(CLOCK_AHEAD_MS + 1)]
    assert issued == list(range(NOW, NOW + CLOCK_AHEAD_MS + 1))
    with pytest.raises(Unavailable):
        nonces.allocate(SIGNER)


def test_a_process_that_dies_wastes_no_nonce(tmp_path: Path, clock: Clock) -> None:
    """However often it happens within a minute: each start above the ceiling would be two seconds nearer its end."""
    issued = [_nonces(tmp_path, clock).allocate(SIGNER) for _ in range(100)]
    assert issued == list(range(NOW, NOW + 100))


@pytest.mark.parametrize(
    ("file", "boot"),
    [("lost", "this boot"), ("nonces", "another boot"), ("nonces", None)],
    ids=["file lost", "what the file held in memory lost", "a system that names no boot"],
)
def test_where_the_counter_may_be_old_the_next_nonce_is_above_the_ceiling(
    tmp_path: Path, clock: Clock, file: str, boot: str | None
) -> None:
    before = [_nonces(tmp_path, clock).allocate(SIGNER) for _ in range(3)][-1]
    ceiling = _ceilings(tmp_path)[SIGNER]
    clock.now -= 1_000
    after = _nonces(tmp_path, clock, file, boot).allocate(SIGNER)
    assert before < ceiling < after <= ceiling + 3
    assert _nonces(tmp_path, clock, file, boot).allocate(SIGNER) > after


def test_a_nonce_file_whose_content_was_put_back_is_not_gone_on_from(tmp_path: Path, clock: Clock) -> None:
    nonces = _nonces(tmp_path, clock)
    old = (tmp_path / "nonces").read_bytes()
    issued = [nonces.allocate(SIGNER) for _ in range(5)]
    nonces.close()
    ceiling = _ceilings(tmp_path)[SIGNER]
    (tmp_path / "nonces").write_bytes(old)
    assert _nonces(tmp_path, clock).allocate(SIGNER) > ceiling > max(issued)


def test_a_start_after_a_crash_steps_over_what_callers_took(tmp_path: Path, clock: Clock) -> None:
    first = _nonces(tmp_path, clock)
    taken = {NOW + 3, NOW + 4, NOW + CEILING_AHEAD_MS + 1}
    for number in taken:
        first.claim(SIGNER, number)
    issued = {first.allocate(SIGNER) for _ in range(3)}
    issued |= {_nonces(tmp_path, clock).allocate(SIGNER) for _ in range(10)}
    second = _nonces(tmp_path, clock)
    issued |= {second.allocate(SIGNER) for _ in range(CEILING_AHEAD_MS)}
    assert len(issued) == 13 + CEILING_AHEAD_MS
    assert not issued & taken


def test_threads_draw_no_number_twice(nonces: Nonces, clock: Clock) -> None:
    def draw(_: int) -> list[int]:
        clock.now += 1
        return [nonces.allocate(SIGNER) for _ in range(500)]

    with ThreadPoolExecutor(8) as pool:
        drawn = [number for batch in pool.map(draw, range(16)) for number in batch]
    assert len(set(drawn)) == 16 * 500


def _draw_in_a_process(folder: Path, count: int) -> list[int]:
    nonces = _nonces(folder, Clock())
    return [nonces.allocate(SIGNER) for _ in range(count)]


def test_processes_of_a_host_draw_no_number_twice(tmp_path: Path) -> None:
    _nonces(tmp_path, Clock()).allocate(SIGNER)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        batches = pool.starmap(_draw_in_a_process, [(tmp_path, 2_000)] * 4)
    drawn = [number for batch in batches for number in batch]
    assert len(set(drawn)) == 4 * 2_000


def test_a_callers_nonce_is_accepted_once(nonces: Nonces) -> None:
    nonces.claim(SIGNER, NOW)
    nonces.claim(OTHER, NOW)
    with pytest.raises(Conflict) as refused:
        nonces.claim(SIGNER, NOW)
    assert refused.value.code == "nonce-reused"


@pytest.mark.parametrize("edge", [-WINDOW_PAST_MS, WINDOW_FUTURE_MS])
def test_the_exchanges_window_holds_at_both_ends(nonces: Nonces, edge: int) -> None:
    nonces.claim(SIGNER, NOW + edge)
    with pytest.raises(Malformed) as refused:
        nonces.claim(SIGNER, NOW + edge + (1 if edge > 0 else -1))
    assert refused.value.code == "nonce-outside-window"


def test_a_callers_nonce_at_or_below_what_may_be_allocated_is_refused(nonces: Nonces) -> None:
    allocated = nonces.allocate(SIGNER)
    for number in (allocated - 1_000, allocated, allocated + CEILING_AHEAD_MS):
        with pytest.raises(Conflict) as refused:
            nonces.claim(SIGNER, number)
        assert refused.value.code == "nonce-allocated"
    nonces.claim(SIGNER, allocated + CEILING_AHEAD_MS + 1)


def test_allocation_steps_over_what_callers_took(nonces: Nonces, clock: Clock) -> None:
    taken = {NOW + 1, NOW + 2, NOW + CEILING_AHEAD_MS + 5}
    for number in taken:
        nonces.claim(SIGNER, number)
    issued = {nonces.allocate(SIGNER) for _ in range(CEILING_AHEAD_MS + 20)}
    assert not issued & taken
    assert min(issued) == NOW
    assert clock.now == NOW


def test_callers_and_the_service_together_use_no_number_twice(nonces: Nonces, clock: Clock) -> None:
    def work(_: int) -> list[int]:
        clock.now += 1
        used = [nonces.allocate(SIGNER) for _ in range(50)]
        for offset in range(20):
            chosen = clock.now + CEILING_AHEAD_MS + 7 * offset
            try:
                nonces.claim(SIGNER, chosen)
            except Conflict:
                continue
            used.append(chosen)
        return [*used, *(nonces.allocate(SIGNER) for _ in range(400))]

    with ThreadPoolExecutor(4) as pool:
        used = [number for batch in pool.map(work, range(12)) for number in batch]
    assert len(used) > 12 * 450
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("step", [WINDOW_PAST_MS, 2 * WINDOW_PAST_MS])
def test_a_clock_that_goes_forward_and_back_brings_no_callers_nonce_back(
    nonces: Nonces, clock: Clock, step: int
) -> None:
    old = NOW - WINDOW_PAST_MS * 3 // 4
    nonces.claim(SIGNER, old)
    clock.now += step
    nonces.claim(SIGNER, clock.now)
    clock.now -= step
    with pytest.raises(Conflict) as refused:
        nonces.claim(SIGNER, old)
    assert refused.value.code == "nonce-forgotten"


def _ceilings(folder: Path) -> dict[str, int]:
    with open_at(folder / "state.db").read() as connection:
        found = connection.execute(sa.select(signers.c.address, signers.c.ceiling)).all()
    return {row.address: row.ceiling for row in found}


def test_a_signer_whose_ceiling_is_near_has_it_renewed_when_another_ones_is(tmp_path: Path, clock: Clock) -> None:
    """64 busy signers cost two transactions a second, and not eighty."""
    nonces = _nonces(tmp_path, clock)
    idle = "0x" + "33" * 20
    for signer in (OTHER, idle, SIGNER):
        nonces.allocate(signer)
    before = _ceilings(tmp_path)
    clock.now += CEILING_AHEAD_MS - 1_500
    nonces.allocate(OTHER)
    assert _ceilings(tmp_path) == before
    clock.now += 400
    nonces.allocate(SIGNER)
    nonces.close()
    after = _ceilings(tmp_path)
    assert after[SIGNER] > before[SIGNER]
    assert after[OTHER] > before[OTHER]
    assert after[idle] == before[idle]


def test_a_nonce_file_that_was_replaced_stops_the_one_who_uses_the_old(tmp_path: Path, clock: Clock) -> None:
    first = _nonces(tmp_path, clock)
    issued = [first.allocate(SIGNER)]
    (tmp_path / "nonces").unlink()
    second = _nonces(tmp_path, clock)
    clock.now += 10 * CEILING_AHEAD_MS
    issued.append(second.allocate(SIGNER))
    with pytest.raises(Unavailable) as refused:
        first.allocate(SIGNER)
    assert refused.value.code == "counter-file-unavailable"
    assert len(set(issued)) == 2


def test_the_nonce_file_has_no_holes_that_a_full_disk_could_not_fill(tmp_path: Path, clock: Clock) -> None:
    _nonces(tmp_path, clock)
    data = (tmp_path / "nonces").stat()
    assert data.st_blocks * 512 >= data.st_size == 1 << 20
    assert data.st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [0, 8, (1 << 20) - 1, (1 << 20) + 1])
def test_a_nonce_file_of_another_size_is_refused(tmp_path: Path, clock: Clock, size: int) -> None:
    (tmp_path / "nonces").write_bytes(bytes(size))
    with pytest.raises(Unavailable):
        _nonces(tmp_path, clock)


def test_a_locked_database_is_waited_for_once_by_all_who_need_it(tmp_path: Path, clock: Clock) -> None:
    """Forty callers behind a lock are refused together; one after the other they would outlast this test's limit."""
    nonces = _nonces(tmp_path, clock)
    nonces.allocate(SIGNER)
    clock.now += 10 * CEILING_AHEAD_MS

    def allocate(_: int) -> str:
        with pytest.raises(Unavailable) as refused:
            nonces.allocate(SIGNER)
        return refused.value.code

    with open_at(tmp_path / "state.db").write(), ThreadPoolExecutor(40) as pool:
        assert set(pool.map(allocate, range(40))) == {"database-unavailable"}
    assert nonces.allocate(SIGNER) > NOW
