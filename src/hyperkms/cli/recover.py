"""`hyperkms recover`: what a person does after a loss, before signing goes on."""

import sys
from pathlib import Path

import click

from hyperkms.cli.clock import clock
from hyperkms.cli.desk import opened
from hyperkms.cli.layout import RECORDS
from hyperkms.cli.places import has_database
from hyperkms.cli.printing import FORM, Form, show
from hyperkms.cli.running import held_alone
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.errors import NotFound, Refused
from hyperkms.mode import Kind
from hyperkms.wallet import iso_time


@click.group()
def recover() -> None:
    """Go on after a loss: docs/recovery.md has the runbooks."""


@recover.command()
@click.option("--yes", is_flag=True, help="Do not ask; needed where no terminal can.")
@click.option("--rolled-back", is_flag=True, help="Also where no `restore` was: the database was put back by hand.")
@click.option(
    "--new-directory",
    is_flag=True,
    help="Where the state is in PostgreSQL and the data directory is lost: DIR, which is empty, takes its place.",
)
@click.option(
    "--nothing-lost",
    is_flag=True,
    help="The PostgreSQL database was moved, or a synchronous standby took over: it has all that was committed.",
)
@click.option(
    "--record", type=click.Path(path_type=Path), help="The lost service's folder `records`, as far as it is left."
)
@with_settings
@FORM
def fence(
    yes: bool,  # noqa: FBT001 (click passes a flag)
    rolled_back: bool,  # noqa: FBT001 (as above)
    new_directory: bool,  # noqa: FBT001 (as above)
    nothing_lost: bool,  # noqa: FBT001 (as above)
    record: Path | None,
    data: Path | None,
    env_file: Path | None,
    form: Form,
) -> None:
    """Let a restored data directory sign again, behind all that may have been signed since its backup.

    Nonces begin a minute past now, unfinished requests are void, and limits over time are fully used until their
    period has passed. The service that was lost must never sign again: make sure of that first.
    """
    config = settings(data, env_file)
    if record is not None and not record.is_dir():
        raise NotFound("no-record", f"there is no folder {record}")
    if nothing_lost and (rolled_back or new_directory):
        raise click.UsageError("--nothing-lost goes with neither --rolled-back nor --new-directory")
    if new_directory and not has_database(config):
        if not yes:
            _confirm(config)
        from hyperkms.cli.taking_over import take_over  # noqa: PLC0415 (as in `desk.opened`)

        take_over(config, now=clock())
        yes = True
    if not has_database(config):
        raise NotFound("no-data-directory", f"{config.data} is no data directory of hyperkms: say --data DIR")
    with held_alone(config.data, "fence"), opened(config, create=False, kind=Kind.SERVICE) as parts:
        if parts.frozen is None and not rolled_back:
            tell_operator("hyperkms: this directory was not restored, or is fenced already: there is nothing to do")
            show({"directory": str(config.data), "fenced": False}, form)
            return
        if not yes:
            _confirm(config)
        from hyperkms.cli.operator import actor  # noqa: PLC0415 (as in `desk.opened`)
        from hyperkms.operations.fence import Behind, accept_database  # noqa: PLC0415 (as above)
        from hyperkms.operations.fence import fence as put_behind  # noqa: PLC0415 (as above)

        if nothing_lost:
            accept_database(parts, actor())
            show({"directory": str(config.data), "fenced": False, "accepted": True}, form)
            return
        fenced = put_behind(parts, Behind(data=config.data, record=record or config.data / RECORDS), actor())
    view = {
        "directory": str(config.data),
        "fenced": True,
        "nonceFloor": fenced.nonce_floor,
        "voidedRequests": fenced.voided,
        "limitsFullyUsedAt": iso_time(fenced.at),
        "acceptedRows": fenced.rows,
        "missingKeys": [f"{wallet} v{number}" for wallet, number in fenced.missing],
    }
    show(view, form)


def _confirm(config: Config) -> None:
    stake = (
        f"from the next start on {config.data} signs. The service that was lost must never sign again: two that sign "
        "with the same keys repeat nonces"
    )
    if not sys.stdin.isatty():
        raise Refused("not-confirmed", f"{stake}. Nothing was done: say --yes where no terminal can ask")
    if not click.confirm(f"hyperkms: {stake}. Is it gone for good?", err=True):
        raise Refused("not-confirmed", "nothing was done")
