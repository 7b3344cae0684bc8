"""Where the state of a data directory is: in its file, or in a PostgreSQL database. Loads neither."""

from typing import TYPE_CHECKING

from hyperkms.cli.layout import DATABASE, DATABASE_MARK
from hyperkms.config import Config
from hyperkms.errors import Refused

if TYPE_CHECKING:
    from hyperkms.state.postgresql_address import DatabaseAddress


def address_of(config: Config) -> "DatabaseAddress":
    """Where the state of this data directory is."""
    return config.data / DATABASE if config.database is None else config.database


def has_database(config: Config) -> bool:
    """Whether the directory has its SQLite database, or the mark of a PostgreSQL one; Refused if it has the other."""
    path, mark = config.data / DATABASE, config.data / DATABASE_MARK
    has_file = path.exists() and path.stat().st_size > 0
    if config.database is not None and has_file:
        words = f"{config.data} has its state in {DATABASE}, and HYPERKMS_DATABASE names {config.database}"
        raise Refused("wrong-database", f"{words}: leave it unset, or name an empty directory")
    if config.database is None and mark.exists():
        words = f"{config.data} has its state in PostgreSQL, and HYPERKMS_DATABASE names none"
        raise Refused("wrong-database", f"{words}: set it as it was")
    return has_file if config.database is None else mark.exists()
