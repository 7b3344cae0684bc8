"""A record that the database has too: for machines whose disks come and go."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import databases
from support.commands import refusal, run
from support.instances import instances, settings_of
from support.postgres import postgres
from support.service import Service

STORE = {"HYPERKMS_AUDIT_STORE": "database"}


@pytest.fixture(scope="module", autouse=True)
def _named_by_the_test() -> Iterator[None]:
    with databases.on(databases.POSTGRESQL):
        yield


def _sign(service: Service, count: int) -> list[str]:
    with ThreadPoolExecutor(4) as threads:
        asked = {"walletId": "w", "message": "m"}
        answers = list(threads.map(lambda _: service.post("/wallets/sign", asked), range(count)))
    assert {answer.status for answer in answers} == {200}
    return [answer.json["receipt"]["leafHash"] for answer in answers]


def _fetched(folder: Path, *words: str) -> Path:
    to = folder / f"fetched-{len(list(folder.iterdir()))}"
    done = run("audit", "fetch", "--to", str(to), *words, cwd=folder, **settings_of(folder))
    assert done.returncode == 0, done.stderr
    return to


def _verified(folder: Path, records: Path) -> int:
    done = run("audit", "verify", "--records", str(records), "--json", cwd=folder)
    report = json.loads(done.stdout)
    assert (done.returncode, report["findings"]) == (0, []), report
    return sum(log["lines"] for log in report["read"])


def test_what_was_signed_is_in_the_database_when_the_disk_is_gone(tmp_path: Path) -> None:
    with instances(tmp_path, 1, "--workers", "2", **STORE) as (service,):
        service.generate("w")
        leaves = _sign(service, 60)
        service.kill()
    shutil.copytree(tmp_path / "data-1" / "records", tmp_path / "kept")
    shutil.rmtree(tmp_path / "data-1" / "records")
    records = _fetched(tmp_path)
    assert _verified(tmp_path, records) >= len(leaves)
    shown = run("audit", "export", "--records", str(records), cwd=tmp_path).stdout
    assert shown.count(b'"explained":"a message of 1 bytes"') == len(leaves)
    for file in records.iterdir():
        assert (tmp_path / "kept" / file.name).read_bytes().startswith(file.read_bytes())


def test_after_an_orderly_end_the_database_has_all_of_it(tmp_path: Path) -> None:
    with instances(tmp_path, 1, **STORE, HYPERKMS_AUDIT_SEGMENT_MB="1") as (service,):
        service.generate("w")
        for _ in range(12):
            _sign(service, 200)
    records = _fetched(tmp_path)
    here = tmp_path / "data-1" / "records"
    names = {path.name for path in here.glob("*.jsonl")}
    assert len(names) > 2, "more than one segment"
    assert {path.name for path in records.iterdir()} == names
    assert all((records / name).read_bytes() == (here / name).read_bytes() for name in names)


def test_each_directory_has_its_own(tmp_path: Path) -> None:
    with instances(tmp_path, 2, **STORE) as running:
        running[0].generate("w")
        for service in running:
            _sign(service, 5)
    told = refusal("audit", "fetch", "--to", str(tmp_path / "x"), cwd=tmp_path, **settings_of(tmp_path))
    assert "[no-record-copied]" in told
    for number in (1, 2):
        directory = (tmp_path / f"data-{number}" / "database").read_text()
        assert directory in told
        assert _verified(tmp_path, _fetched(tmp_path, "--directory", directory)) >= 5


def test_nothing_leaves_while_the_database_takes_no_line(tmp_path: Path) -> None:
    name = settings_of(tmp_path)["HYPERKMS_DATABASE"].rpartition("/")[2]
    with instances(tmp_path, 1, **STORE) as (service,):
        service.generate("w")
        before = len(_sign(service, 3))
        postgres().execute(name, "ALTER TABLE record_chunks RENAME TO gone")
        asked = {"walletId": "w", "message": "m"}
        assert [service.post("/wallets/sign", asked).status for _ in range(3)] == [503] * 3
        postgres().execute(name, "ALTER TABLE gone RENAME TO record_chunks")
        after = len(_sign(service, 4))
    records = _fetched(tmp_path)
    assert _verified(tmp_path, records) >= before + after


def test_a_piece_that_was_taken_out_is_missed(tmp_path: Path) -> None:
    name = settings_of(tmp_path)["HYPERKMS_DATABASE"].rpartition("/")[2]
    with instances(tmp_path, 1, **STORE) as (service,):
        service.generate("w")
        for _ in range(5):
            _sign(service, 1)
    postgres().execute(
        name,
        "DELETE FROM record_chunks WHERE start = (SELECT max(start) - 0 FROM (SELECT start FROM"
        " record_chunks WHERE file <> 'manifest.jsonl' ORDER BY start LIMIT 2) AS early)",
    )
    told = refusal("audit", "fetch", "--to", str(tmp_path / "x"), cwd=tmp_path, **settings_of(tmp_path))
    assert "[record-chunks-missing]" in told


def test_it_takes_a_database_that_is_elsewhere(tmp_path: Path) -> None:
    with databases.on(databases.SQLITE):
        assert "[malformed-setting]" in refusal("config", cwd=tmp_path, **STORE)
