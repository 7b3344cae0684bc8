"""Log lines on their way out: in their order, whole, and never waited for."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyperkms.http.log_output import LogOutput
from support.service import START_S

MOST = 256 * 1024


@dataclass
class Pipe:
    """An output into a pipe, and the losses it was told of."""

    reads: int
    output: LogOutput
    losses: list[int] = field(default_factory=list)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reads, writes = os.pipe()
    made = Pipe(reads, LogOutput(writes, MOST))
    made.output.count_losses(made.losses.append)
    yield made
    os.close(reads)  # what a test left unwritten fails at once
    made.output.flush(START_S)
    os.close(writes)


def _line(number: int) -> bytes:
    return json.dumps({"number": number, "words": "w" * 300}).encode() + b"\n"


def _until(pipe: Pipe, end: bytes) -> list[bytes]:
    read = b""
    while not read.endswith(end):
        read += os.read(pipe.reads, 65536)
    return read.splitlines(keepends=True)


def test_what_a_stopped_reader_leaves_no_room_for_is_lost_counted_and_told_of_in_its_place(pipe: Pipe) -> None:
    number = 0
    while not pipe.losses:
        pipe.output.put(_line(number))
        number += 1
    pipe.output.put(_line(number) + _line(number + 1))
    assert pipe.losses == [1, 2]
    read = _until(pipe, b'Z"}\n')
    assert read[:-1] == [_line(each) for each in range(number - 1)]
    told = json.loads(read[-1])
    assert (told["event"], told["level"], told["lines"]) == ("lines-lost", "warning", 3)
    pipe.output.flush(START_S)
    pipe.output.put(_line(-1))
    assert _until(pipe, b"\n") == [_line(-1)]


def test_lines_of_several_threads_arrive_whole_and_in_the_order_of_each(pipe: Pipe) -> None:
    def put(first: int) -> None:
        for number in range(first, first + 100):
            pipe.output.put(_line(number))

    threads = [threading.Thread(target=put, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.output.put(b"{}\n")
    numbers = [json.loads(line)["number"] for line in _until(pipe, b"{}\n")[:-1]]
    for first in (0, 1000):
        assert [number for number in numbers if first <= number < first + 100] == list(range(first, first + 100))


def test_a_line_longer_than_a_pipe_takes_at_once_arrives_whole(pipe: Pipe) -> None:
    long = json.dumps("w" * 30_000).encode() + b"\n"
    pipe.output.put(_line(0) + long + _line(1))
    assert _until(pipe, _line(1)) == [_line(0), long, _line(1)]


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing() -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    output = LogOutput(writes)
    lines = [_line(number) for number in range(1000)]
    output.put(b"".join(lines))
    assert _until(Pipe(reads, output), lines[-1]) == lines
    assert os.get_blocking(writes) is False
    os.close(reads)
    os.close(writes)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_lines_that_a_full_disk_does_not_take_are_counted_and_told_of_once_there_is_room(tmp_path: Path) -> None:
    losses: list[int] = []
    (tmp_path / "log").touch()
    descriptor, full, disk = os.dup(1), os.open("/dev/full", os.O_WRONLY), os.open(tmp_path / "log", os.O_WRONLY)
    output = LogOutput(descriptor)
    output.count_losses(losses.append)
    os.dup2(full, descriptor)
    output.put(_line(0) + _line(1))
    output.flush(START_S)
    assert losses == [2]
    os.dup2(disk, descriptor)
    output.put(_line(2))
    output.flush(START_S)
    written = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    assert written[0] == _line(2)
    assert [json.loads(line)["lines"] for line in written[1:]] == [2]
    for each in (descriptor, full, disk):
        os.close(each)
