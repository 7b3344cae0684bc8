"""What is read of a dead process's log is what its writer told, from whatever byte on."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from hyperkms.audit.file_sink import FileSink
from hyperkms.audit.left_lines import keyed_lines
from hyperkms.audit.record import KeyedSignatureRecord
from hyperkms.audit.sink import Position
from hyperkms.errors import Tampered, Unavailable
from support.record import files_in, keyed_record, lines_in, logs_in

KEYED = 15


def keyed(number: int) -> KeyedSignatureRecord:
    return keyed_record(f"key {number}")


class Follower:
    def announce(self, log: str, length: int) -> None:
        """Nothing is looked for here."""

    def wrote(self, log: str, places: Sequence[object]) -> None:
        """The same."""


def written(folder: Path, *, segment_bytes: int) -> list[Position]:
    """What the writer told of signatures under a key, of which some have a head before them."""
    sink = FileSink(logs_in(folder, segment_bytes=segment_bytes, head_after_s=0.0), keyed=Follower())
    sink.announce()
    told, lines = [], 0
    for number in range(9):
        told.append(sink.append(keyed(number)).wait())
        if number in (2, 3, 6):
            lines = len(lines_in(folder))
            while len(lines_in(folder)) == lines and lines_in(folder)[-1]["v"] == KEYED:
                pass
    sink.close()
    assert len({bytes(position.head) for position in told}) > 2
    return told


@pytest.mark.parametrize("segment_bytes", [1 << 20, 2_000, 1], ids=["one file", "a few", "a file a group"])
def test_from_every_line_on_it_is_what_the_writer_told(tmp_path: Path, segment_bytes: int) -> None:
    folder = tmp_path / "records"
    told = written(folder, segment_bytes=segment_bytes)
    log = told[0].log
    lines = [line for path in files_in(folder) for line in path.read_bytes().splitlines(keepends=True)]
    start = 0
    for number, line in enumerate([*lines, b""]):
        left = list(keyed_lines(folder, log, start))
        assert [each.position for each in left] == [position for position in told if position.index >= number]
        assert {each.log for each in left} <= {log}
        start += len(line)


def test_a_file_of_a_log_that_is_gone_is_missed_wherever_it_stood(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    (log,) = {position.log for position in written(folder, segment_bytes=2_000)}
    files = files_in(folder)
    assert len(files) > 2
    for path in (files[0], files[1], files[-1]):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(Unavailable) as refused:
            list(keyed_lines(folder, log, 0))
        assert refused.value.code == "record-unreadable"
        assert path.name.split("-", 1)[1] in refused.value.message
        path.write_bytes(content)


def test_half_a_line_at_the_end_is_none_and_in_the_middle_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    told = written(folder, segment_bytes=2_000)
    log, files = told[0].log, files_in(folder)
    whole = [path.read_bytes() for path in files]
    files[-1].write_bytes(whole[-1] + b'{"v":15,"log":')
    assert [line.position for line in keyed_lines(folder, log, 0)] == told
    files[0].write_bytes(whole[0][:-1])
    with pytest.raises(Tampered):
        list(keyed_lines(folder, log, 0))


def test_lines_of_the_release_before_are_read_without_what_their_receipts_did_not_have(tmp_path: Path) -> None:
    folder, log = tmp_path / "records", "ab" * 16
    folder.mkdir()
    record = msgspec.to_builtins(keyed(1))
    old = {name: value for name, value in record.items() if name not in ("explained", "policy", "grant")}
    lines = [json.dumps({"v": v, "log": log, "index": n, "record": old}) + "\n" for n, v in enumerate((4, 1, 4))]
    (folder / f"20260101T000000Z-{log}.jsonl").write_text("".join(lines))
    left = list(keyed_lines(folder, log, len(lines[0])))
    assert [(line.log, line.index, line.position) for line in left] == [(log, 2, None)]
    assert left[0].record == keyed(1)
