"""Every way to change a record, at every place of it, is found and called by its name.

The record is written by the second implementation (support/chained_record.py): a log that was closed and one of a
process that was killed, of several segments; one that is open; a file of the release before; an anchor.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperkms.audit.reading.findings import Code
from hyperkms.audit.reading.verify import Expected, Report, verify
from support.chained_record import HEAD, SIGNATURE, Log, LogKey, Record, compact, leaf, mth, signature_record

CLOSED, KILLED, OPEN = "a" * 32, "b" * 32, "c" * 32


@dataclass(frozen=True)
class Written:
    """The record as it was written."""

    folder: Path
    anchor: Path
    logs: dict[str, Log]
    record: Record


def write(folder: Path) -> Written:
    record = Record(folder / "records")
    record.adopt()
    closed, killed = record.log(CLOSED), record.log(KILLED)
    closed.sign(3)
    killed.sign(2)
    closed.head()
    closed.refuse()
    closed.sign(2)
    closed.next_segment()
    closed.sign(4)
    killed.head()
    killed.sign(1)
    killed.next_segment()
    killed.sign(3)
    closed.head()
    closed.sign(1)
    closed.next_segment()
    closed.sign(2)
    closed.close()
    killed.head()
    killed.sign(2)
    killed.close("found")
    still = record.log(OPEN)
    still.sign(2)
    still.head()
    still.sign(2)
    return Written(
        folder / "records",
        record.write_anchor(folder / "anchor.jsonl"),
        {log.id: log for log in (closed, killed, still)},
        record,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("record"))


@pytest.fixture
def copy(written: Written, tmp_path: Path) -> Path:
    shutil.copytree(written.folder, tmp_path / "records")
    return tmp_path / "records"


def codes(report: Report) -> set[str]:
    return {finding.code.value for finding in report.findings}


def check(folder: Path, **expected: object) -> Report:
    return verify(folder, Expected(**expected))  # type: ignore[arg-type] # what each test says


# ---- whole -------------------------------------------------------------------------------------------


def test_nothing_is_found_in_a_record_that_nobody_changed(written: Written) -> None:
    for anchor in (None, written.anchor):
        report = check(written.folder, anchor=anchor, public_key=written.record.key.public_key)
        assert report.findings == ()
        assert [note.code for note in report.notes] == [Code.LOG_OPEN]
        assert [log.lines for log in report.logs] == [17, 11, 6, 5]
        assert [log.heads for log in report.logs] == [3, 2, 1, 0]
        assert report.key_ids == (written.record.key.id,)


def test_a_log_begins_at_the_earlier_of_the_times_of_its_first_two_lines(tmp_path: Path) -> None:
    """A decision has the time at which it was made; the opening is made when its line is written."""
    record = Record(tmp_path / "records")
    log = record.log()
    opened = record.now
    log.write(SIGNATURE, signature_record(1, opened - 700))
    assert [one.first_time for one in check(record.folder).logs] == [opened - 700]
    log.write(SIGNATURE, signature_record(2, opened - 900))
    assert [one.first_time for one in check(record.folder).logs] == [opened - 700]


# ---- lines: every position ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines:
    """The lines of one log as they stand in its files, to be changed."""

    files: list[Path]
    lines: list[list[bytes]]

    @classmethod
    def of(cls, folder: Path, log: str) -> "Lines":
        files = sorted(folder.glob(f"*-{log}-*.jsonl"))
        return cls(files, [file.read_bytes().splitlines() for file in files])

    def at(self, number: int) -> tuple[list[bytes], int]:
        for lines in self.lines:
            if number < len(lines):
                return lines, number
            number -= len(lines)
        raise IndexError(number)

    def __len__(self) -> int:
        return sum(map(len, self.lines))

    def get(self, number: int) -> bytes:
        lines, place = self.at(number)
        return lines[place]

    def put(self, number: int, line: bytes) -> None:
        lines, place = self.at(number)
        lines[place] = line

    def save(self) -> None:
        for file, lines in zip(self.files, self.lines, strict=True):
            file.write_bytes(b"".join(line + b"\n" for line in lines))


REGIONS = {
    "the brace": rb"^\{",
    "the name v": rb'"v"',
    "v": rb'(?<="v":)[0-9]+',
    "the name log": rb'"log"',
    "log": rb'(?<="log":")[0-9a-f]',
    "the end of log": rb'[0-9a-f](?=","index)',
    "index": rb'(?<="index":)[0-9]+',
    "prev": rb'(?<="prev":")[0-9a-f]',
    "the end of prev": rb'[0-9a-f](?=","record)',
    "the name record": rb'"record"',
    "time": rb'(?<="time":)[0-9]',
    "the end of the record": rb".(?=\}\}$)",
    "the last brace": rb"\}$",
}
"""Where a byte is changed: first match of each."""

EDITED = {
    Code.LINE_CHANGED,
    Code.LINE_MALFORMED,
    Code.SIGNATURE_WRONG,
    Code.HEAD_WRONG,
    Code.KEY_UNKNOWN,
    Code.OPENING_MISSING,
}


def other_byte(byte: bytes) -> bytes:
    return b"1" if byte.isdigit() and byte != b"1" else b"2" if byte == b"1" else b"b" if byte != b"b" else b"c"


EACH_LINE = [
    *((CLOSED, number) for number in range(17)),
    *((KILLED, number) for number in range(11)),
    *((OPEN, number) for number in range(4)),  # those that are covered by a head, and the head
]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("log", "number"), EACH_LINE)
def test_an_edit_of_any_part_of_any_line_is_found(copy: Path, log: str, number: int, region: str) -> None:
    lines = Lines.of(copy, log)
    text = lines.get(number)
    place = re.search(REGIONS[region], text)
    assert place is not None
    end = place.end()
    lines.put(number, text[: end - 1] + other_byte(text[end - 1 : end]) + text[end:])
    assert lines.get(number) != text
    lines.save()
    report = check(copy)
    assert codes(report) & EDITED
    assert codes(report) <= EDITED
    near = {number, number + 1} if number + 1 < len(lines) else {number - 1, number, number + 1}
    assert {finding.index for finding in report.findings if finding.code is not Code.HEAD_WRONG} <= near
    assert {finding.log for finding in report.findings} == {log}


def test_an_edit_of_any_byte_at_all_is_found(tmp_path: Path) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    log.sign()
    log.refuse()
    log.close()
    [file] = log.files
    whole = file.read_bytes()
    for place in range(len(whole)):
        for byte in {whole[place] ^ 1, whole[place] ^ 0x20, ord("\n")} - {whole[place]}:
            file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            assert check(record.folder).findings, (place, byte)


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_of_an_edited_record_the_very_line_is_named_and_the_heads_after_it_are_still_checked(
    written: Written, tmp_path: Path, log: str
) -> None:
    for number, text in enumerate(written.logs[log].lines[:-2]):
        if b'"v":12' not in text:
            continue
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        lines = Lines.of(copied, log)
        lines.put(number, text.replace(b"60000", b"60001"))
        lines.save()
        report = check(copied)
        assert [(finding.code, finding.index) for finding in report.findings] == [(Code.LINE_CHANGED, number)]
        assert f"line {number} was changed" in report.findings[0].words
        assert report.logs[[*written.logs].index(log)].heads == {CLOSED: 3, KILLED: 2}[log]


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_of_many_edited_records_in_a_row_each_is_named_and_the_heads_are_still_checked(copy: Path, log: str) -> None:
    lines = Lines.of(copy, log)
    edited = [number for number in range(len(lines) - 1) if b'"p":"60000"' in lines.get(number)]
    edited.remove(max(edited)) if log == KILLED else None  # after the last head nothing can be held against another
    for number in edited:
        lines.put(number, lines.get(number).replace(b"60000", b"60001"))
    lines.save()
    report = check(copy)
    assert [(finding.code, finding.index) for finding in report.findings] == [
        (Code.LINE_CHANGED, number) for number in edited
    ]


DELETED = {0: Code.OPENING_MISSING}


@pytest.mark.parametrize(("log", "number"), EACH_LINE)
def test_a_deleted_line_is_found_wherever_it_was(copy: Path, log: str, number: int) -> None:
    lines = Lines.of(copy, log)
    among, place = lines.at(number)
    is_last_of_file = place == len(among) - 1
    del among[place]
    lines.save()
    due = DELETED.get(number, Code.LOG_TRUNCATED if is_last_of_file else Code.LINE_MISSING)
    report = check(copy)
    assert codes(report) == {due.value}
    assert [finding.index for finding in report.findings] == [number]


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_several_deleted_lines_are_one_gap(copy: Path, log: str) -> None:
    lines = Lines.of(copy, log)
    del lines.lines[0][1:3]
    lines.save()
    report = check(copy)
    assert [(finding.code, finding.index) for finding in report.findings] == [(Code.LINE_MISSING, 1)]
    assert "lines 1 to 2" in report.findings[0].words
    assert Code.HEADS_UNPROVED in {note.code for note in report.notes}


@pytest.mark.parametrize(("log", "number"), EACH_LINE)
@pytest.mark.parametrize("distance", [0, 1, 3])
def test_a_duplicated_line_is_found(copy: Path, log: str, number: int, distance: int) -> None:
    lines = Lines.of(copy, log)
    among, place = lines.at(min(number + distance, len(lines) - 1))
    among.insert(place + 1, lines.get(number))
    lines.save()
    report = check(copy)
    assert codes(report) == {Code.LINE_DUPLICATED.value}
    assert report.findings[0].index == number


@pytest.mark.parametrize("log", [CLOSED, KILLED])
@pytest.mark.parametrize("distance", [1, 2, 5, 9])
def test_two_swapped_lines_are_found(written: Written, tmp_path: Path, log: str, distance: int) -> None:
    for number in range(len(written.logs[log].lines) - distance):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        lines = Lines.of(copied, log)
        first, second = lines.get(number), lines.get(number + distance)
        lines.put(number, second)
        lines.put(number + distance, first)
        lines.save()
        report = check(copied)
        assert codes(report) == {Code.LINES_SWAPPED.value}, (number, report.findings)


def forged(log: str, index: int, before: bytes) -> bytes:
    return b'{"v":12,"log":"%b","index":%d,"prev":"%b","record":%b}' % (
        log.encode(),
        index,
        leaf(before).hex().encode(),
        compact(signature_record(99, 1_790_000_000_000, wallet="another")),
    )


@pytest.mark.parametrize(("log", "number"), [pair for pair in EACH_LINE if pair[1]])
def test_an_inserted_line_that_fits_the_one_before_it_is_found(copy: Path, log: str, number: int) -> None:
    lines = Lines.of(copy, log)
    among, place = lines.at(number)
    among.insert(place, forged(log, number, lines.get(number - 1)))
    lines.save()
    report = check(copy)
    due = {Code.LOG_FORKED.value}
    if number == len(lines) - 2:  # no line after it tells which of the two was there
        due |= {Code.HEAD_WRONG.value}
    assert codes(report) == due


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_a_line_after_the_end_of_a_closed_log_is_found(copy: Path, log: str) -> None:
    lines = Lines.of(copy, log)
    lines.lines[-1].append(forged(log, len(lines), lines.get(len(lines) - 1)))
    lines.save()
    assert codes(check(copy)) == {Code.LOG_FORKED.value}


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_a_rewritten_rest_with_a_chain_of_its_own_is_found_by_the_heads(
    written: Written, tmp_path: Path, log: str
) -> None:
    """Whoever can write the files can make the chain whole again, and has no key."""
    whole = written.logs[log].lines
    for number in range(1, len(whole)):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        lines = Lines.of(copied, log)
        before = forged(log, number, lines.get(number - 1))
        lines.put(number, before)
        for later in range(number + 1, len(whole)):
            prev = re.sub(rb'(?<="prev":")[0-9a-f]{64}', leaf(before).hex().encode(), lines.get(later))
            lines.put(later, prev)
            before = prev
        lines.save()
        assert Code.HEAD_WRONG.value in codes(check(copied)), number


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_a_log_cut_after_any_line_is_found(written: Written, tmp_path: Path, log: str) -> None:
    for number in range(len(written.logs[log].lines)):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        lines, left = Lines.of(copied, log), number
        for among in lines.lines:
            del among[left:]
            left -= len(among)
            left = max(left, 0)
        lines.save()
        assert codes(check(copied)) == {Code.LOG_TRUNCATED.value}, number


@pytest.mark.parametrize("log", [CLOSED, KILLED, OPEN])
def test_a_file_cut_within_its_last_line_is_torn(copy: Path, log: str) -> None:
    file = max(copy.glob(f"*-{log}-*.jsonl"))
    file.write_bytes(file.read_bytes()[:-1])
    report = check(copy)
    assert {note.code for note in report.notes} | {finding.code for finding in report.findings} >= {Code.TAIL_TORN}
    due = {CLOSED: {"tail-torn", "log-truncated"}, KILLED: {"log-truncated"}, OPEN: set()}
    assert codes(report) == due[log]


def test_the_rest_of_an_open_log_cut_after_its_newest_head_is_found_only_with_what_is_kept_elsewhere(
    written: Written, copy: Path
) -> None:
    lines = Lines.of(copy, OPEN)
    del lines.lines[0][4:]
    lines.save()
    assert check(copy, anchor=written.anchor).findings == ()
    del lines.lines[0][2:]
    lines.save()
    assert check(copy).findings == ()
    report = check(copy, anchor=written.anchor)
    assert codes(report) == {Code.LOG_TRUNCATED.value}
    assert "anchored head of 3 lines" in report.findings[0].words


# ---- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log", [CLOSED, KILLED])
def test_a_segment_that_was_removed_is_missing(written: Written, tmp_path: Path, log: str) -> None:
    for number, file in enumerate(written.logs[log].files):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        (copied / file.name).unlink()
        report = check(copied)
        assert codes(report) == {Code.LOG_MISSING.value}
        assert report.findings[0].file == file.name


def test_segments_in_each_others_place_are_found(written: Written, copy: Path) -> None:
    first, second, _ = (copy / file.name for file in written.logs[CLOSED].files)
    texts = first.read_bytes(), second.read_bytes()
    first.write_bytes(texts[1])
    second.write_bytes(texts[0])
    assert codes(check(copy)) & {Code.LINES_SWAPPED.value, Code.LOG_FORKED.value, Code.OPENING_MISSING.value}


@pytest.mark.parametrize("log", [CLOSED, KILLED, OPEN])
def test_a_log_that_was_removed_is_missing(written: Written, copy: Path, log: str) -> None:
    for file in written.logs[log].files:
        (copy / file.name).unlink()
    report = check(copy)
    assert [(finding.code, finding.log) for finding in report.findings] == [(Code.LOG_MISSING, log)]


def test_a_file_that_the_manifest_does_not_know_is_found(written: Written, copy: Path) -> None:
    file = copy / written.logs[OPEN].files[0].name
    file.rename(copy / file.name.replace("T141320Z", "T141329Z"))
    assert Code.LOG_UNLISTED.value in codes(check(copy))


def test_a_second_file_of_the_same_segment_is_a_fork(written: Written, copy: Path) -> None:
    name = written.logs[OPEN].files[0].name
    lines = [*written.logs[OPEN].lines[:2]]
    other = [*lines, forged(OPEN, 2, lines[-1])]
    (copy / name.replace("T141320Z", "T141329Z")).write_bytes(b"".join(line + b"\n" for line in other))
    assert codes(check(copy)) >= {Code.LOG_UNLISTED.value, Code.LOG_FORKED.value}


def test_a_file_of_the_release_before_is_held_against_its_adoption(written: Written, tmp_path: Path) -> None:
    [file] = written.folder.glob("20250101*")
    lines = file.read_bytes().splitlines(keepends=True)
    changes: dict[str, list[bytes]] = {
        "edited": [lines[0].replace(b"60000", b"60001"), *lines[1:]],
        "deleted": lines[1:],
        "cut": lines[:-1],
        "swapped": [lines[1], lines[0], *lines[2:]],
        "appended": [*lines, lines[-1].replace(b'"index":4', b'"index":5')],
        "emptied": [],
    }
    for name, changed in changes.items():
        copied = Path(shutil.copytree(written.folder, tmp_path / name))
        (copied / file.name).write_bytes(b"".join(changed))
        assert Code.ADOPTED_CHANGED.value in codes(check(copied)), name
        (copied / file.name).unlink()
        assert codes(check(copied)) == {Code.LOG_MISSING.value}


def test_an_old_file_that_was_never_adopted_is_not_listed(copy: Path) -> None:
    [file] = copy.glob("20250101*")
    (copy / file.name.replace("20250101", "20250102")).write_bytes(file.read_bytes())
    assert codes(check(copy)) == {Code.LOG_UNLISTED.value}


def test_a_record_of_the_release_before_alone_is_shown_as_far_as_it_goes(written: Written, tmp_path: Path) -> None:
    [file] = written.folder.glob("20250101*")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(file, alone)
    report = check(alone)
    assert (report.findings, [note.code for note in report.notes]) == ((), [Code.UNCHAINED])
    lines = file.read_bytes().splitlines(keepends=True)
    for wrong, code in (
        (lines[1:], Code.LINE_MISSING),
        ([lines[0], *lines], Code.LINE_DUPLICATED),
        ([b"{}\n", *lines[1:]], Code.LINE_MALFORMED),
    ):
        (alone / file.name).write_bytes(b"".join(wrong))
        assert codes(check(alone)) == {code.value}


# ---- the manifest ------------------------------------------------------------------------------------


def manifest_of(folder: Path) -> list[bytes]:
    return (folder / "manifest.jsonl").read_bytes().splitlines()


def save_manifest(folder: Path, lines: list[bytes]) -> None:
    (folder / "manifest.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


MANIFEST_REGIONS = {
    "v": rb'(?<="v":)1',
    "index": rb'(?<="index":)[0-9]+',
    "prev": rb'(?<="prev":")[0-9a-f]',
    "time": rb'(?<="time":)[0-9]+',
    "event": rb'(?<="event":")[a-z]',
    "the end of the entry": rb'[0-9a-z](?="?\},"keyId)',
    "key id": rb'(?<=,"keyId":")[0-9a-f](?=[0-9a-f]{15}","signature)',
    "signature": rb'(?<="signature":"0x)[0-9a-f]',
    "the end": rb"\}$",
}


@pytest.mark.parametrize("region", MANIFEST_REGIONS)
def test_an_edit_of_any_part_of_any_line_of_the_manifest_is_found(
    written: Written, tmp_path: Path, region: str
) -> None:
    whole = manifest_of(written.folder)
    for number, text in enumerate(whole):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        place = re.search(MANIFEST_REGIONS[region], text)
        assert place is not None
        end = place.end()
        changed = text[: end - 1] + other_byte(text[end - 1 : end]) + text[end:]
        save_manifest(copied, [*whole[:number], changed, *whole[number + 1 :]])
        found = codes(check(copied))
        due = {"signature-wrong", "manifest-changed", "key-unknown"}
        assert found & due, (number, found)
        assert "key-unknown" in found or region != "key id"


def test_a_removed_swapped_or_repeated_line_of_the_manifest_is_found(written: Written, tmp_path: Path) -> None:
    whole = manifest_of(written.folder)
    for number in range(len(whole) - 1):
        copied = Path(shutil.copytree(written.folder, tmp_path / f"{number}"))
        for changed in (
            [*whole[:number], *whole[number + 1 :]],
            [*whole[:number], whole[number + 1], whole[number], *whole[number + 2 :]],
            [*whole[: number + 1], *whole[number:]],
        ):
            save_manifest(copied, changed)
            assert Code.MANIFEST_CHANGED.value in codes(check(copied)), number


def test_a_truncated_manifest_is_found_by_what_it_no_longer_lists_or_by_the_anchor(
    written: Written, copy: Path
) -> None:
    whole = manifest_of(written.folder)
    for left in range(len(whole)):
        save_manifest(copy, whole[:left])
        assert Code.MANIFEST_TRUNCATED.value in codes(check(copy, anchor=written.anchor)), left
    save_manifest(copy, whole[:-1])  # the entry that opens the last log
    assert codes(check(copy)) == {Code.LOG_UNLISTED.value}
    (copy / "manifest.jsonl").unlink()
    assert Code.MANIFEST_TRUNCATED.value in codes(check(copy))


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def without_a_byte(folder: Path) -> None:
    emptied(folder)
    (folder / "manifest.jsonl").touch()


def another_folder(folder: Path) -> None:
    emptied(folder)
    (folder / "notes.jsonl").write_text("{}\n")
    (folder / "records").mkdir()


@pytest.mark.parametrize("take_away", [emptied, without_a_byte, another_folder])
def test_where_there_is_no_record_something_is_wrong(
    written: Written, copy: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(copy)
    report = check(copy)
    assert codes(report) == {Code.NO_RECORD.value}
    assert "holds no record: no manifest and no log" in report.findings[0].words
    key = written.record.key
    for expected in ({"public_key": key.public_key}, {"key_id": key.id}):
        assert codes(check(copy, **expected)) == {Code.NO_RECORD.value, Code.MANIFEST_TRUNCATED.value}
    report = check(copy, anchor=written.anchor)
    assert codes(report) == {Code.NO_RECORD.value, Code.MANIFEST_TRUNCATED.value, Code.LOG_MISSING.value}
    assert {one.log for one in report.findings if one.code is Code.LOG_MISSING} == {CLOSED, KILLED, OPEN}


def test_files_of_the_release_before_do_not_stand_alone_for_who_knows_a_key(written: Written, tmp_path: Path) -> None:
    [file] = written.folder.glob("20250101*")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(file, alone)
    assert codes(check(alone, key_id=written.record.key.id)) == {Code.MANIFEST_TRUNCATED.value}
    assert Code.MANIFEST_TRUNCATED.value in codes(check(alone, anchor=written.anchor))


# ---- keys and anchors --------------------------------------------------------------------------------


def test_a_record_written_anew_under_another_key_is_found_by_who_knows_the_key_or_has_an_anchor(
    written: Written, tmp_path: Path
) -> None:
    other = Record(tmp_path / "records", LogKey("of another"))
    log = other.log(OPEN)
    log.sign(3)
    log.close()
    key = written.record.key
    assert check(other.folder).findings == ()
    for expected in ({"public_key": key.public_key}, {"key_id": key.id}):
        assert Code.KEY_UNKNOWN.value in codes(check(other.folder, **expected))
    assert codes(check(other.folder, anchor=written.anchor)) & {"key-unknown", "manifest-changed", "log-missing"}


def test_one_wrong_key_is_one_finding(written: Written) -> None:
    other = LogKey("of another")
    for expected in ({"public_key": other.public_key}, {"key_id": other.id}):
        report = check(written.folder, **expected, anchor=written.anchor)
        [finding] = report.findings
        assert finding.code is Code.KEY_UNKNOWN
        assert f"key {written.record.key.id} signs this record, and {other.id} was expected" in finding.words
        assert {note.code for note in report.notes} == {Code.UNCHAINED}
        assert [log.lines for log in report.logs] == [17, 11, 6, 5]
        assert [log.proved for log in report.logs] == [0, 0, 0, 0]


def test_under_a_wrong_key_chains_are_still_checked(copy: Path) -> None:
    lines = Lines.of(copy, CLOSED)
    lines.put(2, lines.get(2).replace(b"60000", b"60001"))
    lines.save()
    report = check(copy, key_id=LogKey("of another").id)
    assert {(one.code, one.index) for one in report.findings} == {(Code.KEY_UNKNOWN, 0), (Code.LINE_CHANGED, 2)}


def test_a_missing_manifest_or_first_line_of_it_is_told_once(written: Written, copy: Path) -> None:
    save_manifest(copy, manifest_of(written.folder)[1:])
    report = check(copy)
    assert [(one.code, one.index) for one in report.findings] == [(Code.MANIFEST_CHANGED, 0)] * 2
    key = written.record.key
    for expected in ({"public_key": key.public_key}, {"public_key": key.public_key, "anchor": written.anchor}):
        report = check(copy, **expected)
        assert codes(report) <= {Code.MANIFEST_CHANGED.value, Code.MANIFEST_TRUNCATED.value}
        assert len(report.findings) <= 4
        assert [log.heads for log in report.logs] == [3, 2, 1, 0]
    (copy / "manifest.jsonl").unlink()
    assert [one.code for one in check(copy).findings] == [Code.MANIFEST_TRUNCATED]


def test_half_a_line_at_the_end_of_the_manifest_is_a_note(copy: Path) -> None:
    with (copy / "manifest.jsonl").open("ab") as file:
        file.write(b'{"v":1,"index":9')
    report = check(copy)
    assert report.findings == ()
    assert (Code.TAIL_TORN, "manifest.jsonl") in {(note.code, note.file) for note in report.notes}


def test_heads_of_an_unknown_key_are_told_once_a_log(written: Written, copy: Path) -> None:
    lines = Lines.of(copy, CLOSED)
    id_, other = written.record.key.id.encode(), LogKey("of another").id.encode()
    for number in range(len(lines)):
        if b'"v":17,' in lines.get(number):
            lines.put(number, lines.get(number).replace(id_, other))
    lines.save()
    found = [one.code for one in check(copy).findings if one.code is Code.KEY_UNKNOWN]
    assert len(found) == 1


def test_a_head_by_another_key_is_of_an_unknown_key(copy: Path) -> None:
    lines, other = Lines.of(copy, OPEN), LogKey("of another")
    root = mth([leaf(line) for line in lines.lines[0][:3]])
    head = {
        "time": 1,
        "size": 3,
        "root": root.hex(),
        "keyId": other.id,
        "signature": other.sign_head(OPEN, 3, root, 1),
    }
    prev = leaf(lines.get(2)).hex().encode()
    text = b'{"v":%d,"log":"%b","index":3,"prev":"%b","record":%b}' % (HEAD, OPEN.encode(), prev, compact(head))
    lines.put(3, text)
    lines.save()
    assert codes(check(copy)) == {Code.KEY_UNKNOWN.value}


def test_an_anchored_head_with_another_root_is_a_fork(written: Written, tmp_path: Path) -> None:
    """Two signed heads of one size: the signer, or who holds its key, has told two stories."""
    key = written.record.key
    for size, code in ((4, Code.LOG_FORKED), (6, Code.HEAD_WRONG)):
        root = mth([b"x" * 32])
        signature = key.sign_head(CLOSED, size, root, 5)
        head = {"log": CLOSED, "size": size, "root": root.hex(), "time": 5, "keyId": key.id, "signature": signature}
        anchor = tmp_path / "anchor"
        anchor.write_bytes(compact(head) + b"\n")
        assert codes(check(written.folder, anchor=anchor)) == {code.value}
        anchor.write_bytes(compact({**head, "time": 6}) + b"\n")
        assert codes(check(written.folder, anchor=anchor)) == {Code.SIGNATURE_WRONG.value}
        anchor.write_bytes(compact({**head, "log": "d" * 32}) + b"\n")
        assert codes(check(written.folder, anchor=anchor)) == {Code.LOG_MISSING.value}


def test_a_line_of_the_anchor_that_is_none_is_told(written: Written, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor"
    for wrong in (b"{}\n", b"5\n"):
        anchor.write_bytes(wrong + written.anchor.read_bytes())
        assert codes(check(written.folder, anchor=anchor)) == {Code.LINE_MALFORMED.value}
    whole = written.anchor.read_bytes()
    for left in (b"\n", whole[:1] + b"\n", whole[:70] + b"\n\n", whole[:70] + whole.splitlines()[-1] + b"\n"):
        anchor.write_bytes(left + whole)
        report = check(written.folder, anchor=anchor)
        assert report.findings == ()
        [torn] = [note for note in report.notes if note.code is Code.ANCHOR_TORN]
        assert torn.index == 0
    anchor.write_bytes(written.anchor.read_bytes()[:-1])
    assert check(written.folder, anchor=anchor).findings == ()


def test_logs_that_ended_before_a_day_are_only_looked_for(written: Written, copy: Path) -> None:
    since = written.record.now
    lines = Lines.of(copy, CLOSED)
    lines.put(2, lines.get(3))
    lines.save()
    report = check(copy, since=since)
    assert report.findings == ()
    assert report.passed_over == 2
    for file in written.logs[CLOSED].files:
        (copy / file.name).unlink()
    assert codes(check(copy, since=since)) == {Code.LOG_MISSING.value}


CHECKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "doubled blank": lambda lines: [lines[0], b"", *lines[1:]],
    "noise": lambda lines: [lines[0], b"\xff\xfe", *lines[1:]],
    "carriage returns": lambda lines: [line + b"\r" for line in lines],
    "one brace more": lambda lines: [lines[0], lines[1] + b"}", *lines[2:]],
    "a member after the record": lambda lines: [lines[0], lines[1][:-1] + b',"x":{}}', *lines[2:]],
    "a blank in a line": lambda lines: [lines[0], lines[1].replace(b'"log":', b'"log": '), *lines[2:]],
    "bytes that are not UTF-8": lambda lines: [lines[0], lines[1].replace(b"bot-1", b"bo\xff-1"), *lines[2:]],
}


@pytest.mark.parametrize("name", CHECKS)
def test_what_is_not_a_line_to_the_byte_is_malformed(copy: Path, name: str) -> None:
    lines = Lines.of(copy, OPEN)
    lines.lines[0][:] = CHECKS[name](lines.lines[0])
    lines.save()
    assert codes(check(copy)) == {Code.LINE_MALFORMED.value}


# ---- anything at all ---------------------------------------------------------------------------------

Change = Callable[[list[bytes], int, int, float], list[bytes]]
CHANGES: dict[str, Change] = {
    "edit": lambda lines, one, _, part: [*lines[:one], edited(lines[one], part), *lines[one + 1 :]],
    "delete": lambda lines, one, _, __: [*lines[:one], *lines[one + 1 :]],
    "duplicate": lambda lines, one, other, _: [*lines[:other], lines[one], *lines[other:]],
    "swap": lambda lines, one, other, _: [lines[{one: other, other: one}.get(n, n)] for n in range(len(lines))],
    "noise": lambda lines, one, _, part: [*lines[:one], bytes(int(part * 300)), *lines[one:]],
    "cut": lambda lines, one, _, __: lines[:one],
    "reverse": lambda lines, one, _, __: [*lines[:one], *lines[one:][::-1]],
}
PLACE = st.floats(0, 1, exclude_max=True)


def edited(text: bytes, part: float) -> bytes:
    place = int(part * len(text))
    return text[:place] + b"7" + text[place + 1 :]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), PLACE, PLACE), min_size=1, max_size=6),
    log=st.sampled_from([CLOSED, KILLED]),
)
def test_whatever_is_done_to_the_files_of_a_closed_log_something_is_found(
    written: Written, copy: Path, log: str, steps: list[tuple[str, float, float]]
) -> None:
    names = [file.name for file in written.logs[log].files]
    lines = Lines(
        [copy / name for name in names], [(written.folder / name).read_bytes().splitlines() for name in names]
    )
    flat = [line for among in lines.lines for line in among]
    for step, first, second in steps:
        if flat:
            flat = CHANGES[step](flat, int(first * len(flat)), int(second * len(flat)), second)
    for among in lines.lines[:-1]:
        among[:] = flat[: len(among)]
        flat = flat[len(among) :]
    lines.lines[-1][:] = flat
    lines.save()
    is_whole = all((copy / name).read_bytes() == (written.folder / name).read_bytes() for name in names)
    report = check(copy)
    assert bool(report.findings) is not is_whole
    assert report.left_out == 0
    for name in names:
        shutil.copy(written.folder / name, copy / name)
