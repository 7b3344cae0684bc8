"""Decisions as another program takes them: the lines as they are, or a table for a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator

from hyperkms.audit.reading.decisions import Decision
from hyperkms.audit.reading.sentences import printable, sentence, time_of

COLUMNS = (
    "time",
    "log",
    "index",
    "outcome",
    "requestId",
    "client",
    "wallet",
    "keyVersion",
    "operation",
    "what",
    "code",
    "digest",
    "signature",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_lines(decisions: Iterable[Decision]) -> Iterator[bytes]:
    """Each line byte for byte, so that its hash is the one of its leaf."""
    for decision in decisions:
        yield decision.text + b"\n"


def as_table(decisions: Iterable[Decision]) -> Iterator[bytes]:
    """CSV (RFC 4180) in UTF-8, with a row of names; no cell is a formula to a spreadsheet."""
    yield _row(COLUMNS)
    for decision in decisions:
        yield _row(_cells(decision))


def _cells(decision: Decision) -> tuple[object, ...]:
    record, line = decision.record, decision.line
    outcome = "refused" if decision.is_refusal else "signed" if "signature" in record else "changed"
    names = ("requestId", "client", "wallet", "keyVersion", "operation")
    taken = [record.get(name, "") for name in names]
    rest = [record.get(name, "") for name in ("code", "digest", "signature")]
    return (time_of(decision), line.log, line.index, outcome, *taken, sentence(decision), *rest)


def _row(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([_safe(cell) for cell in cells])
    return text.getvalue().encode()


def _safe(cell: object) -> str:
    """A text that a spreadsheet takes for a text: what could be a formula gets an apostrophe in front."""
    text = "" if cell is None else printable(str(cell))
    return "'" + text if text.lstrip().startswith(_FORMULA) else text
