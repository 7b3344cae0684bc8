"""Facts of a data directory that are written once and hold for ever."""

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import facts


def settle(database: Database, name: str, value: str) -> str:
    """Write the fact if there is none of this name; answers the one that stands, durable."""
    with database.write() as connection:
        standing = connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()
        if standing is not None:
            return str(standing)
        connection.execute(facts.insert().values(name=name, value=value))
        return value


def read(database: Database, name: str) -> str | None:
    """The fact, or None."""
    with database.read() as connection:
        standing = connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()
    return None if standing is None else str(standing)
