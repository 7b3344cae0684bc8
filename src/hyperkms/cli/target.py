"""What a command works on: a data directory, or a running service."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hyperkms.cli.remote import Remote
from hyperkms.cli.settings import settings, with_settings
from hyperkms.config import Config, ServiceAddress, service_is_named, service_of_process
from hyperkms.errors import Malformed

URL = click.option(
    "--url",
    help="The running service to ask, http(s):// or unix: (HYPERKMS_URL; HYPERKMS_API_KEY, or HYPERKMS_REQUEST_KEY).",
)


@dataclass(frozen=True)
class Target:
    """What --url, --data and --env-file said."""

    url: str | None
    data: Path | None
    env_file: Path | None

    def remote(self) -> Remote | None:
        """The service that --url or HYPERKMS_URL names; None for the data directory. A flag wins over a setting."""
        service = self.service()
        return None if service is None else Remote(service)

    def service(self) -> ServiceAddress | None:
        """Its address."""
        if self.url and self.data:
            words = "and --data exclude each other: one is a running service, the other its directory"
            raise Malformed.at("--url", words)
        if self.data:
            return None
        return service_of_process(self.url, self.env_file)

    def names_service(self) -> bool:
        """Whether a service is meant, rightly or not."""
        return bool(self.url) or (not self.data and service_is_named(self.env_file))

    def settings(self) -> Config:
        """The settings, for work on the directory."""
        return settings(self.data, self.env_file)


def with_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --url beside --data and --env-file; it gets them as `target`."""

    @functools.wraps(command)
    def gathered(*, url: str | None, data: Path | None, env_file: Path | None, **options: Any) -> Any:
        return command(target=Target(url, data, env_file), **options)

    return URL(with_settings(gathered))
