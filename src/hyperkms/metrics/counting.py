"""Counting: in a mapped file that all processes of the host share, so that any of them can tell the sum.

To count takes a fraction of a microsecond and never waits. The file outlives the processes.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from hyperkms._core import SharedCounters
from hyperkms.access.limits import What
from hyperkms.metrics import catalogue as names
from hyperkms.metrics.catalogue import Family, Kind
from hyperkms.metrics.cells import LAST_SWEEP_CELL, LAYOUT, place
from hyperkms.metrics.routes import OTHER, ROUTES
from hyperkms.metrics.samples import Distribution, Reading, Sample
from hyperkms.metrics.workers import Workers
from hyperkms.wallet import KeyType

_PREFIX = "metrics-"
_NS = 1e9
_DURATION_BOUNDS = names.DURATIONS.bounds
_STAGE_BOUNDS = [round(bound * _NS) for bound in names.STAGES.bounds]
_KINDS = (KeyType.ED25519, KeyType.SECP256K1)
_STATUS_PLACE = (3, 3, 0, 3, 1, 2)
"""By the first digit of a status: its place among STATUSES."""


class Metrics:
    """What this process counts, and what all processes of the host have counted together."""

    def __init__(self, folder: Path, *, workers: int = 1) -> None:
        self._path = folder / f"{_PREFIX}{LAYOUT}"
        self._counters = SharedCounters.open(self._path)
        self._add = self._counters.add
        self._observe = self._counters.observe
        self._observe_spans = self._counters.observe_spans
        self._stages = place(names.STAGES, names.STAGE_NAMES[0]).first
        self.workers = Workers(self._counters, self._path, workers)
        self._routes = {route: _cells_of_route(*route, group) for route, group in ROUTES.items()}
        self._other_route = _cells_of_route(OTHER, OTHER, OTHER)
        self._groups, self._fsyncs = place(names.GROUP_SIZES), place(names.FSYNCS)
        self._codes = {code: place(names.REFUSALS, code).first for code in names.CODES}
        self._kinds = {
            operation: tuple(place(names.SIGNATURES, kind.value, operation).first for kind in _KINDS)
            for operation in names.OPERATIONS
        }

    def serve(self, memory_protection: str) -> None:
        """This process is a worker from here on; files of releases that counted otherwise are removed."""
        for found in self._path.parent.glob(f"{_PREFIX}*"):
            if found != self._path and ".draft" not in found.name:
                with suppress(FileNotFoundError):
                    found.unlink()
        self.workers.enter(memory_protection)

    def close(self) -> None:
        """Leave the workers; what was counted stays."""
        self.workers.close()

    # ---- counting ------------------------------------------------------------------------------------

    def request(self, method: str, route: str | None, status: int, seconds: float, code: str | None) -> None:
        """A request was answered; `route` is a template, `code` that of a problem."""
        statuses, buckets, total = self._routes.get((method, route or ""), self._other_route)
        self._add(statuses + _STATUS_PLACE[status // 100], amount=1)
        self._observe(buckets + bisect_left(_DURATION_BOUNDS, seconds), total=total, amount=int(seconds * _NS))
        if code is not None:
            self._refused(code)

    def signed(self, key_type: KeyType, operation: str) -> None:
        """A signature leaves."""
        cells = self._kinds[operation if operation in self._kinds else OTHER]
        self._add(cells[key_type is KeyType.SECP256K1], amount=1)

    def stages(self, stamps: Sequence[int]) -> None:
        """An action was signed: when it came, and when each stage ended; nanoseconds."""
        self._observe_spans(self._stages, bounds=_STAGE_BOUNDS, stamps=stamps)

    def limited(self, what: What) -> None:
        """A limit was passed."""
        self._count(names.LIMIT_REFUSALS, what.name.lower())

    def fell_back(self) -> None:
        """A signing request needs a thread."""
        self._count(names.FALLBACKS)

    def key_opened(self) -> None:
        """A sealed key was opened."""
        self._count(names.KEYS_OPENED)

    def aws_called(self, service: str, operation: str, outcome: str, seconds: float) -> None:
        """AWS was called; the names are those of the catalogue."""
        self._count(names.AWS_CALLS, service, operation, outcome)
        found = place(names.AWS_DURATIONS, service, operation, outcome)
        bucket = found.first + bisect_left(names.AWS_DURATIONS.bounds, seconds)
        self._observe(bucket, total=found.total, amount=int(seconds * _NS))

    def committed(self, size: int) -> None:
        """So many records are durable, by one fsync."""
        bucket = self._groups.first + bisect_left(names.GROUP_SIZES.bounds, size)
        self._observe(bucket, total=self._groups.total, amount=size)

    def commit_failed(self, size: int) -> None:
        """So many records could not be made durable."""
        self._add(place(names.RECORD_FAILURES).first, amount=size)

    def anchor_failed(self) -> None:
        """Heads or entries of the record could not be written a second time, on the other disk."""
        self._count(names.ANCHOR_FAILURES)

    def row_altered(self) -> None:
        """A subject in the database is not what was signed."""
        self._count(names.ROWS_ALTERED)

    def timed(self, fsync: Callable[[int], None]) -> Callable[[int], None]:
        """The same fsync, and its time counted when it succeeds."""
        observe, first, total, bounds = self._observe, self._fsyncs.first, self._fsyncs.total, names.FSYNCS.bounds
        clock = time.perf_counter

        def measured(descriptor: int) -> None:
            started = clock()
            fsync(descriptor)
            taken = clock() - started
            observe(first + bisect_left(bounds, taken), total=total, amount=int(taken * _NS))

        return measured

    def swept(self, *, now: int) -> None:
        """The sweep came to its end; milliseconds since 1970."""
        self._count(names.SWEEPS, "done")
        self._counters.raise_to(LAST_SWEEP_CELL, floor=now)

    def sweep_failed(self) -> None:
        """The sweep was cut off by an error."""
        self._count(names.SWEEPS, "failed")

    def log_lines_lost(self, number: int) -> None:
        """So many lines of the log were not written."""
        self._add(place(names.LOG_LINES_LOST).first, amount=number)

    # ---- reading -------------------------------------------------------------------------------------

    def stored(self) -> Iterator[Reading]:
        """What all processes have counted."""
        for family in names.STORED:
            if family.kind is Kind.HISTOGRAM:
                yield family, [self._distribution(family, values) for values in family.series]
            else:
                cells = ((values, place(family, *values).first) for values in family.series)
                yield family, [Sample(values, self._counters.read(cell)) for values, cell in cells]

    def last_sweep_ms(self) -> int | None:
        """Milliseconds since 1970; None if there was none."""
        return self._counters.read(LAST_SWEEP_CELL) or None

    def _distribution(self, family: Family, values: tuple[str, ...]) -> Distribution:
        found = place(family, *values)
        buckets = tuple(self._counters.read(found.first + bucket) for bucket in range(found.buckets))
        total = self._counters.read(found.total)
        return Distribution(values, buckets, total if family is names.GROUP_SIZES else total / _NS)

    def _refused(self, code: str) -> None:
        self._add(self._codes.get(code) or self._codes[OTHER], amount=1)
        if code == "invalid-api-key":
            self._count(names.FAILED_AUTHENTICATIONS)

    def _count(self, family: Family, *values: str) -> None:
        self._add(place(family, *values).first, amount=1)


def _cells_of_route(method: str, route: str, group: str) -> tuple[int, int, int]:
    """The first of its statuses, the first bucket of its group, the sum of its group."""
    durations = place(names.DURATIONS, group)
    return place(names.REQUESTS, method, route, names.STATUSES[0]).first, durations.first, durations.total
