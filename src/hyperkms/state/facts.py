"""Facts of a data directory, each under its name; most are written once and hold for ever."""

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import facts


def settle(database: Database, name: str, value: str) -> str:
    """Write the fact if there is none of this name; answers the one that stands, durable."""
    with database.write() as connection:
        standing = read_within(connection, name)
        if standing is None:
            write_within(connection, name, value)
        return value if standing is None else standing


def read(database: Database, name: str) -> str | None:
    """The fact, or None."""
    with database.read() as connection:
        return read_within(connection, name)


def read_within(connection: sa.Connection, name: str) -> str | None:
    """The fact as this transaction sees it, or None."""
    standing: str | None = connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()
    return standing


def write_within(connection: sa.Connection, name: str, value: str) -> None:
    """Let this be the fact once the transaction commits, whatever was before."""
    connection.execute(facts.delete().where(facts.c.name == name))
    connection.execute(facts.insert().values(name=name, value=value))
