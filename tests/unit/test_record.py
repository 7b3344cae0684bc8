"""No signature leaves before its record is durable."""

import asyncio
import errno
import gc
import os
import resource
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hyperkms.audit.file_sink import FileSink
from hyperkms.audit.record import HEAD, OPENING, SIGNATURE
from hyperkms.audit.sink import Durable, Group, LoopRecords, Ticket
from hyperkms.errors import Unavailable
from hyperkms.operations.pending import Pending
from hyperkms.receipt import NO_HEAD
from support.full_disk import files_at_most
from support.record import (
    entries_in,
    files_in,
    keyed_record,
    lines_in,
    logs_in,
    new_log_key,
    records_in,
    signature_record,
)
from support.service import START_S


def _refusal(ticket: Ticket) -> Unavailable:
    with pytest.raises(Unavailable) as refused:
        ticket.wait()
    return refused.value


def _lines(folder: Path) -> list[Any]:
    """Of records, in the one file that there is."""
    (_,) = files_in(folder)
    return records_in(folder)


def test_a_record_is_on_the_disk_when_its_ticket_is_done(tmp_path: Path) -> None:
    sink = FileSink(logs_in(tmp_path / "records"))
    position = sink.append(signature_record()).wait()
    (line,) = _lines(tmp_path / "records")
    assert (line["log"], line["index"]) == (position.log, position.index)
    assert position.index == 1
    sink.close()


def test_nothing_is_told_before_the_fsync_returns(tmp_path: Path) -> None:
    allowed = threading.Event()

    def slow(descriptor: int) -> None:
        assert allowed.wait(START_S)
        os.fsync(descriptor)

    sink = FileSink(logs_in(tmp_path / "records"), fsync=slow)
    waiting = sink.append(signature_record())
    assert not waiting.settled
    allowed.set()
    waiting.wait()
    sink.close()


def test_a_ticket_lets_go_of_who_waited_for_it() -> None:
    """It would be a circle otherwise, 20 objects a signature, and the collector took a tenth of the time."""
    group = Group()
    ticket = group.add(signature_record())
    with asyncio.Runner() as runner:
        call = [ticket].clear
        ticket.then(runner.get_loop(), call)
        assert group.settle(Durable("log", 0, ["00"], NO_HEAD, "fsync")) == (runner.get_loop(), [call])
    assert not any(call in each for each in gc.get_referents(group) if isinstance(each, list | tuple))


def test_records_that_wait_together_share_one_fsync(tmp_path: Path) -> None:
    first_entered, allowed, calls = threading.Event(), threading.Event(), []

    def counted(descriptor: int) -> None:
        calls.append(descriptor)
        first_entered.set()
        assert allowed.wait(START_S)

    sink = FileSink(logs_in(tmp_path / "records"), fsync=counted)
    tickets = [sink.append(signature_record())]
    assert first_entered.wait(START_S)
    tickets += [sink.append(signature_record(wallet=f"w{number}")) for number in range(100)]
    allowed.set()
    positions = [ticket.wait() for ticket in tickets]
    assert [position.index for position in positions] == list(range(1, 102))
    assert len(calls) == 2
    sink.close()


def test_many_threads_lose_no_record_and_share_no_place(tmp_path: Path) -> None:
    sink = FileSink(logs_in(tmp_path / "records"))
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda n: (n, sink.append(signature_record(wallet=f"w{n}")).wait().index), range(400)))
    sink.close()
    written = {line["index"]: line["record"]["wallet"] for line in _lines(tmp_path / "records")}
    assert written == {index: f"w{number}" for number, index in told}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_after_a_failed_fsync_nothing_is_ever_released(tmp_path: Path, number: int) -> None:
    failing = True

    def fsync(_descriptor: int) -> None:
        if failing:
            raise OSError(number, os.strerror(number))

    sink = FileSink(logs_in(tmp_path / "records"), fsync=fsync)
    sink.check()
    tickets = [sink.append(signature_record())]
    assert _refusal(tickets[0])
    failing = False
    tickets.append(sink.append(signature_record()))
    assert _refusal(tickets[1])
    with pytest.raises(Unavailable) as refused:
        sink.check()
    assert refused.value.code == "record-unwritable"
    sink.close()


def test_a_disk_that_does_not_answer_is_a_refusal_and_nothing_more_is_taken_until_it_does(tmp_path: Path) -> None:
    entered, allowed = threading.Event(), threading.Event()

    def hanging(descriptor: int) -> None:
        entered.set()
        assert allowed.wait(START_S)
        os.fsync(descriptor)

    sink = FileSink(logs_in(tmp_path / "records", stuck_after_s=0.2), fsync=hanging)
    tickets = [sink.append(signature_record())]
    assert entered.wait(START_S)
    tickets += [sink.append(signature_record()) for _ in range(3)]
    for ticket in tickets:
        assert "not answered" in _refusal(ticket).message
    assert "not answered" in _refusal(sink.append(signature_record())).message
    for ask in (sink.check, sink.announce):
        with pytest.raises(Unavailable):
            ask()
    allowed.set()
    while True:
        with suppress(Unavailable):
            sink.check()
            break
    position = sink.append(signature_record(wallet="after")).wait()
    sink.close()
    told = [line["record"]["wallet"] for line in records_in(tmp_path / "records")]
    assert (position.index, told) == (2, ["w", "after"])


def test_a_loop_hears_of_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    allowed = threading.Event()
    sink = FileSink(logs_in(tmp_path / "records", stuck_after_s=0.2), fsync=lambda _descriptor: assert_set(allowed))

    async def sign() -> None:
        records = LoopRecords(sink, asyncio.get_running_loop())
        told = await asyncio.gather(
            *(records.append(signature_record()).released() for _ in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in told] == [Unavailable] * 3

    asyncio.run(sign())
    allowed.set()
    sink.close()


def assert_set(event: threading.Event) -> None:
    assert event.wait(START_S)


def test_a_full_disk_refuses(tmp_path: Path) -> None:
    logs = logs_in(Path("/dev/full/records"), key=new_log_key(tmp_path))
    with pytest.raises(Unavailable):
        FileSink(logs)


def test_closing_writes_what_was_taken_and_takes_no_more(tmp_path: Path) -> None:
    sink = FileSink(logs_in(tmp_path / "records"))
    taken = [sink.append(signature_record()) for _ in range(50)]
    sink.close()
    assert [ticket.wait().index for ticket in taken] == list(range(1, 51))
    assert _refusal(sink.append(signature_record()))
    sink.close()


def test_every_process_has_a_file_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    logs = logs_in(tmp_path / "records")
    sinks = [FileSink(logs) for _ in range(3)]
    for sink in sinks:
        sink.append(signature_record()).wait()
    files = files_in(tmp_path / "records")
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "records").iterdir()} == {0o600}
    for sink in sinks:
        sink.close()


def test_a_process_that_signed_nothing_leaves_no_file(tmp_path: Path) -> None:
    FileSink(logs_in(tmp_path / "records")).close()
    assert not list((tmp_path / "records").iterdir())


def test_a_caller_that_gives_up_waiting_harms_no_other(tmp_path: Path) -> None:
    entered, allowed = threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        entered.set()
        assert allowed.wait(START_S)
        os.fsync(descriptor)

    async def give_up(durable: Ticket) -> None:
        waiting = asyncio.ensure_future(Pending(durable, lambda position: position).released())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    sink = FileSink(logs_in(tmp_path / "records"), fsync=slow)
    first = sink.append(signature_record())
    second = sink.append(signature_record())
    assert entered.wait(START_S)
    asyncio.run(give_up(first))
    allowed.set()
    assert [ticket.wait().index for ticket in (first, second)] == [1, 2]
    assert sink.append(signature_record()).wait().index == 3
    sink.close()
    assert len(_lines(tmp_path / "records")) == 3


def test_a_disk_that_was_full_is_written_again_in_a_new_file(tmp_path: Path) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = FileSink(logs_in(tmp_path / "records"))
    assert sink.append(signature_record()).wait().index == 1
    with files_at_most(600):
        refused = _refusal(sink.append(signature_record(wallet="w" * 2000)))
    assert refused.code == "record-unwritable"
    sink.check()
    after = sink.append(signature_record()).wait()
    sink.close()
    assert after.index == 1
    lines = [line for line in lines_in(tmp_path / "records") if line["log"] == after.log]
    assert [(line["index"], line["v"]) for line in lines] == [(0, OPENING), (1, SIGNATURE), (2, HEAD)]
    assert len(files_in(tmp_path / "records")) == 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == limit


def _remove_file(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _replace_file(folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_suffix(".moved"))
        file.touch()


@pytest.mark.parametrize("remove", [_remove_file, _remove_folder, _replace_file])
def test_a_record_whose_file_is_taken_away_during_the_fsync_is_not_released(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    away = False

    def fsync(descriptor: int) -> None:
        os.fsync(descriptor)
        if away:
            remove(tmp_path / "records")

    sink = FileSink(logs_in(tmp_path / "records"), fsync=fsync)
    sink.append(signature_record()).wait()
    away = True
    refused = _refusal(sink.append(signature_record()))
    assert "removed or replaced" in refused.message
    away = False
    assert sink.append(signature_record()).wait().index == 1
    sink.close()


@pytest.mark.parametrize("remove", [_remove_file, _remove_folder, _replace_file])
def test_a_file_taken_away_between_signatures_is_followed_by_a_new_one(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    sink = FileSink(logs_in(tmp_path / "records"))
    before = sink.append(signature_record()).wait()
    remove(tmp_path / "records")
    after = sink.append(signature_record()).wait()
    sink.close()
    assert after.log != before.log
    assert [line["log"] for line in records_in(tmp_path / "records")] == [after.log]


def test_records_of_one_turn_of_the_loop_share_one_fsync(tmp_path: Path) -> None:
    calls: list[int] = []
    sink = FileSink(logs_in(tmp_path / "records"), fsync=calls.append)

    async def sign_at_once() -> list[int]:
        records = LoopRecords(sink, asyncio.get_running_loop())
        positions = await asyncio.gather(
            *(records.append(signature_record(wallet=f"w{number}")).released() for number in range(50))
        )
        return [position.index for position in positions]

    assert asyncio.run(sign_at_once()) == list(range(1, 51))
    assert len(calls) == 1
    sink.close()


def test_a_loop_hears_of_a_failed_fsync(tmp_path: Path) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = FileSink(logs_in(tmp_path / "records"), fsync=fsync)

    async def sign() -> None:
        records = LoopRecords(sink, asyncio.get_running_loop())
        told = await asyncio.gather(
            *(records.append(signature_record()).released() for _ in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in told] == [Unavailable] * 3

    asyncio.run(sign())
    sink.close()


class Follower:
    """What is told of signatures under an Idempotency-Key."""

    def __init__(self) -> None:
        self.logs: list[tuple[str, int]] = []
        self.places: list[tuple[int, int, int]] = []

    def announce(self, log: str, length: int) -> None:
        self.logs.append((log, length))

    def wrote(self, _log: str, places: Sequence[tuple[int, int, int]]) -> None:
        self.places += places


def test_a_signature_under_a_key_is_taken_once_its_log_is_announced_and_its_place_is_told(tmp_path: Path) -> None:
    follower = Follower()
    sink = FileSink(logs_in(tmp_path / "records"), keyed=follower)
    first = sink.append(signature_record()).wait()
    announced = [sink.is_announced]
    assert _refusal(sink.append(keyed_record())).code == "record-unwritable"
    for _ in range(2):
        sink.announce()
    announced.append(sink.is_announced)
    assert announced == [False, True]
    assert sink.append(keyed_record()).wait().index == 2
    (file,) = files_in(tmp_path / "records")
    start = len(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    assert follower.logs == [(first.log, start)]
    assert follower.places == [(2, start, file.stat().st_size)]
    sink.close()


def test_an_announced_file_stays_without_a_line(tmp_path: Path) -> None:
    """After a crash it is looked for: what its process answered stands there, and that is nothing."""

    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    sink = FileSink(logs_in(tmp_path / "records"), fsync=fsync, keyed=Follower())
    sink.announce()
    assert _refusal(sink.append(keyed_record()))
    sink.close()
    (file,) = files_in(tmp_path / "records")
    assert file.read_bytes() == b""
    assert [(entry["event"], entry.get("size")) for entry in entries_in(tmp_path / "records")[1:]] == [
        ("open", None),
        ("close", 0),
    ]


def test_a_writer_that_meets_an_error_of_its_own_tells_who_waits(tmp_path: Path) -> None:
    class Broken(Follower):
        def wrote(self, _log: str, _places: Sequence[tuple[int, int, int]]) -> None:
            raise ZeroDivisionError

    sink = FileSink(logs_in(tmp_path / "records"), keyed=Broken())
    sink.announce()
    assert _refusal(sink.append(keyed_record())).code == "record-unwritable"
    assert sink.append(signature_record()).wait().index == 1
    sink.close()
    assert [line["v"] for line in lines_in(tmp_path / "records")] == [OPENING, SIGNATURE, HEAD]


class Raising:
    """An observer that breaks its word."""

    def __init__(self) -> None:
        self.entered, self.allowed = threading.Event(), threading.Event()

    def committed(self, _size: int) -> None:
        self.entered.set()
        assert self.allowed.wait(START_S)
        raise RuntimeError

    def commit_failed(self, _size: int) -> None:
        raise RuntimeError


def test_where_the_writing_thread_ends_before_its_time_nobody_waits_for_it(tmp_path: Path) -> None:
    observer = Raising()
    sink = FileSink(logs_in(tmp_path / "records"), observer=observer)
    tickets = [sink.append(signature_record())]
    assert observer.entered.wait(START_S)
    tickets += [sink.append(signature_record()) for _ in range(3)]
    observer.allowed.set()
    for ticket in tickets:
        assert "RuntimeError" in _refusal(ticket).message
    assert "RuntimeError" in _refusal(sink.append(signature_record())).message
    for ask in (sink.check, sink.announce):
        with pytest.raises(Unavailable, match="RuntimeError"):
            ask()
    sink.close()


def test_a_record_that_is_closed_is_not_announced_any_more_and_begins_no_log(tmp_path: Path) -> None:
    sink = FileSink(logs_in(tmp_path / "records"))
    sink.close()
    for ask in (sink.announce, sink.check):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert refused.value.code == "record-closed"
    assert files_in(tmp_path / "records") == []
