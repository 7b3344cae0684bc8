"""Which cell of the mapped file counts what."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from hyperkms.metrics.catalogue import STORED, Family, Kind

LAST_SWEEP_CELL = 0
_FIRST_SERIES = 16
FIRST_WORKER = (1 << 17) - 1024
"""From here on: the workers (workers.py)."""


@dataclass(frozen=True, slots=True)
class Place:
    """The first cell of a series; a histogram has its buckets there, the infinite one after them, then the sum."""

    first: int
    buckets: int
    total: int
    """The cell of a histogram's sum."""


def _lay_out() -> Mapping[tuple[str, tuple[str, ...]], Place]:
    places: dict[tuple[str, tuple[str, ...]], Place] = {}
    cell = _FIRST_SERIES
    for family in STORED:
        buckets = len(family.bounds) + 1 if family.kind is Kind.HISTOGRAM else 0
        for values in family.series:
            places[family.name, values] = Place(cell, buckets, cell + buckets)
            cell += buckets + 1
    if cell > FIRST_WORKER:
        raise AssertionError("there are more series than cells")
    return places


_PLACES = _lay_out()
LAYOUT = hashlib.sha256(repr(STORED).encode()).hexdigest()[:8]
"""Differs between releases that count otherwise: a file of one is not read by the other."""


def place(family: Family, *values: str) -> Place:
    """Where a series of the catalogue is counted."""
    return _PLACES[family.name, values]
