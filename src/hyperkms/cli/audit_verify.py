"""`hyperkms audit verify` and `prove`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from hyperkms.audit.reading.findings import Finding
from hyperkms.audit.reading.folder import Folder, Progress
from hyperkms.audit.reading.proof import check_proof, parse_proof, parse_receipt
from hyperkms.audit.reading.signed import parse_key_id, parse_public_key
from hyperkms.audit.reading.times import parse_since
from hyperkms.audit.reading.verify import Expected, Report, verify
from hyperkms.cli.audit import log_of
from hyperkms.cli.audit_desk import proof_at, receipt_proof_at
from hyperkms.cli.audit_place import Place, with_place
from hyperkms.cli.clock import clock
from hyperkms.cli.printing import FORM, Form, show, show_json
from hyperkms.errors import Unavailable
from hyperkms.wallet import iso_time

FOUND = 1
_MOST_BYTES = 1 << 20


@click.command("verify")
@click.option("--anchor", type=click.Path(path_type=Path), help="The file that HYPERKMS_AUDIT_ANCHOR names.")
@click.option("--public-key", metavar="HEX", help="The log key, known from elsewhere; else the manifest's is believed.")
@click.option("--key-id", metavar="HEX", help="The same by its id.")
@click.option("--since", metavar="TIME", help="Logs that were closed before are only looked for: 2026-11-28, 7d.")
@click.option("--proof", type=click.Path(path_type=Path), help="Check this proof instead, with nothing else at hand.")
@with_place
@FORM
def verify_command(
    anchor: Path | None,
    public_key: str | None,
    key_id: str | None,
    since: str | None,
    proof: Path | None,
    place: Place,
    form: Form,
) -> None:
    """Check that the record is what was written; exit status 1 if something is found."""
    key = None if public_key is None else parse_public_key(public_key)
    own_id = None if key_id is None else parse_key_id(key_id)
    if proof is not None:
        _verify_proof(proof, key, own_id, form)
        return
    expected = Expected(
        public_key=key,
        key_id=own_id,
        anchor=anchor,
        since=None if since is None else parse_since(since, clock(), "--since"),
    )
    folder = place.folder()
    with _bar(folder) as progress:
        report = verify(folder, expected, progress)
    if form is Form.JSON:
        show_json(_document(report))
    else:
        _tell(report)
    sys.exit(FOUND if report.findings else 0)


@click.command("prove")
@click.argument("log", required=False)
@click.argument("index", required=False, type=click.IntRange(0))
@click.option("--receipt", type=click.Path(path_type=Path), help="A receipt, or the answer that has it; - is a pipe.")
@with_place
@FORM
def prove_command(log: str | None, index: int | None, receipt: Path | None, place: Place, form: Form) -> None:  # noqa: ARG001 (one form)
    """Print the proof that a line stands in its log under a signed head: JSON in any case, for `verify --proof`."""
    if receipt is not None and log is None:
        made = receipt_proof_at(place, parse_receipt(_content(receipt)))
    elif receipt is None and log is not None and index is not None:
        made = proof_at(place, log_of(place, log), index)
    else:
        raise click.UsageError("give LOG and INDEX, or --receipt FILE")
    show_json(msgspec.to_builtins(made))


def _verify_proof(path: Path, public_key: bytes | None, key_id: str | None, form: Form) -> None:
    proof = parse_proof(_content(path))
    check_proof(proof, public_key=public_key, key_id=key_id)
    view = {
        "log": proof.log,
        "index": proof.index,
        "treeSize": proof.tree_size,
        "signedAt": iso_time(proof.head.time),
        "keyId": proof.head.key_id,
        "publicKey": proof.public_key,
        "line": proof.line,
    }
    show({"holds": True, **view} if form is Form.JSON else {"holds": "yes", **view}, form)


def _content(path: Path) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(_MOST_BYTES)
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise Unavailable("file-unreadable", f"{path} cannot be read ({error.strerror})") from error


@contextmanager
def _bar(folder: Path) -> Iterator[Progress]:
    """Told to a terminal, on standard error."""
    size = Folder.read(folder).size()
    with click.progressbar(length=size, label="record", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _tell(report: Report) -> None:
    times = [time for log in report.logs for time in (log.first_time, log.last_time) if time is not None]
    rows: dict[str, Any] = {
        "logs": len(report.logs),
        "segments": report.segments,
        "lines": report.lines,
        "heads checked": report.heads,
        "proved lines": report.proved,
        "from": iso_time(min(times)) if times else "-",
        "to": iso_time(max(times)) if times else "-",
        "key id": ", ".join(report.key_ids) or "-",
    }
    if report.passed_over:
        rows["passed over"] = f"{report.passed_over} logs that were closed before"
    show(rows, Form.TEXT)
    for note in report.notes:
        click.echo(f"note           {note.code}: {note.words}")
    for finding in report.findings:
        click.echo(f"FOUND          {_sentence(finding)}")
    if report.left_out:
        click.echo(f"FOUND          {report.left_out} more that are not shown")
    click.echo("nothing is wrong" if not report.findings else f"{len(report.findings) + report.left_out} found")


def _sentence(finding: Finding) -> str:
    where = [finding.file, f"log {finding.log}" if finding.log and not finding.file else None]
    place = ", ".join(part for part in where if part)
    return f"{finding.code}: {finding.words}" + (f" ({place})" if place else "")


def _document(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.findings,
        "logs": len(report.logs),
        "segments": report.segments,
        "lines": report.lines,
        "heads": report.heads,
        "proved": report.proved,
        "passedOver": report.passed_over,
        "keyIds": list(report.key_ids),
        "findings": [msgspec.to_builtins(finding) for finding in report.findings],
        "notes": [msgspec.to_builtins(note) for note in report.notes],
        "leftOut": report.left_out,
        "read": [
            {
                "log": log.log,
                "segments": log.segments,
                "lines": log.lines,
                "heads": log.heads,
                "proved": log.proved,
                "closed": log.is_closed,
                "firstAt": None if log.first_time is None else iso_time(log.first_time),
                "lastAt": None if log.last_time is None else iso_time(log.last_time),
            }
            for log in report.logs
        ],
    }


COMMANDS = (verify_command, prove_command)
