"""The clock of a PostgreSQL database: the one that all instances on it share."""

from typing import Final

import sqlalchemy as sa

MOST_APART_MS: Final = 5_000
"""A machine whose clock differs by more numbers nothing."""
_NOW: Final = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


def microseconds_within(connection: sa.Connection) -> int:
    """Since 1970, at this statement and not at the begin of the transaction."""
    return int(connection.execute(_NOW).scalar_one())


def milliseconds_within(connection: sa.Connection) -> int:
    """The same, rounded down."""
    return microseconds_within(connection) // 1000
