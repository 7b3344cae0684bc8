"""`hyperkms migrate`: bring the database to this release's schema."""

from pathlib import Path

import click

from hyperkms.cli.places import address_of, has_database
from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.settings import settings, with_settings
from hyperkms.config import Config
from hyperkms.errors import NotFound
from hyperkms.state.database import migrate_database


@click.command()
@with_settings
@FORM
def migrate(data: Path | None, env_file: Path | None, form: Form) -> None:
    """Bring the database to this release's schema; one that is there already stays as it is.

    A SQLite database is copied beside itself first. Of a PostgreSQL one make a backup before: it is changed in one
    transaction, and only by this command.
    """
    config = settings(data, env_file)
    _require_there(config)
    before, after = migrate_database(address_of(config))
    if form is Form.JSON:
        show_json({"database": str(address_of(config)), "before": before, "after": after})
        return
    had = "was empty" if before is None else f"had schema {before}"
    click.echo(f"{address_of(config)} has schema {after}" + (" already" if before == after else f"; it {had}"))


def _require_there(config: Config) -> None:
    """A file is made by who makes the data directory; a server's database by its administrator."""
    if not has_database(config) and config.database is None:
        words = f"{config.data} is no data directory of hyperkms: name yours with --data or HYPERKMS_DATA"
        raise NotFound("no-data-directory", f"{words}; `hyperkms serve` makes one")
