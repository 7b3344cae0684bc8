"""Verification of a record that is being written, and of one that is larger than memory should have to be."""

import random
import threading
import tracemalloc
from pathlib import Path

import pytest

from hyperkms.audit.merkle import Tree
from hyperkms.audit.reading.findings import Code
from hyperkms.audit.reading.verify import Expected, Report, verify
from support.chained_record import SIGNATURE, Log, Record, compact, leaf, signature_record

STEPS = 600


class Halting(Log):
    """Writes each line in two halves, between which somebody may read."""

    def write(self, kind: int, record: object) -> bytes:
        file = self.files[-1]
        before = file.stat().st_size
        line = super().write(kind, record)
        whole = file.read_bytes()[before:]
        with file.open("r+b") as again:
            again.truncate(before)
            again.seek(before)
            again.write(whole[: len(whole) // 2])
            again.flush()
            again.write(whole[len(whole) // 2 :])
        return line


def write_on(record: Record, ended: threading.Event) -> None:
    """Logs that come, go on in further files and end, as a service with restarts makes them."""
    chance = random.Random(17)  # noqa: S311 (which step comes next)
    logs: list[Log] = []
    try:
        for number in range(STEPS):
            if not logs or (len(logs) < 4 and chance.random() < 0.05):
                logs.append(Halting(record, f"{number:032x}"))
            log = chance.choice(logs)
            step = chance.random()
            if step < 0.1:
                log.head()
            elif step < 0.14:
                log.next_segment()
            elif step < 0.17:
                log.close(chance.choice(["closed", "found"]))
                logs.remove(log)
            else:
                log.sign(chance.randrange(1, 4))
    finally:
        ended.set()


def test_nothing_is_found_at_any_moment_of_the_writing(tmp_path: Path) -> None:
    record, ended = Record(tmp_path / "records"), threading.Event()
    writer = threading.Thread(target=write_on, args=(record, ended))
    writer.start()
    reports: list[Report] = []
    while not ended.is_set():
        reports.append(verify(record.folder, Expected()))
    writer.join()
    reports.append(verify(record.folder, Expected(anchor=record.write_anchor(tmp_path / "anchor"))))
    assert [report.findings for report in reports if report.findings] == []
    assert len(reports) > 1
    assert reports[-1].lines > STEPS
    assert {note.code for report in reports for note in report.notes} <= {Code.LOG_OPEN, Code.TAIL_TORN}


def large(folder: Path, lines: int) -> Record:
    """A closed log of so many lines, written without holding them."""
    record = Record(folder / "records")
    log = record.log()
    tree, prev = Tree(), leaf(log.lines[0])
    tree.append(prev)
    with log.files[0].open("ab") as file:
        for index in range(1, lines):
            text = compact(signature_record(index, record.now + index))
            prefix = (SIGNATURE, log.id.encode(), index, prev.hex().encode(), text)
            line = b'{"v":%d,"log":"%b","index":%d,"prev":"%b","record":%b}' % prefix
            prev = leaf(line)
            tree.append(prev)
            file.write(line + b"\n")
    record.announce("close", log=log.id, size=lines, root=tree.root().hex(), how="found")
    return record


def peak_of(record: Record) -> int:
    tracemalloc.start()
    try:
        report = verify(record.folder, Expected())
        assert report.findings == ()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length_of_a_log(tmp_path: Path) -> None:
    small, more = (large(tmp_path / f"{lines}", lines) for lines in (5_000, 40_000))
    first, second = peak_of(small), peak_of(more)
    assert second < first * 1.1 + 100_000
    assert second < 8 << 20


@pytest.mark.parametrize("lines", [1, 2, 3000])
def test_progress_is_told_in_bytes_up_to_the_size_of_the_files(tmp_path: Path, lines: int) -> None:
    record = large(tmp_path, lines)
    told: list[int] = []
    verify(record.folder, Expected(), told.append)
    assert sum(told) == sum(file.stat().st_size for file in record.folder.glob("2*"))
