"""Counting: what fails, what waits, what another release left, and the names that the documents use."""

import asyncio
import errno
import os
import re
import threading
from pathlib import Path

import pytest

from hyperkms.access.limits import What
from hyperkms.audit.file_sink import FileSink
from hyperkms.errors import Unavailable
from hyperkms.http.metrics_page import metrics_page
from hyperkms.http.threads import MAKING_THREADS, Threads
from hyperkms.metrics.catalogue import FAMILIES
from hyperkms.metrics.counting import Metrics
from hyperkms.metrics.samples import CONTENT_TYPE
from support.in_process import Here, here
from support.record import logs_in, signature_record
from support.scraped import Scraped, parse
from support.service import Answer

DOCS = Path(__file__).parents[2] / "docs"


def _scraped(opened: Here) -> Scraped:
    return parse(Answer(200, {"content-type": CONTENT_TYPE}, metrics_page(opened.parts)))


def test_records_that_fail_are_counted_and_their_fsync_is_not(tmp_path: Path) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with here(tmp_path / "data") as opened:
        metrics, before = opened.parts.metrics, _scraped(opened)
        sink = FileSink(logs_in(tmp_path / "of-a-sink" / "records"), fsync=metrics.timed(full), observer=metrics)
        for _ in range(3):
            ticket = sink.append(signature_record(signed={}))
            with pytest.raises(Unavailable):
                ticket.wait()
        sink.close()
        scraped = _scraped(opened)
    assert scraped.value("hyperkms_record_failures_total") == 3
    for name in ("hyperkms_record_group_size_count", "hyperkms_record_fsync_seconds_count"):
        assert scraped.value(name) == before.value(name)


def test_threads_are_told_in_use_and_waited_for(tmp_path: Path) -> None:
    async def work(opened: Here) -> tuple[Scraped, Scraped]:
        threads, done, begun = Threads(opened.parts.metrics), threading.Event(), threading.Semaphore(0)

        def wait() -> None:
            begun.release()
            done.wait()

        tasks = [asyncio.create_task(threads.make(wait)) for _ in range(MAKING_THREADS + 3)]
        tasks.append(asyncio.create_task(threads.sign(wait)))
        for _ in range(MAKING_THREADS + 1):
            await asyncio.to_thread(begun.acquire)
        busy = _scraped(opened)
        done.set()
        await asyncio.gather(*tasks)
        return busy, _scraped(opened)

    with here(tmp_path / "data") as opened:
        opened.parts.metrics.serve("none")
        busy, idle = asyncio.run(work(opened))
    assert busy.value("hyperkms_threads_in_use", pool="making") == MAKING_THREADS
    assert busy.value("hyperkms_threads_waited_for", pool="making") == 3
    assert busy.value("hyperkms_threads_in_use", pool="signing") == 1
    assert busy.value("hyperkms_signing_fallbacks_total") == 1
    for pool in ("making", "signing"):
        assert idle.value("hyperkms_threads_in_use", pool=pool) == 0
        assert idle.value("hyperkms_threads_waited_for", pool=pool) == 0


def test_a_worker_that_follows_a_dead_one_begins_with_idle_threads(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        dead = Metrics(opened.data)
        dead.serve("mlock")
        dead.workers.asked(0)
        dead.close()
        opened.parts.metrics.serve("none")
        scraped = _scraped(opened)
    assert scraped.value("hyperkms_threads_in_use", pool="signing") == 0
    assert scraped.value("hyperkms_workers", memory_protection="none") == 1
    assert scraped.total("hyperkms_workers") == 1


def test_the_page_is_there_while_the_service_cannot_sign(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        opened.parts.metrics.limited(What.SIGN)
        (opened.data / "shared").unlink()
        scraped = _scraped(opened)
    assert scraped.value("hyperkms_ready") == 0
    assert scraped.value("hyperkms_limit_refusals_total", limit="sign") == 1
    assert "hyperkms_wallets" not in scraped.types


def test_what_a_code_or_a_route_of_nowhere_is_counted_as(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        opened.parts.metrics.request("GET", None, 0, 0.0, "no-such-code")
        opened.parts.metrics.request("BREW", "/wallets", 299, 1e9, None)
        scraped = _scraped(opened)
    assert scraped.value("hyperkms_refusals_total", code="other") == 1
    assert scraped.value("hyperkms_requests_total", method="other", route="other", status="other") == 1
    assert scraped.value("hyperkms_requests_total", method="other", route="other", status="2xx") == 1
    assert scraped.value("hyperkms_request_duration_seconds_bucket", group="other", le="5.0") == 1
    assert scraped.value("hyperkms_request_duration_seconds_count", group="other") == 2


def test_serving_removes_the_counters_of_releases_that_counted_otherwise(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        (opened.data / "metrics-00000000").write_bytes(b"")
        opened.parts.metrics.serve("none")
        assert len(list(opened.data.glob("metrics-*"))) == 1
        assert not (opened.data / "metrics-00000000").exists()


def test_the_sweep_is_counted_and_its_last_time_told(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        assert not [name for name, _ in _scraped(opened).samples if name == "hyperkms_last_sweep_timestamp_seconds"]
        opened.parts.metrics.swept(now=1_780_000_000_500)
        opened.parts.metrics.sweep_failed()
        scraped = _scraped(opened)
    assert scraped.value("hyperkms_last_sweep_timestamp_seconds") == 1_780_000_000.5
    assert scraped.value("hyperkms_sweeps_total", outcome="done") == 1
    assert scraped.value("hyperkms_sweeps_total", outcome="failed") == 1


def test_every_name_in_the_documents_is_a_metric_and_every_metric_is_in_them() -> None:
    text = (DOCS / "metrics.md").read_text()
    parts = {
        family.name + suffix
        for family in FAMILIES
        for suffix in (("", "_bucket", "_sum", "_count") if family.bounds else ("",))
    }
    used = set(re.findall(r"\bhyperkms_[a-z_]+[a-z]\b", text)) - {"hyperkms_worker"}
    assert used <= parts, used - parts
    assert {family.name for family in FAMILIES} == set(re.findall(r"^\| `(hyperkms_\w+)` \|", text, re.MULTILINE))
