"""What the writer leaves is what docs/formats.md says, read by another implementation, whatever went wrong."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms.audit.anchor import Anchor
from hyperkms.audit.chain import KeyedPlace
from hyperkms.audit.file_sink import FileSink
from hyperkms.audit.left_logs import bring_in_order
from hyperkms.audit.log import Logs
from hyperkms.audit.reading.findings import Code
from hyperkms.audit.reading.verify import Expected, verify
from hyperkms.audit.segments import MANIFEST
from hyperkms.audit.sink import Position
from hyperkms.errors import Unavailable
from support.full_disk import files_at_most
from support.record import entries_in, files_in, keyed_record, lines_in, logs_in, signature_record
from support.record_reader import leaf, read_logs, read_manifest

OLD_LOG = "ab" * 16


def written(sink: FileSink, text: str = "") -> Position:
    return sink.append(signature_record(signed={"messageBytes": 2, "text": f"{text}\n\u2028"})).wait()


@contextmanager
def sink_in(folder: Path, **writing: Any) -> Iterator[FileSink]:
    sink = FileSink(logs_in(folder, **writing))
    try:
        yield sink
    finally:
        sink.close()


def events(folder: Path) -> list[str]:
    return [entry["event"] for entry in entries_in(folder)]


def test_a_log_is_a_chain_that_begins_with_who_writes_it_and_ends_with_a_head(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder) as sink:
        positions = [written(sink, str(number)) for number in range(20)]
    ((log, read),) = read_logs(folder).items()
    assert [line["v"] for line in read.lines] == [11, *[12] * 20, 17]
    for position in positions:
        assert (position.log, position.leaf_hash) == (log, read.leaves[position.index].hex())
    opening = read.lines[0]["record"]
    assert (opening["pid"], opening["durability"], opening["release"]) == (os.getpid(), "fsync", "test")
    assert events(folder) == ["key", "open", "close"]
    assert entries_in(folder)[-1]["size"] == 22
    assert entries_in(folder)[-1]["how"] == "closed"


def test_a_process_that_records_nothing_makes_no_log(tmp_path: Path) -> None:
    with sink_in(tmp_path / "records") as sink:
        sink.check()
    assert {path.name for path in (tmp_path / "records").iterdir()} <= {"manifest.lock"}


def test_a_line_gets_a_head_though_nothing_follows_it_and_a_head_alone_gets_none(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder, head_after_s=0.0) as sink:
        written(sink)
        while len(lines_in(folder)) < 3:
            pass
        written(sink)
        while len(lines_in(folder)) < 5:
            pass
    assert [line["v"] for line in lines_in(folder)] == [11, 12, 17, 12, 17]
    read_logs(folder)


def test_a_receipt_has_the_newest_head_before_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder, head_after_s=0.0) as sink:
        first = written(sink)
        while len(lines_in(folder)) < 3:
            pass
        second = written(sink)
    assert bytes(first.head) == b"null"
    head = lines_in(folder)[2]["record"]
    assert json.loads(bytes(second.head)) == {
        name: head[name] for name in ("size", "root", "time", "keyId", "signature")
    }


def test_a_log_goes_on_in_further_files_with_its_indexes_and_its_chain(tmp_path: Path) -> None:
    folder, places = tmp_path / "records", list[KeyedPlace]()

    class Follower:
        def announce(self, log: str, length: int) -> None:
            """Nothing is looked for here."""

        def wrote(self, _log: str, told: Any) -> None:
            places.extend(told)

    sink = FileSink(logs_in(folder, segment_bytes=1500), keyed=Follower())
    sink.announce()
    for number in range(12):
        written(sink, "x" * 300 if number % 3 else "")
        sink.append(keyed_record()).wait()
    sink.close()
    ((log, read),) = read_logs(folder).items()
    assert len(read.files) > 3
    assert [line["index"] for line in read.lines] == list(range(26))
    assert events(folder) == ["key", "open", *["segment"] * (len(read.files) - 1), "close"]
    assert {path.stat().st_mode & 0o777 for path in read.files} == {0o600}
    whole = b"".join(path.read_bytes() for path in read.files)
    for place in places:
        line = json.loads(whole[place.start : place.end])
        assert (line["log"], line["index"], line["v"]) == (log, place.number, 15)
    assert len(places) == 12


# ---- what goes wrong ----------------------------------------------------------------------------------------


def test_a_log_whose_first_lines_could_not_be_written_goes_on_and_the_manifest_is_true(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder) as sink:
        with files_at_most(8_000):
            for _ in range(5):
                with pytest.raises(Unavailable):
                    written(sink, "x" * 20_000)
        assert [path.read_bytes() for path in files_in(folder)] == [b""]
        assert written(sink).index == 1
    assert len(read_logs(folder)) == 1
    assert events(folder) == ["key", "open", "close"]


def test_lines_that_could_not_be_written_are_in_no_tree_and_a_new_log_follows(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder) as sink:
        first = written(sink)
        with files_at_most(8_000), pytest.raises(Unavailable):
            written(sink, "x" * 20_000)
        second = written(sink)
    logs = read_logs(folder)
    assert first.log != second.log
    assert [line["v"] for line in logs[first.log].lines] == [11, 12]
    assert [line["v"] for line in logs[second.log].lines] == [11, 12, 17]
    closed = {entry["log"]: entry["size"] for entry in entries_in(folder) if entry["event"] == "close"}
    assert closed == {first.log: 2, second.log: 3}


def test_an_end_that_the_manifest_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder) as sink:
        first = written(sink)
        with files_at_most(100):
            with pytest.raises(Unavailable):
                written(sink)
            assert events(folder) == ["key", "open"]
        written(sink)
    assert events(folder) == ["key", "open", "close", "open", "close"]
    assert entries_in(folder)[2]["log"] == first.log
    read_logs(folder)


def test_after_a_failed_fsync_the_manifest_says_what_was_durable(tmp_path: Path) -> None:
    folder, failing = tmp_path / "records", False

    def fsync(descriptor: int) -> None:
        if failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(descriptor)

    sink = FileSink(logs_in(folder), fsync=fsync)
    written(sink)
    failing = True
    with pytest.raises(Unavailable):
        written(sink)
    sink.close()
    assert [(entry["event"], entry.get("size")) for entry in entries_in(folder)[1:]] == [("open", None), ("close", 2)]
    ((_, read),) = read_logs(folder).items()
    assert [line["v"] for line in read.lines] == [11, 12]


def test_without_a_manifest_that_can_be_written_nothing_is_signed_and_no_file_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    (folder / MANIFEST).mkdir(parents=True)
    with sink_in(folder) as sink:
        with pytest.raises(Unavailable) as refused:
            written(sink)
        assert refused.value.code == "record-unwritable"
        assert files_in(folder) == []
        (folder / MANIFEST).rmdir()
        assert written(sink).index == 1
    read_logs(folder)


def test_half_a_line_of_the_manifest_was_never_said(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder)
    for _ in range(2):
        sink = FileSink(logs)
        written(sink)
        with (folder / MANIFEST).open("ab") as manifest:
            manifest.write(b'{"v":1,"index":')
        sink.close()
    assert events(folder) == ["key", "open", "close", "open", "close"]
    assert len(read_logs(folder)) == 2


@pytest.mark.parametrize("line", [b"no line\n", b"{}\n"])
def test_nothing_is_added_to_a_manifest_that_ends_in_what_is_no_line(tmp_path: Path, line: bytes) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / MANIFEST).write_bytes(line)
    with sink_in(folder) as sink:
        for ask in (sink.check, lambda: written(sink)):
            with pytest.raises(Unavailable) as refused:
                ask()
            assert refused.value.code == "record-unwritable"
            assert MANIFEST in refused.value.message
    assert (folder / MANIFEST).read_bytes() == line


def remove_file(folder: Path) -> None:
    for path in files_in(folder):
        path.unlink()


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("remove", [remove_file, remove_folder])
def test_what_follows_a_file_that_was_taken_away_is_a_log_of_its_own(
    tmp_path: Path, remove: Callable[[Path], None]
) -> None:
    folder = tmp_path / "records"
    with sink_in(folder) as sink:
        first = written(sink)
        remove(folder)
        second = written(sink)
    assert first.log not in read_logs(folder)
    closed = [entry["log"] for entry in entries_in(folder) if entry["event"] == "close"]
    assert closed == [first.log, second.log]


def test_durability_os_asks_for_no_fsync_and_says_so(tmp_path: Path) -> None:
    asked: list[int] = []
    sink = FileSink(logs_in(tmp_path / "records", durability="os"), fsync=asked.append)
    assert written(sink).durability == "os"
    sink.close()
    assert asked == []
    ((_, read),) = read_logs(tmp_path / "records").items()
    assert read.lines[0]["record"]["durability"] == "os"


# ---- what earlier processes left ----------------------------------------------------------------------------


def old_file(folder: Path, content: bytes) -> Path:
    """As the release before named them."""
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"20260101T000000Z-{OLD_LOG}.jsonl"
    path.write_bytes(content)
    return path


def test_files_of_the_release_before_are_listed_once(tmp_path: Path) -> None:
    folder, content = tmp_path / "records", b'{"v":1}\n{"v":2}\nhalf'
    path = old_file(folder, content)
    logs = logs_in(folder)
    for _ in range(3):
        bring_in_order(logs.manifest)
    _, adopted = read_manifest(folder)
    assert adopted | {"time": 0} == {
        "time": 0,
        "event": "adopt",
        "file": path.name,
        "log": OLD_LOG,
        "lines": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert path.read_bytes() == content


def test_a_file_that_a_process_of_the_release_before_still_writes_is_left_to_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    path = old_file(folder, b'{"v":1}\n')
    logs = logs_in(folder)
    words = [sys.executable, "-c", "import sys; f = open(sys.argv[1], 'ab'); print(flush=True); input()", str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        bring_in_order(logs.manifest)
        assert "adopt" not in events(folder)
        writer.communicate(b"\n")
    bring_in_order(logs.manifest)
    assert events(folder) == ["key", "adopt"]


def test_what_another_process_brings_in_order_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    old_file(folder, b'{"v":1}\n')
    logs = logs_in(folder)
    left_by_a_dead_writer(logs)
    with (folder / "left.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bring_in_order(logs.manifest)
        assert events(folder) == ["key", "open"]
    bring_in_order(logs.manifest)
    assert events(folder) == ["key", "open", "adopt", "close"]


def left_by_a_dead_writer(logs: Logs, after: bytes = b"") -> str:
    """A log of two lines whose writer ended without a word: the kernel frees its lock as it closes its files."""
    sink = FileSink(logs)
    log = written(sink).log
    (path,) = (path for path in files_in(logs.manifest.folder) if log in path.name)
    whole, manifest = path.read_bytes(), (logs.manifest.folder / MANIFEST).read_bytes()
    sink.close()
    path.write_bytes(whole + after)
    (logs.manifest.folder / MANIFEST).write_bytes(manifest)
    return log


@pytest.mark.parametrize("after", [b"", b'{"v":12,"log":"ha'])
def test_a_log_of_a_dead_process_is_closed_over_its_whole_lines_once(tmp_path: Path, after: bytes) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder)
    log = left_by_a_dead_writer(logs, after)
    for _ in range(2):
        bring_in_order(logs.manifest)
    closed = [entry for entry in entries_in(folder) if entry["event"] == "close"]
    assert [(entry["log"], entry["size"], entry["how"]) for entry in closed] == [(log, 2, "found")]
    read_logs(folder)


def test_a_log_that_is_being_written_is_left_alone_also_in_its_second_file(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder, segment_bytes=1000)
    sink = FileSink(logs)
    for _ in range(3):
        written(sink)
        bring_in_order(logs.manifest)
        assert "close" not in events(folder)
    assert "segment" in events(folder)
    sink.close()
    assert entries_in(folder)[-1]["how"] == "closed"


def test_an_empty_file_that_was_never_listed_is_removed_and_one_with_lines_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    empty, full = (folder / f"20260101T000000Z-{each * 32}-0001.jsonl" for each in "ef")
    empty.touch()
    full.write_bytes(b"{}\n")
    bring_in_order(logs_in(folder).manifest)
    assert files_in(folder) == [full]


def test_an_empty_file_in_the_place_of_one_that_is_lost_stays(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder)
    log = left_by_a_dead_writer(logs)
    (lost,) = files_in(folder)
    lost.unlink()
    instead, further = (folder / f"20260101T000000Z-{log}-{number:04}.jsonl" for number in (1, 2))
    for path in (instead, further):
        path.touch()
    bring_in_order(logs.manifest)
    assert files_in(folder) == [instead]


def test_without_a_further_file_nothing_is_written_until_there_can_be_one(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    with sink_in(folder, segment_bytes=1) as sink:
        written(sink)
        held = (folder / MANIFEST).read_bytes()
        (folder / MANIFEST).unlink()
        (folder / MANIFEST).mkdir()
        for ask in (lambda: written(sink), sink.check):
            with pytest.raises(Unavailable):
                ask()
        (folder / MANIFEST).rmdir()
        (folder / MANIFEST).write_bytes(held)
        sink.check()
        assert written(sink).index == 2
    ((_, read),) = read_logs(folder).items()
    assert len(read.files) == 2


# ---- what the manifest says is on the disk ------------------------------------------------------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files in the order in which they were made durable: no loss of power can be had here."""
    names: list[str] = []
    fsync = os.fsync

    def told(descriptor: int) -> None:
        fsync(descriptor)
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", told)
    return names


def test_with_durability_os_a_file_is_on_the_disk_before_the_manifest_says_how_long_it_is(
    tmp_path: Path, synced: list[str]
) -> None:
    folder = tmp_path / "records"
    with sink_in(folder, durability="os", segment_bytes=1000) as sink:
        for number in range(3):
            written(sink, str(number))
    names = [name for name in synced if name.endswith(".jsonl")]
    segments = [path.name for path in files_in(folder)]
    assert len(segments) > 1
    assert names == [MANIFEST, *(name for segment in segments for name in (segment, MANIFEST))]


@pytest.mark.parametrize("durability", ["os", "fsync"])
def test_the_log_of_a_dead_process_is_on_the_disk_before_the_manifest_says_how_long_it_is(
    tmp_path: Path, synced: list[str], durability: str
) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder, durability=durability)
    left_by_a_dead_writer(logs)
    synced.clear()
    bring_in_order(logs.manifest)
    assert synced == [files_in(folder)[0].name, MANIFEST]


def test_with_durability_os_a_log_that_the_disk_does_not_take_at_its_end_is_left_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "records"
    logs = logs_in(folder, durability="os")
    sink = FileSink(logs)
    written(sink)
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if "-0001" in Path(f"/proc/self/fd/{descriptor}").readlink().name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        sink.close()
        bring_in_order(logs.manifest)
        assert events(folder) == ["key", "open"]
    bring_in_order(logs.manifest)
    assert (entries_in(folder)[-1]["how"], entries_in(folder)[-1]["size"]) == ("found", 3)


# ---- the anchor ---------------------------------------------------------------------------------------------


def test_every_head_and_entry_is_anchored(tmp_path: Path) -> None:
    folder, path = tmp_path / "records", tmp_path / "elsewhere"
    anchor = Anchor(path, failed=lambda why: pytest.fail(f"{why}"))
    sink = FileSink(logs_in(folder, witness=anchor), witness=anchor)
    written(sink)
    sink.close()
    anchor.close()
    anchored = [json.loads(line) for line in path.read_text().splitlines()]
    ((log, read),) = read_logs(folder).items()
    (head,) = read.heads()
    assert [line for line in anchored if "root" in line] == [{"log": log, **head}]
    said = (folder / MANIFEST).read_bytes().splitlines()
    hashes = {line["manifest"]: line["hash"] for line in anchored if "manifest" in line}
    assert hashes == {number: leaf(line).hex() for number, line in enumerate(said)}
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_anchor_that_cannot_be_written_is_told_and_signing_goes_on(tmp_path: Path) -> None:
    told: list[str | None] = []
    folder, path = tmp_path / "records", tmp_path / "away" / "anchor"
    anchor = Anchor(path, failed=told.append)
    sink = FileSink(logs_in(folder, witness=anchor), witness=anchor)
    written(sink)
    while not told:
        pass
    path.parent.mkdir()
    written(sink)
    sink.close()
    anchor.close()
    assert str(path) in str(told[0])
    assert told[-1] is None
    assert path.exists()


@pytest.mark.parametrize("is_new", [False, True], ids=["by the same process", "by the next one"])
def test_half_a_line_of_a_full_anchor_disk_spoils_no_later_one(tmp_path: Path, *, is_new: bool) -> None:
    told: list[str | None] = []
    folder, path = tmp_path / "records", tmp_path / "anchor"
    anchor = Anchor(path, failed=told.append)
    with files_at_most(50):
        anchor.entry(0, "a" * 64, 1)
        while not told:
            pass
    assert path.stat().st_size == 50
    if is_new:
        anchor.close()
        anchor = Anchor(path, failed=told.append)
    sink = FileSink(logs_in(folder, witness=anchor), witness=anchor)
    written(sink)
    sink.close()
    anchor.close()
    torn, *whole = path.read_bytes().splitlines()
    assert len(torn) == 50
    assert {*map(len, map(json.loads, whole))} == {3, 6}
    report = verify(folder, Expected(anchor=path))
    assert report.findings == ()
    assert [note.code for note in report.notes] == [Code.ANCHOR_TORN]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can read every file")
def test_an_anchor_that_may_only_be_appended_to_begins_with_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "anchor"
    path.write_bytes(b'{"manifest":0,"ha')
    path.chmod(0o200)
    anchor = Anchor(path, failed=lambda why: pytest.fail(f"{why}"))
    for index in range(3):
        anchor.entry(index, "a" * 64, 1)
    anchor.close()
    path.chmod(0o600)
    torn, *whole = path.read_bytes().splitlines()
    assert torn == b'{"manifest":0,"ha'
    assert [json.loads(line)["manifest"] for line in whole] == [0, 1, 2]
