"""Which instances may still write to the database they share."""

import sqlalchemy as sa

from hyperkms.errors import Unavailable
from hyperkms.state.database_clock import milliseconds_within
from hyperkms.state.schema import instances


def lease_lost() -> Unavailable:
    """The refusal of a process whose instance has been replaced."""
    words = "another instance has taken over the database while this one could not renew its lease"
    return Unavailable("lease-lost", f"{words}: nothing is signed here any more; restart the service")


def end_expired_within(connection: sa.Connection) -> None:
    """Whoever has not renewed in time writes no more, once the transaction commits."""
    connection.execute(instances.delete().where(instances.c.expires_at <= milliseconds_within(connection)))


def is_alive_within(connection: sa.Connection, epoch: int) -> bool:
    """Whether this instance has renewed in time."""
    now = milliseconds_within(connection)
    alive = sa.select(instances.c.epoch).where(instances.c.epoch == epoch, instances.c.expires_at > now)
    return connection.execute(alive).first() is not None
