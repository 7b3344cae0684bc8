"""Meters by name, what they have left, and how they are whole again after a loss of power."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from hyperkms._core import Meters
from hyperkms.access.policy.verdicts import Demand, Source
from hyperkms.access.reservations import Lacking, Reservation, Reservations, lacking
from hyperkms.errors import Unavailable
from hyperkms.state.database import Database
from hyperkms.state.schema import facts, meters
from hyperkms.state.waiting import MustWait, without_waiting
from support.databases import open_at

pytestmark = pytest.mark.usefixtures("each_database")

NOW = 1_780_000_000_000
HOUR = 3_600_000
Spent = Sequence[tuple[int, Sequence[Sequence[int]]]]


class Place:
    """The meters of a directory, as a process opens them under a boot; its clock is set by the test."""

    def __init__(self, folder: Path, boot: str | None = "boot") -> None:
        self.folder = folder
        self.database: Database = open_at(folder / "state.db")
        self.meters = Meters.open(folder / "meters")
        self.now = NOW
        self.reservations = Reservations(self.database, self.meters, lambda: self.now, boot=boot)

    def used(self, meter: int, *, is_outstanding: bool = False) -> int:
        return self.reservations.used(meter, HOUR, is_outstanding=is_outstanding)

    def ensure_whole(self, spent: Spent = ()) -> int | None:
        return self.reservations.ensure_whole(lambda: spent)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    opened = Place(tmp_path)
    yield opened
    opened.database.close()


def demand(
    meter: int = 1, amount: int = 10, limit: int = 25, *, end: int | None = None, quantity: str = "max_orders"
) -> Demand:
    return Demand("r", quantity, meter, HOUR, end, amount, limit)


# ---- names --------------------------------------------------------------------------------------------


def test_each_name_has_a_meter_for_ever(place: Place) -> None:
    numbers = [place.reservations.meter_of(name) for name in ("a", "b", "a")]
    assert numbers == [1, 2, 1]
    assert Place(place.folder).reservations.meter_of("b") == 2
    assert Place(place.folder).reservations.meter_of("c") == 3
    with place.database.read() as connection:
        rows = connection.execute(sa.select(meters.c.name, meters.c.created_at).order_by(meters.c.number)).all()
    assert [tuple(row) for row in rows] == [("a", NOW), ("b", NOW), ("c", NOW)]


def test_a_name_that_is_known_waits_for_nothing(place: Place) -> None:
    with pytest.raises(MustWait), without_waiting():
        place.reservations.meter_of("a")
    place.reservations.meter_of("a")
    place.database.close()
    with without_waiting():
        assert place.reservations.meter_of("a") == 1


# ---- taken and given back -----------------------------------------------------------------------------


def test_what_is_reserved_is_all_of_it_or_nothing(place: Place) -> None:
    taken = place.reservations.reserve([demand(1), demand(2)])
    assert taken == Reservation([demand(1), demand(2)], NOW)
    assert isinstance(taken, Reservation)
    lack = place.reservations.reserve([demand(1), demand(2, 16)])
    assert lack == Lacking(demand(2, 16), 10, HOUR + HOUR // 60 - NOW % (HOUR // 60))
    assert [place.used(meter) for meter in (1, 2)] == [10, 10]
    place.reservations.give_back(taken)
    assert [place.used(meter) for meter in (1, 2)] == [0, 0]


def test_it_is_shown_for_the_record_as_numbers() -> None:
    reserved = Reservation([demand(3), demand(4, end=NOW + 5)], NOW)
    assert reserved.shown == [[3, HOUR, 10, 0], [4, HOUR, 10, NOW + 5]]


def test_what_is_outstanding_counts_until_its_end(place: Place) -> None:
    place.reservations.reserve([demand(end=NOW + 120_000)])
    assert place.used(1, is_outstanding=True) == 10
    place.now = NOW + 180_000
    assert place.used(1, is_outstanding=True) == 0


def test_who_only_watches_counts_whatever_the_limit(place: Place) -> None:
    outcomes = [place.reservations.watch([demand(1), demand(2, limit=15)]) for _ in range(3)]
    assert [short and (short.demand.meter, short.used) for _, short in outcomes] == [None, (2, 10), (1, 20)]
    place.reservations.give_back(outcomes[2][0])
    assert [place.used(meter) for meter in (1, 2)] == [20, 20]


def test_a_file_that_was_replaced_is_noticed(place: Place) -> None:
    place.reservations.require_in_place()
    (place.folder / "meters").rename(place.folder / "taken")
    with pytest.raises(Unavailable):
        place.reservations.require_in_place()


# ---- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "period", "words"),
    [
        ("max_notional", 86_400_000, "12.5 USD asked for, and of 20 in 1d there are 8 left"),
        ("max_notional", 3_600_000, "12.5 USD asked for, and of 20 in 1h there are 8 left"),
        ("max_transfers", 120_000, "12.5 USDC asked for, and of 20 in 2m there are 8 left"),
        ("max_notional", 90_000, "12.5 USD asked for, and of 20 in 90s there are 8 left"),
        ("max_outstanding", 60_000, "12.5 USD outstanding asked for, and of 20 there are 8 left"),
    ],
)
def test_what_lacks_is_said_with_what_is_left(quantity: str, period: int, words: str) -> None:
    asked = Demand("r", quantity, 1, period, None, 12_500_000, 20_000_000)
    refused = lacking(Source("policy", "w/1"), Lacking(asked, 12_000_000, 5))
    assert refused.message == f"policy w/1, rule 'r': {words}; there is room in 5 ms at the latest"
    assert refused.code == "policy-refused"
    assert refused.details == {
        "rule": "r",
        "policy": "w/1",
        "quantity": quantity,
        "value": "12.5",
        "limit": "20",
        "left": "8",
        "retryAfterMs": 5,
    }


def test_orders_are_whole_and_what_is_over_leaves_nothing() -> None:
    refused = lacking(Source("policy", "p"), Lacking(demand(amount=2, limit=3), 9, None))
    assert refused.message == (
        "policy p, rule 'r': 2 orders asked for, and of 3 in 1h there are 0 left; more than the limit is never granted"
    )
    assert (refused.details["left"], "retryAfterMs" in refused.details) == ("0", False)


# ---- whole again --------------------------------------------------------------------------------------


def test_at_first_there_is_nothing_to_count_and_then_it_is_whole(place: Place) -> None:
    assert place.ensure_whole([(NOW, [[1, HOUR, 9, 0]])]) == 0, "there is no meter, so nothing can have been spent"
    place.reservations.meter_of("a")
    place.reservations.reserve([demand()])
    assert place.ensure_whole([(NOW, [[1, HOUR, 9, 0]])]) is None
    assert Place(place.folder).ensure_whole([(NOW, [[1, HOUR, 9, 0]])]) is None
    assert place.used(1) == 10


@pytest.mark.parametrize("lost", ["another boot", "another file", "no boot at all"])
def test_after_a_loss_it_is_counted_again_from_the_record(place: Place, lost: str) -> None:
    place.ensure_whole()
    place.reservations.meter_of("a")
    place.reservations.meter_of("b")
    place.reservations.reserve([demand(1, 25)])
    if lost == "another file":
        (place.folder / "meters").unlink()
    again = Place(place.folder, None if lost == "no boot at all" else "boot" if lost == "another file" else "other")
    spent = [(NOW - HOUR // 2, [[1, HOUR, 4, 0], [2, HOUR, 1, 0]]), (NOW - 5, [[1, HOUR, 3, 0]]), (NOW, [])]
    assert again.ensure_whole(spent) == 3
    assert [again.used(meter) for meter in (1, 2)] == [7, 1]
    assert (again.ensure_whole(spent) is None) is (lost != "no boot at all")
    assert [again.used(meter) for meter in (1, 2)] == [7, 1]


def test_what_is_counted_out_of_order_counts_for_longer_and_never_shorter(place: Place) -> None:
    place.reservations.meter_of("a")
    assert place.ensure_whole([(NOW, [[1, HOUR, 4, 0]]), (NOW - HOUR + 1_000, [[1, HOUR, 3, 0]])]) == 2
    place.now = NOW + HOUR // 2
    assert place.used(1) == 7


def test_what_is_outstanding_in_the_record_counts_until_its_end(place: Place) -> None:
    place.reservations.meter_of("a")
    assert place.ensure_whole([(NOW, [[1, HOUR, 4, NOW + 600_000]])]) == 1
    assert place.used(1, is_outstanding=True) == 4
    place.now = NOW + 700_000
    assert place.used(1, is_outstanding=True) == 0


def test_a_count_that_fails_is_made_again_by_the_next(place: Place) -> None:
    place.reservations.meter_of("a")

    def broken() -> Iterator[tuple[int, Sequence[Sequence[int]]]]:
        yield NOW, [[1, HOUR, 4, 0]]
        raise Unavailable("record-unreadable", "it cannot be read")

    with pytest.raises(Unavailable):
        place.reservations.ensure_whole(broken)
    assert place.ensure_whole([(NOW, [[1, HOUR, 4, 0]])]) == 1
    assert place.used(1) == 4
    with place.database.read() as connection:
        standing = connection.execute(sa.select(facts.c.value).where(facts.c.name == "meters")).scalars().all()
    assert standing == [f"boot {place.meters.file}"]
