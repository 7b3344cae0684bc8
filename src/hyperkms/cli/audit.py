"""`hyperkms audit`: tail, show, export; the group that verify and prove join."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from hyperkms.audit.reading.decisions import Decision, Query
from hyperkms.audit.reading.export import as_lines, as_table
from hyperkms.audit.reading.folder import Folder
from hyperkms.audit.reading.sentences import kind_of, line_of, printable, sentence, time_of
from hyperkms.audit.reading.tail import Tail
from hyperkms.cli.audit_desk import decisions_at
from hyperkms.cli.audit_place import Place, with_place
from hyperkms.cli.audit_query import with_query
from hyperkms.cli.printing import FORM, Form, show, show_json
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Conflict, Malformed, NotFound, Unavailable

_POLL_S = 0.5
_LINE = re.compile(r"([0-9a-f]{8,32})/(0|[1-9][0-9]{0,17})", re.ASCII)
_WHOLE = 32


@click.group()
def audit() -> None:
    """Read the record, verify it, and prove that a line stands in it.

    It is that of a data directory (--data), also while a service runs on it, a copy of its folder (--records), or
    what a running service tells of its own (--url).
    """


@audit.command("tail")
@click.option("-n", "count", type=click.IntRange(0), default=20, show_default=True, help="So many to begin with.")
@click.option("-f", "--follow", is_flag=True, help="Go on with those that come, until Ctrl-C.")
@with_query
@with_place
@FORM
def tail_command(count: int, follow: bool, query: Query, place: Place, form: Form) -> None:  # noqa: FBT001 (a flag)
    """Print the newest decisions of all logs, by time; with --json a document a line."""
    tail = Tail(place.folder(), query)
    newest = tail.last(count)
    while True:
        for decision in newest:
            click.echo(json.dumps(_view(decision)) if form is Form.JSON else line_of(decision))
        if not follow:
            return
        sys.stdout.flush()
        time.sleep(_POLL_S)
        newest = tail.more()


@audit.command("show")
@click.argument("line", metavar="[LOG/INDEX]", required=False)
@with_query
@with_place
@FORM
def show_command(line: str | None, query: Query, place: Place, form: Form) -> None:
    """Print decisions by time, or one line with all its members; of LOG its first 8 digits are enough."""
    if line is not None:
        decision = _one(place, line)
        view = _view(decision)
        show({**view, "text": decision.text.decode()} if form is Form.JSON else _members(decision), form)
        return
    found = decisions_at(place, query)
    if form is Form.JSON:
        views = [_view(decision) for decision in found]
        show_json({"records": views, "count": len(views)})
        return
    for decision in found:
        click.echo(line_of(decision))


@audit.command("export")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A new file; standard output unless told.")
@with_query
@with_place
@FORM
def export_command(kind: str, output: Path | None, query: Query, place: Place, form: Form) -> None:
    """Write decisions by time: the lines byte for byte (jsonl), or a table that is safe in a spreadsheet."""
    if output is None and form is Form.JSON:
        raise click.UsageError("--json says how many went into a file: give -o FILE")
    found = _Counted(decisions_at(place, query))
    texts = as_table(found) if kind == "csv" else as_lines(found)
    if output is None:
        _write(texts, sys.stdout.buffer)
    else:
        with _new_file(output) as file:
            _write(texts, file)
    if form is Form.JSON:
        show_json({"count": found.count, "output": str(output)})
    else:
        tell_operator(f"hyperkms: {found.count} decisions" + (f" written to {output}" if output else ""))


class _Counted:
    """Decisions, counted as they go by."""

    def __init__(self, decisions: Iterator[Decision]) -> None:
        self._decisions = decisions
        self.count = 0

    def __iter__(self) -> Iterator[Decision]:
        for decision in self._decisions:
            self.count += 1
            yield decision


def _write(texts: Iterator[bytes], file: BinaryIO) -> None:
    file.writelines(texts)
    file.flush()


def _new_file(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError as error:
        raise Conflict("file-exists", f"{path} exists and is not overwritten; name another file") from error
    except OSError as error:
        raise Unavailable("file-unwritable", f"{path} cannot be written ({error.strerror})") from error


def _one(place: Place, text: str) -> Decision:
    found = _LINE.fullmatch(text)
    if found is None:
        raise Malformed.at("LOG/INDEX", "a log id, or its first digits (8 at least), a slash and a number are due")
    log, index = log_of(place, found[1]), int(found[2])
    for decision in decisions_at(place, Query(log=log, index=index)):
        return decision
    raise NotFound("no-such-line", f"there is no line {index} of log {log}")


def log_of(place: Place, text: str) -> str:
    """The log that begins with these digits; NotFound if there is none, Malformed if there are several."""
    if len(text) == _WHOLE:
        return text
    if place.asks_service():
        raise Malformed.at("LOG", "a service is asked for the whole id of a log: 32 digits")
    folder = Folder.read(place.folder())
    logs = {*folder.logs, *(file.log for file in folder.unchained)}
    fitting = sorted(log for log in logs if log.startswith(text))
    if not fitting:
        raise NotFound("no-such-line", f"there is no log {text}")
    if len(fitting) > 1:
        raise Malformed.at("LOG", f"{len(fitting)} logs begin with {text}; give more digits")
    return fitting[0]


def _view(decision: Decision) -> dict[str, Any]:
    line = decision.line
    what = printable(sentence(decision))
    return {"log": line.log, "index": line.index, "kind": line.kind, "what": what, "record": decision.record}


def _members(decision: Decision) -> dict[str, Any]:
    """For a person: the members of the record beside its place, its kind by name and its time as a calendar has it."""
    place = {name: value for name, value in _view(decision).items() if name != "record"}
    texts = {name: printable(value) if isinstance(value, str) else value for name, value in decision.record.items()}
    return {**place, "kind": kind_of(decision), **texts, "time": time_of(decision)}
