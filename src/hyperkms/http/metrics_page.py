"""The page of metrics: what all workers have counted, and what stands as it is now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version

from hyperkms.audit.space_ahead import RECORD_FULL, left_in
from hyperkms.errors import HyperkmsError
from hyperkms.http.threads import MAKING_THREADS, SIGNING_THREADS
from hyperkms.metrics import catalogue as names
from hyperkms.metrics.samples import Reading, Sample, page
from hyperkms.metrics.workers import Worker
from hyperkms.operations.parts import Parts
from hyperkms.operations.readiness import why_not_ready

_THREADS = {"signing": SIGNING_THREADS, "making": MAKING_THREADS}


def metrics_page(parts: Parts) -> bytes:
    """For a thread that may wait. While the service is not ready the page says so, and nothing of the database."""
    now, fault = parts.clock(), why_not_ready(parts)
    ready = fault is None
    workers = list(parts.metrics.workers.running())
    readings = (
        *parts.metrics.stored(),
        (names.READY, [Sample((), int(ready))]),
        (names.RECORD_EMERGENCY, [Sample((), int(fault is not None and fault.code == RECORD_FULL))]),
        (names.RECORD_EMERGENCY_BYTES, [Sample((), left_in(parts.records))]),
        *_of_sweep(parts),
        *(_of_database(parts, now) if ready else ()),
        *_of_threads(workers),
        *_of_workers(workers, now),
        (names.BUILD, [Sample((_release(),), 1)]),
    )
    return page(readings)


def _of_sweep(parts: Parts) -> Iterator[Reading]:
    last = parts.metrics.last_sweep_ms()
    yield names.LAST_SWEEP, [] if last is None else [Sample((), last / 1000)]


def _of_database(parts: Parts, now: int) -> Iterator[Reading]:
    try:
        found = parts.census.take(now)
    except HyperkmsError:
        return
    yield names.WALLETS, _by_label(found.wallets)
    yield names.KEY_VERSIONS, _by_label(found.key_versions)
    yield names.CLIENTS, _by_label(found.clients)


def _of_threads(workers: Iterable[Worker]) -> Iterator[Reading]:
    there, in_use, waited_for = (dict.fromkeys(names.POOLS, 0) for _ in range(3))
    for worker in workers:
        for pool, asked in zip(names.POOLS, worker.asked, strict=True):
            busy = min(asked, _THREADS[pool])
            there[pool] += _THREADS[pool]
            in_use[pool] += busy
            waited_for[pool] += asked - busy
    yield names.THREADS, _by_label(there)
    yield names.THREADS_IN_USE, _by_label(in_use)
    yield names.THREADS_WAITED_FOR, _by_label(waited_for)


def _of_workers(workers: Iterable[Worker], now: int) -> Iterator[Reading]:
    locks = Counter(worker.memory_protection for worker in workers)
    yield names.WORKERS, _by_label({lock: locks[lock] for lock in names.LOCKS})
    wanted = {worker.service: worker.wanted for worker in workers}
    yield names.WORKERS_WANTED, [Sample((), sum(wanted.values()))]
    yield names.WORKER_START, [Sample((str(worker.number),), worker.started_ms / 1000) for worker in workers]
    resident = [(worker.number, worker.resident) for worker in workers]
    yield names.WORKER_RSS, [Sample((str(number),), size) for number, size in resident if size is not None]
    oldest = min((worker.started_ms for worker in workers), default=None)
    yield names.UPTIME, [] if oldest is None else [Sample((), max(0, now - oldest) / 1000)]


def _by_label(numbers: Mapping[str, int]) -> list[Sample]:
    return [Sample((label,), number) for label, number in numbers.items()]


@cache
def _release() -> str:
    return version("hyperkms")
