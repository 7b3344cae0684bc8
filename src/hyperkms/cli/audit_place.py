"""Which record a command reads: that of a data directory, a copy of its folder, or what a service tells of its own."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from hyperkms.cli.layout import RECORDS
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target, with_target
from hyperkms.errors import Malformed, Refused

_RECORDS = click.option(
    "--records", type=click.Path(path_type=Path), help="A copy of the folder `records`, wherever it is; nothing else."
)


@dataclass(frozen=True)
class Place:
    """What --records, --data, --url and --env-file said."""

    target: Target
    records: Path | None

    def remote(self) -> Remote | None:
        """The service to ask; None where the files are read."""
        return self.target.remote() if self.asks_service() else None

    def asks_service(self) -> bool:
        """Whether it is a service that is read."""
        if self.records is None:
            return self.target.service() is not None
        if self.target.url or self.target.data:
            raise Malformed.at("--records", "is a folder by itself: say neither --data nor --url with it")
        return False

    def folder(self) -> Path:
        """The folder of the record; Refused where a service is meant, since a service hands out no files."""
        if self.records is not None:
            self.asks_service()
            return self.records
        if self.target.names_service():
            words = "this reads the files of the record: say --data DIR, or --records FOLDER for a copy of them"
            raise Refused("audit-needs-files", words)
        return self.target.settings().data / RECORDS


def with_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --records, --url, --data and --env-file; it gets them as `place`."""

    @functools.wraps(command)
    def gathered(*, target: Target, records: Path | None, **options: Any) -> Any:
        return command(place=Place(target, records), **options)

    return _RECORDS(with_target(gathered))
