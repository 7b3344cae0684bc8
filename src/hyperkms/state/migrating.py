"""Which schema a database has, and how it is brought to this release's."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hyperkms.errors import Refused
from hyperkms.state.database import Database
from hyperkms.state.facts import read, write_within

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

SCHEMA = "0015"
"""The newest migration; a database with another one that is not older is refused."""
OLDEST_BESIDE = "0013"
"""The oldest schema whose releases may work beside this one's: migrations after it only add what those leave alone."""
OLDEST = "oldest_schema"
"""The fact that has it, in PostgreSQL."""


def schema_of(database: Database) -> str | None:
    """The newest migration that it has had; None of an empty one."""
    with database.read() as connection:
        return schema_within(connection)


def schema_within(connection: sa.Connection) -> str | None:
    """The same as this transaction sees it."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: Any = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def note_oldest_within(connection: sa.Connection) -> None:
    """Say which older releases may work beside this one, once the transaction commits."""
    write_within(connection, OLDEST, OLDEST_BESIDE)


def oldest_of(database: Database) -> str | None:
    """What the release that migrated it last says of older ones; None: that none may."""
    return read(database, OLDEST)


def require_known(found: str, oldest: str | None = None) -> None:
    """Refused if a newer release has migrated it, unless that one says that this one may work beside it."""
    if found > SCHEMA and (oldest is None or oldest > SCHEMA):
        raise Refused(
            "schema-too-new",
            f"the database has schema {found}, this release knows {SCHEMA}: run the newer release of hyperkms",
        )


def migrate_within(connection: sa.Connection) -> None:
    """Every migration that is missing, if this transaction commits."""
    from alembic import command  # noqa: PLC0415 (a third of a second that most starts do not need)

    command.upgrade(_alembic(connection), "head")


def _alembic(connection: sa.Connection) -> "AlembicConfig":
    from alembic.config import Config  # noqa: PLC0415 (as above)

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
