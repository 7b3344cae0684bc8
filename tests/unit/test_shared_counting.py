"""What instances count in the database they share: as the mapped files of one host do, and for all of them."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hyperkms import _core
from hyperkms.errors import Conflict, Refused, Unavailable
from hyperkms.hyperliquid import shared_nonces
from hyperkms.hyperliquid.nonces import CLOCK_AHEAD_MS
from hyperkms.hyperliquid.shared_nonces import SharedNonces
from hyperkms.state import confirmed, shared_meters
from hyperkms.state.boot import since_boot
from hyperkms.state.completion import nothing_within
from hyperkms.state.confirmed import WALLETS, Confirmed, Elsewhere
from hyperkms.state.database import Database, open_database
from hyperkms.state.generation import WALLET_CHANGES, Generation
from hyperkms.state.instances import Lease
from hyperkms.state.postgresql_address import PostgresAddress
from hyperkms.state.request_rows import Request, RequestName, RequestState
from hyperkms.state.requests import Requests
from hyperkms.state.shared_cells import SharedCells
from hyperkms.state.shared_meters import SharedMeters
from hyperkms.state.waiting import MustWait, without_waiting
from support.postgres import postgres
from support.until import until

HOUR_MS = 3_600_000
NS = 10**9
REQUEST = Request(name=RequestName("bot", "k"), fingerprint=b"f" * 32, request_id="0" * 16, created_at=1)
SIGNER = "0x" + "ab" * 20


@pytest.fixture
def address(tmp_path: Path) -> PostgresAddress:
    return postgres().migrated(f"c{abs(hash(tmp_path)) % 10**12}")


@pytest.fixture
def here(address: PostgresAddress) -> Iterator[Database]:
    with closing(open_database(address)) as opened:
        yield opened


@pytest.fixture
def there(address: PostgresAddress) -> Iterator[Database]:
    with closing(open_database(address)) as opened:
        yield opened


# ---- limits -------------------------------------------------------------------------------------------


def test_a_window_is_that_of_all(here: Database, there: Database) -> None:
    cells = SharedCells(here), SharedCells(there)

    def take(number: int) -> bool:
        return cells[number % 2].take_window(7, amount=1, now=0, limit=5, period=60_000)[0]

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(take, range(40))) == [False] * 35 + [True] * 5
    assert not cells[0].take_window(7, amount=1, now=0, limit=5, period=60_000)[0]
    assert cells[0].take_window(8, amount=5, now=0, limit=5, period=60_000)[:2] == (True, 0)
    refused = cells[1].take_window(8, amount=1, now=0, limit=5, period=60_000)
    assert refused[:2] == (False, 0)
    assert 0 < refused[2] <= 60_000


def test_a_window_ends(here: Database) -> None:
    cells = SharedCells(here)
    assert cells.take_window(7, amount=1, now=0, limit=1, period=50)[0]
    until(lambda: cells.take_window(7, amount=1, now=0, limit=1, period=50)[0])


@pytest.mark.parametrize(("per_s", "burst"), [(10, 20), (400, 1000)])
def test_no_bucket_gives_more_than_it_holds(here: Database, there: Database, per_s: int, burst: int) -> None:
    """Of 4 processes' worth of blocks, in whatever span."""
    cells = [SharedCells(one) for one in (here, there) for _ in range(2)]
    granted: list[float] = []

    def take(number: int) -> None:
        began = time.monotonic()
        if cells[number % 4].take_bucket(3, amount=1, now=0, interval=NS // per_s, burst=burst)[0]:
            granted.append(began)

    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(take, range(2500)))
    lasted = time.monotonic() - began
    assert burst // 2 < len(granted) <= burst + per_s * lasted + 1
    granted.sort()
    for first in range(0, len(granted), 50):
        for last in range(first, len(granted), 50):
            span = granted[last] - granted[first]
            assert last - first + 1 <= burst + per_s * (span + 0.5), "times are those before each call"


def test_a_block_is_used_without_the_database(here: Database) -> None:
    cells = SharedCells(here)
    with pytest.raises(MustWait), without_waiting():
        cells.take_bucket(3, amount=1, now=0, interval=NS // 500, burst=1000)
    assert cells.take_bucket(3, amount=1, now=0, interval=NS // 500, burst=1000)[0]
    with without_waiting():
        assert cells.take_bucket(3, amount=1, now=0, interval=NS // 500, burst=1000)[0]


# ---- amounts ------------------------------------------------------------------------------------------


def test_amounts_are_counted_as_the_file_counts_them(
    here: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random demands at random times: the two say the same of each."""
    choose = random.Random(20261128)  # noqa: S311 (of no secret)
    mapped, rows = _core.Meters.open(tmp_path / "meters"), SharedMeters(here)
    now = 1_790_000_000_000
    monkeypatch.setattr(shared_meters, "milliseconds_within", lambda _: now)
    taken: list[tuple[list[shared_meters.Demand], int]] = []
    for _ in range(400):
        now += choose.choice([0, 1, 40, 3_000, 61_000, 900_000])
        demands = [_demand(choose, now) for _ in range(choose.choice([1, 1, 2, 3]))]
        if choose.random() < 0.1 and taken:
            given, then = taken.pop(choose.randrange(len(taken)))
            mapped.give_back(given, then=then)
            rows.give_back(given, then=then)
        assert rows.lacks(demands, now=0) == mapped.lacks(demands, now=now)
        reserved = mapped.reserve(demands, now=now)
        assert rows.reserve(demands, now=0) == reserved
        if isinstance(reserved, int) and choose.random() < 0.3:
            taken.append((demands, reserved))
        if choose.random() < 0.1:
            assert rows.count(demands, now=0) == mapped.count(demands, now=now)
        assert [rows.used(one, now=0) for one in demands] == [mapped.used(one, now=now) for one in demands]


def _demand(choose: random.Random, now: int) -> shared_meters.Demand:
    meter = choose.randint(1, 4)
    if meter == 4:  # what is outstanding has ends, and one period
        return meter, HOUR_MS, now + choose.randint(1, HOUR_MS), choose.randint(1, 400), 1000
    return meter, (60_000, HOUR_MS, 24 * HOUR_MS)[meter - 1], None, choose.randint(1, 400), 1000


def test_no_more_is_reserved_than_the_limit(here: Database, there: Database) -> None:
    meters = SharedMeters(here), SharedMeters(there)

    def reserve(number: int) -> bool:
        return isinstance(meters[number % 2].reserve([(1, HOUR_MS, None, 3, 100)], now=0), int)

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(reserve, range(200))) == 33
    for each in meters:
        each.close()


# ---- nonces -------------------------------------------------------------------------------------------


def test_nonces_rise_and_pass_over_what_callers_chose(here: Database, there: Database) -> None:
    clock = lambda: round(time.time() * 1000)  # noqa: E731 (the real one)
    nonces = SharedNonces(here, clock), SharedNonces(there, clock)
    first = nonces[0].allocate(SIGNER)
    chosen = first + 20
    nonces[1].claim(SIGNER, chosen)
    drawn = [nonces[number % 2].allocate(SIGNER) for number in range(60)]
    assert drawn == sorted(set(drawn))
    assert chosen not in drawn
    with pytest.raises(Conflict) as refused:
        nonces[0].claim(SIGNER, drawn[-1])
    assert refused.value.code == "nonce-allocated"
    for each in nonces:
        each.close()


def test_a_clock_that_is_wrong_numbers_nothing(here: Database) -> None:
    nonces = SharedNonces(here, lambda: round(time.time() * 1000) + 6_000)
    with pytest.raises(Unavailable) as refused:
        nonces.allocate(SIGNER)
    assert refused.value.code == "clocks-apart"
    nonces.close()


def test_nothing_is_numbered_far_ahead(here: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = round(time.time() * 1000)
    moment = [now + CLOCK_AHEAD_MS]
    monkeypatch.setattr(shared_nonces, "milliseconds_within", lambda _: moment[0])
    nonces = SharedNonces(here, lambda: moment[0])
    nonces.allocate(SIGNER)
    moment[0] = now - 1
    with pytest.raises(Unavailable) as refused:
        nonces.allocate(SIGNER)
    assert refused.value.code == "nonce-ahead-of-clock"
    nonces.close()


# ---- changes ------------------------------------------------------------------------------------------


def test_a_change_elsewhere_is_seen(here: Database, there: Database, tmp_path: Path) -> None:
    kept = [Confirmed(one) for one in (here, there)]
    generations = [
        Generation(_core.SharedCounters.open(tmp_path / f"shared-{number}"), WALLET_CHANGES, Elsewhere(one, WALLETS))
        for number, one in enumerate(kept)
    ]
    for one in kept:
        one.keep()
    before = generations[1].current()
    assert before is not None
    with generations[0].change(here):
        pass
    until(lambda: generations[1].current() not in (None, before))
    for one in kept:
        one.close()


def test_who_is_not_told_remembers_nothing(here: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = Confirmed(here)
    one.keep()
    generation = Generation(_core.SharedCounters.open(tmp_path / "shared"), WALLET_CHANGES, Elsewhere(one, WALLETS))
    assert generation.current() is not None
    one.require()
    one.close()
    monkeypatch.setattr(confirmed, "since_boot", lambda: since_boot() + confirmed.HOLDS_S + 1)
    assert generation.current() is None
    with pytest.raises(Unavailable) as refused:
        one.require()
    assert refused.value.code == "changes-unconfirmed"


# ---- leases and requests ------------------------------------------------------------------------------


def _lease(database: Database, folder: Path, name: str) -> Lease:
    lease = Lease(database, instance=name, host=name, lock=folder / f"{name}.lock", shares=name)
    lease.acquire()
    return lease


def test_those_that_share_bear_each_other(here: Database, there: Database, tmp_path: Path) -> None:
    first, second = _lease(here, tmp_path, "a"), _lease(there, tmp_path, "b")
    assert (first.is_first(), second.is_first()) == (True, False)
    copy = Lease(there, instance="c", host="c", lock=tmp_path / "c.lock", shares="a")
    with pytest.raises(Refused, match="copy of this data directory"):
        copy.acquire()
    alone = Lease(there, instance="d", host="d", lock=tmp_path / "d.lock")
    with pytest.raises(Refused, match="HYPERKMS_INSTANCES"):
        alone.acquire()
    first.close()
    assert second.is_first()
    second.close()


def test_an_instance_that_is_gone_writes_no_more_and_another_goes_on_with_its_request(
    here: Database, there: Database, address: PostgresAddress, tmp_path: Path
) -> None:
    leases = _lease(here, tmp_path, "a"), _lease(there, tmp_path, "b")
    mine = Requests(here, tmp_path / "a.requests", epoch=lambda: leases[0].epoch)
    other = Requests(there, tmp_path / "b.requests", epoch=lambda: leases[1].epoch)
    epoch = mine.reserve(REQUEST, "plan", nothing_within).result()
    found = other.find(REQUEST.name).result()
    assert found.is_elsewhere
    assert found.known is not None
    with pytest.raises(Conflict):
        other.take_over(found.known).result()
    postgres().execute(address.name, "UPDATE instances SET expires_at = 1 WHERE id = %s", "a")
    found = other.find(REQUEST.name).result()
    assert not found.is_elsewhere
    assert found.known is not None
    assert found.known.plan == "plan"
    taken = other.take_over(found.known).result()
    with pytest.raises(Unavailable, match="lease-lost"):
        mine.record(REQUEST.name, "late", epoch).result()
    leases[0].acquire()  # it comes back, under another epoch
    with pytest.raises(Conflict):
        mine.record(REQUEST.name, "late", epoch).result()
    other.record(REQUEST.name, "answer", taken).result()
    known = mine.find(REQUEST.name).result().known
    assert known is not None
    assert (known.state, known.answer) == (RequestState.RECORDED, "answer")
    for each in (mine, other, *leases):
        each.close()


def test_one_that_lost_its_lease_takes_another(here: Database, address: PostgresAddress, tmp_path: Path) -> None:
    lease = Lease(here, instance="a", host="a", lock=tmp_path / "a.lock", shares="a", lease_s=0.5)
    lease.acquire()
    before = lease.epoch
    lease.keep()
    postgres().execute(address.name, "DELETE FROM instances")
    until(lambda: lease.epoch > before and _is_held(lease))
    lease.close()


def _is_held(lease: Lease) -> bool:
    try:
        lease.require()
    except Unavailable:
        return False
    return True


def test_what_is_reserved_without_a_plan_can_be_dropped(here: Database, tmp_path: Path) -> None:
    lease = _lease(here, tmp_path, "a")
    requests = Requests(here, tmp_path / "requests", epoch=lambda: lease.epoch)
    epoch = requests.reserve(REQUEST, None, nothing_within).result()
    assert epoch == lease.epoch
    requests.drop(REQUEST.name, lease.epoch - 1).result()
    assert requests.find(REQUEST.name).result().known is not None
    requests.drop(REQUEST.name, lease.epoch).result()
    assert requests.find(REQUEST.name).result().known is None
    requests.close()
    lease.close()
