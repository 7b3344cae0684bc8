"""Decisions in the order of their times, filters, pages and tails; what a table and a sentence make of a record."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.audit.reading.decisions import Decision, Query, decisions, read_decision
from hyperkms.audit.reading.export import COLUMNS, as_lines, as_table
from hyperkms.audit.reading.pages import page
from hyperkms.audit.reading.sentences import line_of
from hyperkms.audit.reading.tail import Tail
from hyperkms.audit.reading.times import parse_since, parse_until
from hyperkms.errors import Malformed, NotFound
from support.chained_record import CHANGE, CLIENT, SIGNATURE, START, Record, compact, signature_record

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Two logs of several segments whose lines alternate in time, and a file of the release before."""
    made = Record(tmp_path / "records")
    made.adopt(3)
    first, second = made.log(), made.log()
    for number in range(6):
        first.sign(wallet="bot-1", client="alice")
        second.sign(wallet=f"bot-{number}", client="bob")
        if number == 2:
            first.next_segment()
            first.refuse(wallet="bot-1", client="alice")
            second.head()
    change = {"versions": [{"version": 2, "state": "active", "publicKey": "0x"}], "reason": "quarterly\x1b[31m"}
    common = {"requestId": "f" * 16, "client": "carol"}
    second.write(CHANGE, {"time": made.tick(), **common, "wallet": "bot-1", "operation": "rotate", **change})
    subject = {"operation": "create-client", "subject": "alice", "role": "bot", "wallets": ["bot-1"], "may": []}
    second.write(CLIENT, {"time": made.tick(), **common, **subject, "expiresAt": None, "keys": []})
    first.close()
    return made


def places(found: list[Decision]) -> list[tuple[str, int]]:
    return [(one.line.log, one.line.index) for one in found]


def test_decisions_of_all_logs_come_in_the_order_of_their_times(record: Record) -> None:
    found = list(decisions(record.folder, Query()))
    assert len(found) == 3 + 7 + 8
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert {one.line.kind for one in found} == {1, 12, 13, 14, 16}, "neither openings nor heads"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (Query(wallet="bot-1"), 3 + 7 + 1 + 2),
        (Query(wallet="bot-3"), 1),
        (Query(wallet="bot"), 0),
        (Query(client="alice"), 7 + 1),
        (Query(client="carol"), 2),
        (Query(operation="rotate"), 1),
        (Query(refused=True), 1),
        (Query(refused=False), 17),
        (Query(request_id="f" * 16), 2),
        (Query(client="alice", refused=True), 1),
        (Query(since=START), 15),
        (Query(until=START), 3),
        (Query(since=START, until=START + 9), 2),
        (Query(since=START + DAY_MS), 0),
        (Query(wallet='bot"1'), 0),
        (Query(wallet="bot-1€"), 0),
    ],
)
def test_a_filter_leaves_what_it_asks_for(record: Record, query: Query, count: int) -> None:
    found = list(decisions(record.folder, query))
    assert len(found) == count
    in_pages = all_pages(record, query, limit=2)
    assert sorted(places(in_pages)) == sorted(places(found))


def test_a_line_in_a_place_is_found_whatever_it_is(record: Record) -> None:
    log = min(one.line.log for one in decisions(record.folder, Query()))
    [opening] = decisions(record.folder, Query(log=log, index=0))
    assert opening.line.kind in (1, 11)
    assert list(decisions(record.folder, Query(log=log, index=99))) == []


def all_pages(record: Record, query: Query, limit: int) -> list[Decision]:
    found, after = [], None
    while True:
        one = page(record.folder, query, limit=limit, after=after)
        assert len(one.decisions) <= limit
        found += one.decisions
        if one.next is None:
            return found
        after = one.next


@pytest.mark.parametrize(
    ("after", "count"),
    [
        ("x", 0),
        ("x:1", 0),
        (":", 0),
        ("", 18),
        ("manifest.jsonl:0", 0),
        ("../records:0", 18),
        ("20250101T000000Z:-1", 15),
    ],
)
def test_a_page_goes_on_in_the_order_of_names_wherever_it_is_told_to(record: Record, after: str, count: int) -> None:
    assert len(page(record.folder, Query(), limit=1000, after=after).decisions) == count


def test_a_page_reads_a_bounded_part_of_a_large_file(tmp_path: Path) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    [file] = log.files
    text = compact(signature_record(7, START, wallet="bot-1"))
    with file.open("ab") as large:
        for index in range(1, 12_000):
            prefix = b'{"v":%d,"log":"%b","index":%d,"prev":"%b","record":' % (
                SIGNATURE,
                log.id.encode(),
                index,
                b"0" * 64,
            )
            large.write(prefix + text + b"}\n")
    query = Query(request_id="0" * 15 + "8")
    first = page(record.folder, query, limit=1000, after=None)
    assert first.decisions == []
    assert first.next is not None
    reached = int(first.next.rpartition(":")[2])
    assert (4 << 20) <= reached < (4 << 20) + 2000
    assert all_pages(record, query, limit=1000) == []
    assert len(all_pages(record, Query(), limit=1000)) == 11_999


def test_a_tail_shows_the_newest_and_then_what_comes(record: Record) -> None:
    everything = list(decisions(record.folder, Query()))
    for count in (0, 1, 5, 100):
        tail = Tail(record.folder, Query())
        assert places(tail.last(count)) == places(everything[-count:] if count else [])
    assert tail.more() == []
    log = record.log()
    assert tail.more() == [], "an opening is no decision"
    log.sign(2)
    assert [one.line.index for one in tail.more()] == [1, 2]
    whole = log.lines[-1]
    with log.files[-1].open("ab") as file:
        file.write(whole[:40])
        file.flush()
        assert tail.more() == []
        file.write(whole[40:] + b"\n")
    assert [one.text for one in tail.more()] == [whole]
    assert tail.more() == []


def test_a_tail_reads_no_more_of_a_large_file_than_it_needs(tmp_path: Path) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    log.sign(2000)
    size = log.files[0].stat().st_size
    assert size > 4 * (1 << 18)
    found = Tail(record.folder, Query()).last(1500)
    assert [one.line.index for one in found] == list(range(501, 2001))


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    for read in (lambda: list(decisions(tmp_path / "none", Query())), lambda: Tail(tmp_path / "none", Query())):
        with pytest.raises(NotFound, match="no-record"):
            read()


# ---- what is shown -------------------------------------------------------------------------------------


def test_a_sentence_says_who_did_what_and_moves_no_cursor(record: Record) -> None:
    lines = [line_of(one) for one in decisions(record.folder, Query(since=START))]
    assert "alice            bot-1 v1: sign-action buy 0.001 of asset 0 at 60000" in lines[0]
    assert any("REFUSED policy-refused: 1.000 € is more than 500 €" in line for line in lines)
    assert any("bot-1: rotate: 2 active (quarterly\\x1b[31m)" in line for line in lines)
    assert any("create-client alice" in line for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    "record",
    [
        {"time": 1},
        {"time": 10**15, "signed": 5, "wallet": None},
        {"time": 1, "signed": {"action": 5}},
        {"time": 1, "signed": {"action": {"type": "order", "orders": [5, {}]}}, "versions": [5]},
        {"time": 1, "signed": {"messageBytes": 12}},
        {"time": "no"},
        {},
    ],
)
@pytest.mark.parametrize("kind", range(11, 18))
def test_a_record_of_any_shape_has_a_line_and_a_row(record: object, kind: int) -> None:
    text = b'{"v":%d,"log":"%b","index":3,"prev":"%b","record":%b}' % (kind, b"a" * 32, b"0" * 64, compact(record))
    decision = read_decision(text)
    assert decision is not None
    assert line_of(decision)
    assert len(rows([decision])) == 2


def rows(found: list[Decision]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(as_table(found)).decode())))


def test_an_export_in_lines_is_the_very_bytes_of_the_files(record: Record) -> None:
    exported = set(b"".join(as_lines(decisions(record.folder, Query()))).splitlines())
    stored = {line for file in record.folder.glob("2*.jsonl") for line in file.read_bytes().splitlines()}
    assert exported < stored
    assert len(stored - exported) == 2 + 2, "openings and heads"


def test_a_table_has_a_row_for_each_decision(record: Record) -> None:
    found = list(decisions(record.folder, Query()))
    names, *cells = rows(found)
    assert tuple(names) == COLUMNS
    assert len(cells) == len(found)
    outcomes = [row[COLUMNS.index("outcome")] for row in cells]
    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {"signed": 15, "changed": 2, "refused": 1}
    refused = next(row for row in cells if row[COLUMNS.index("outcome")] == "refused")
    assert refused[COLUMNS.index("code")] == "policy-refused"


@given(
    text=st.one_of(st.text(), st.sampled_from("=+-@\t\r").flatmap(lambda one: st.text().map(lambda rest: one + rest)))
)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    line = {
        "time": 1,
        "requestId": text,
        "client": text,
        "wallet": text,
        "operation": text,
        "reason": text,
        "code": text,
    }
    try:
        shown = compact(line)
    except UnicodeEncodeError:
        return
    decision = read_decision(b'{"v":16,"log":"%b","index":3,"prev":"%b","record":%b}' % (b"a" * 32, b"0" * 64, shown))
    assert decision is not None
    _, row = rows([decision])
    assert len(row) == len(COLUMNS)
    for cell in row:
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert cell.isprintable()


# ---- times ---------------------------------------------------------------------------------------------

NOW = 1_795_000_000_000
MIDNIGHT = 1_795_824_000_000 - 10 * DAY_MS


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("24h", NOW - DAY_MS, NOW - DAY_MS),
        ("30m", NOW - 30 * 60_000, NOW - 30 * 60_000),
        ("7d", NOW - 7 * DAY_MS, NOW - 7 * DAY_MS),
        ("2026-11-18", MIDNIGHT, MIDNIGHT + DAY_MS),
        ("2026-11-18T01:00", MIDNIGHT + 3_600_000, MIDNIGHT + 3_600_000),
        ("2026-11-18 01:00:00.5Z", MIDNIGHT + 3_600_500, MIDNIGHT + 3_600_500),
        ("2026-11-18T01:00+01:00", MIDNIGHT, MIDNIGHT),
    ],
)
def test_a_time_is_a_day_a_moment_in_utc_or_a_span(text: str, since: int, until: int) -> None:
    assert (parse_since(text, NOW), parse_until(text, NOW)) == (since, until)


@pytest.mark.parametrize("text", ["", "yesterday", "24", "h", "-1h", "2026-13-01", "2026-11-18T25:00", "999999d", "٣h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    for read in (parse_since, parse_until):
        with pytest.raises(Malformed, match="a day"):
            read(text, NOW)
