"""What a command works on: a data directory, or a running service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hyperkms.cli.remote import Remote
from hyperkms.cli.settings import with_settings
from hyperkms.config import service_of_process
from hyperkms.errors import Malformed

URL = click.option("--url", help="The running service to ask (HYPERKMS_URL; its key in HYPERKMS_API_KEY).")


def with_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --url beside --data and --env-file."""
    return URL(with_settings(command))


def remote_of(url: str | None, data: Path | None, env_file: Path | None) -> Remote | None:
    """The service that --url or HYPERKMS_URL names; None for the data directory. A flag wins over a setting."""
    if url and data:
        raise Malformed.at("--url", "and --data exclude each other: one is a running service, the other its directory")
    if data:
        return None
    service = service_of_process(url, env_file)
    return None if service is None else Remote(service)
