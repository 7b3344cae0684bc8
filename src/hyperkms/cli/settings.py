"""Options that several commands share, and `hyperkms config`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hyperkms.config import SETTINGS, Config, load_from_process

DATA = click.option("--data", type=click.Path(path_type=Path), help="The data directory (HYPERKMS_DATA).")
ENV_FILE = click.option(
    "--env-file", type=click.Path(path_type=Path), help="Settings to read beneath the environment, instead of .env."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --data and --env-file."""
    return DATA(ENV_FILE(command))


def settings(data: Path | None, env_file: Path | None, **flags: object) -> Config:
    """The effective settings of this call."""
    config = load_from_process({"data": data, **flags}, env_file)
    for note in config.notes:
        click.echo(f"hyperkms: warning: {note}", err=True)
    return config


@click.command()
@with_settings
@JSON
def config(data: Path | None, env_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Print the effective settings; secrets only as set or unset."""
    redacted = settings(data, env_file).redacted()
    shown = {name: redacted[member] for name, member in SETTINGS.items()}
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    for name, value in shown.items():
        click.echo(f"{name:26} {'-' if value is None else value}")
