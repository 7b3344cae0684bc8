"""Options that several commands share, and `hyperkms config`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hyperkms.cli.printing import FORM, Form, show_json, show_rows
from hyperkms.cli.telling import Tell, tell_operator
from hyperkms.config import SETTINGS, Config, load_from_process, sources_of_process

DATA = click.option("--data", type=click.Path(path_type=Path), help="The data directory (HYPERKMS_DATA).")
ENV_FILE = click.option(
    "--env-file", type=click.Path(path_type=Path), help="Settings to read beneath the environment, instead of .env."
)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --data and --env-file."""
    return DATA(ENV_FILE(command))


def settings(data: Path | None, env_file: Path | None, tell: Tell = tell_operator, /, **flags: object) -> Config:
    """The effective settings of this call."""
    config = load_from_process({"data": data, **flags}, env_file)
    for note in config.notes:
        tell(f"hyperkms: warning: {note}")
    return config


@click.command()
@with_settings
@FORM
def config(data: Path | None, env_file: Path | None, form: Form) -> None:
    """Print the effective settings and where each comes from; secrets only as set or unset."""
    redacted = settings(data, env_file).redacted()
    sources = sources_of_process({"data": data}, env_file)
    if form is Form.JSON:
        show_json({name: {"value": redacted[member], "source": sources[name]} for name, member in SETTINGS.items()})
        return
    rows = [(name, _shown(redacted[member]), sources[name]) for name, member in SETTINGS.items()]
    show_rows([("SETTING", "VALUE", "SOURCE"), *rows])


def _shown(value: str | float | bool | None) -> str:  # noqa: FBT001 (a setting)
    return "-" if value in (None, "") else str(value)
