"""`hyperkms wallet import-first-system`: the wallets of the first system, straight from AWS."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperkms.cli.desk import opened
from hyperkms.cli.places import has_database
from hyperkms.cli.printing import FORM, Form, show_json, show_rows
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.errors import Malformed
from hyperkms.mode import Kind

if TYPE_CHECKING:
    from hyperkms.cli.first_system_report import Report

REPORT = "first-system-import.json"
LEFT = 3
"""The exit status where something is left in the first system alone."""


KMS_KEY = click.option(
    "--kms-key", metavar="KEY", help="Under which the keys were encrypted; or HYPERKMS_FIRST_SYSTEM_KEY."
)


class _Work(Enum):
    """How far it goes."""

    LOOK = "look"
    CHECK = "check"
    APPLY = "apply"


@click.command("import-first-system")
@click.option(
    "--dry-run",
    "work",
    flag_value=_Work.LOOK.value,
    default=_Work.LOOK.value,
    help="Read the records and say what they would become; the default.",
)
@click.option(
    "--check",
    "work",
    flag_value=_Work.CHECK.value,
    help="The same, and have each key decrypted in the core to see that it is sound.",
)
@click.option("--apply", "work", flag_value=_Work.APPLY.value, type=_Work, help="Import them.")
@click.option(
    "--only", multiple=True, metavar="ID", help="This wallet; may be repeated. All that are listed, unless said."
)
@KMS_KEY
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help=f"Where --apply writes what it did; {REPORT} in the directory, unless said.",
)
@with_settings
@FORM
def import_first_system_command(
    work: str,
    only: tuple[str, ...],
    kms_key: str | None,
    report: Path | None,
    data: Path | None,
    env_file: Path | None,
    form: Form,
) -> int:
    """Bring the wallets of the first system here, out of AWS below SECRETS_PREFIX; without --apply only say how.

    Its records are read and stay as they are. Cut off anywhere, the same command goes on. Exit status 3: something is
    not here and cannot be imported; the answer says what and why.
    """
    config = naming(settings(data, env_file), kms_key)
    done = _run(config, only, _Work(work))
    if work == _Work.APPLY.value:
        from hyperkms.cli.first_system_report import write_report  # noqa: PLC0415 (as in `desk.opened`)

        place = report or config.data / REPORT
        write_report(place, done)
        tell_operator(f"hyperkms: what was imported, and what was not and why, is in {place}")
    _show(done, form)
    return 0 if done.is_complete else LEFT


def naming(config: Config, kms_key: str | None) -> Config:
    """The settings with the KMS key of the first system; Malformed if nothing names it."""
    config = replace(config, first_system_key=kms_key or config.first_system_key)
    if config.first_system_key is None:
        words = "no KMS key of the first system is named: say --kms-key, or set HYPERKMS_FIRST_SYSTEM_KEY"
        raise Malformed("malformed-setting", words, {"setting": "HYPERKMS_FIRST_SYSTEM_KEY"})
    return config


def _run(config: Config, only: Sequence[str], work: _Work) -> "Report":
    """Everything is read before the first wallet is imported: who lacks a right learns it before anything is done."""
    from hyperkms.cli.clock import clock  # noqa: PLC0415 (as in `desk.opened`)
    from hyperkms.cli.custody import first_system_of  # noqa: PLC0415 (as above)
    from hyperkms.cli.first_system_run import Run, found_in  # noqa: PLC0415 (as above)

    first = first_system_of(config, lambda *_: None)
    if first is None:
        raise AssertionError("its key is named")
    now = clock()
    found = found_in(first, only, now=now, bar=_bar)
    run = Run(first=first, found=found, prefix=config.secrets_prefix, now=now)
    if work is _Work.APPLY:
        with opened(config, create=True, kind=Kind.SERVICE) as parts:
            return run.apply(parts, _bar)
    checks = work is _Work.CHECK
    if not has_database(config):
        from hyperkms.cli.assemble import protect_memory  # noqa: PLC0415 (as above)

        protect_memory(config, tell_operator)
        return run.look(None, _bar, checks=checks)
    with opened(config, create=False, kind=Kind.SERVICE) as parts:
        return run.look(parts, _bar, checks=checks)


@contextmanager
def _bar(length: int, label: str) -> "Iterator[click._termui_impl.ProgressBar[int]]":
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=length, label=f"hyperkms: {label}", file=sys.stderr, show_pos=True, hidden=hidden
    ) as bar:
        yield bar


def _show(report: "Report", form: Form) -> None:
    view = report.view()
    if form is Form.JSON:
        show_json(view)
        return
    rows = [
        (one["name"], one["verdict"], _versions(one), one.get("code"), one.get("reason")) for one in view["wallets"]
    ]
    show_rows([("WALLET", "BECOMES", "VERSIONS", "CODE", "WHY"), *rows])
    for name in report.others:
        click.echo(f"{name}: no wallet, left alone")
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in view["counts"].items()))


def _versions(view: dict[str, object]) -> str | None:
    versions = view.get("versions")
    if not isinstance(versions, list):
        return None
    return " ".join(f"{one['version']}:{one['state']}" for one in versions)


COMMANDS = (import_first_system_command,)
