"""Cosigners with which this one never signs again."""

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import bans


class BanRows:
    """The table of bans; a row is never removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def identities(self) -> frozenset[bytes]:
        """The identity keys of all that are banned."""
        with self._database.read() as connection:
            return frozenset(bytes(found) for found in connection.execute(sa.select(bans.c.identity)).scalars())

    def add(self, member: int, identity: bytes, reason: str, *, now: int) -> bool:
        """Ban it, durable on return; False if it is banned already."""
        with self._database.write() as connection:
            known = sa.select(bans.c.member).where(bans.c.identity == identity)
            if connection.execute(known).first():
                return False
            connection.execute(bans.insert().values(member=member, identity=identity, reason=reason, at=now))
        return True
