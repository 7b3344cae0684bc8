"""What the record says of signed rows is read once, as far as its files are complete."""

import json
from pathlib import Path
from typing import Any

import pytest

from hyperkms.audit.reading import rows
from hyperkms.audit.reading.rows import RecordedRows, recorded_rows
from hyperkms.audit.record import ROWS

LOGS = {letter: letter * 32 for letter in "ab"}
FLOORS = {("wallet", "w"): 2, ("wallet", "v"): 1}


def line(operation: str, adoption: int | None = None, **sequences: int) -> bytes:
    """As it stands in a file, but for its chain."""
    subjects = [{"kind": "wallet", "id": one, "sequence": reached} for one, reached in sequences.items()]
    record: dict[str, Any] = {"time": 1, "operation": operation, "storeKey": "k", "adoption": adoption}
    return json.dumps(
        {"v": ROWS, "log": LOGS["a"], "index": 0, "prev": "0" * 64, "record": {**record, "subjects": subjects}},
        separators=(",", ":"),
    ).encode()


def file(folder: Path, log: str, number: int, *lines: bytes) -> Path:
    """A segment."""
    path = folder / f"20261128T00000{number}Z-{LOGS[log]}-{number:04}.jsonl"
    path.write_bytes(b"".join(one + b"\n" for one in lines))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of two files, the first of which is complete, and one of one file."""
    monkeypatch.setattr(rows, "_WORTH", 1)
    records = tmp_path / "records"
    records.mkdir()
    file(records, "a", 1, line("rows-adopted", 1), line("rows-committed", w=1), b"no line at all")
    file(records, "a", 2, line("rows-committed", w=2))
    file(records, "b", 1, line("rows-committed", v=1))
    return records


def read(folder: Path) -> RecordedRows:
    said = recorded_rows(folder, folder.parent / "rows.index")
    assert (said.adoption, said.store_key, said.adopted) == (1, "k", {"k"})
    assert said.floors("k") == FLOORS
    return said


def test_a_complete_file_is_read_once(folder: Path) -> None:
    read(folder)
    kept = json.loads((folder.parent / "rows.index").read_text())
    (name,) = kept["files"]
    assert "-0001.jsonl" in name
    assert kept["said"]["by_key"] == {"k": {"wallet": {"w": 1}}}, "what may still be taken back is not kept"
    assert (folder.parent / "rows.index").stat().st_mode & 0o777 == 0o600
    (folder / name).write_bytes(b"another content, which nobody looks at\n")
    read(folder)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"format":2,"files":[],"said":{}}', b'{"files":"x"}', b"\xff\xfe", None]
)
def test_without_the_index_all_is_read(folder: Path, damage: bytes | None) -> None:
    read(folder)
    index = folder.parent / "rows.index"
    if damage is None:
        index.unlink()
    else:
        index.write_bytes(damage)
    read(folder)


def test_an_index_that_cannot_be_written_is_none(folder: Path, tmp_path: Path) -> None:
    said = recorded_rows(folder, tmp_path / "nowhere" / "rows.index")
    assert said.floors("k") == FLOORS


def test_little_is_read_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_WORTH", 1 << 20)
    read(folder)
    assert not (folder.parent / "rows.index").exists()


def test_what_was_kept_holds_where_the_record_is_away(folder: Path, tmp_path: Path) -> None:
    read(folder)
    said = recorded_rows(tmp_path / "empty", folder.parent / "rows.index")
    assert (said.adoption, said.floors("k")) == (1, {("wallet", "w"): 1})
