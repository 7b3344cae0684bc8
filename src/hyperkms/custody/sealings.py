"""How often the keys of a directory were sealed anew, where a sealed key that is stored is never changed.

Each time counts one more sealing, from 0, and has places of its own. The fact `key_store` has the one that is in force:
`aws-secrets-manager:PREFIX` for 0, `aws-secrets-manager:PREFIX r2` for 2. Once keys began to be sealed anew a 0 is
written too, so that a release that knows one sealing alone takes it for another key store and does not start. While the
fact `reseal` stands keys go on to the next one.
"""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.custody.root_change import begun_within
from hyperkms.errors import Tampered
from hyperkms.state.database import Database
from hyperkms.state.facts import read_within, settle, write_within

_FACT = "key_store"
_MARKED = re.compile(r"(?P<store>.*) r(?P<number>[0-9]+)")


@dataclass(frozen=True)
class Sealing:
    """Which one is in force."""

    in_force: int
    to: str | None
    """The id of the root key under which the next one is; None: none is on the way."""

    @property
    def newest(self) -> int:
        """The one in which keys are made."""
        return self.in_force if self.to is None else self.in_force + 1

    @property
    def asked(self) -> tuple[int, ...]:
        """Where a key may be, in this order: one that was in neither may have gone on to the next meanwhile."""
        return (self.in_force,) if self.to is None else (self.newest, self.in_force, self.newest)


class Sealings:
    """Those of a database, which is read each time: a process that runs hears of it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def read(self) -> Sealing:
        """As it stands now."""
        with self.database.read() as connection:
            return self.read_within(connection)

    def read_within(self, connection: sa.Connection) -> Sealing:
        """As this transaction sees it."""
        under_way = begun_within(connection)
        return Sealing(_standing(connection)[1], None if under_way is None else under_way.to)

    def begin_within(self, connection: sa.Connection) -> None:
        """Older releases do not start any more, once the transaction commits."""
        store, number = _standing(connection)
        write_within(connection, _FACT, f"{store} r{number}")

    def finish_within(self, connection: sa.Connection) -> None:
        """The next one is in force once the transaction commits."""
        store, number = _standing(connection)
        write_within(connection, _FACT, f"{store} r{number + 1}")


def settle_key_store(database: Database, name: str) -> None:
    """Tampered unless this is the key store that was used from the first key on: no other has this directory's."""
    standing, _ = _parsed(settle(database, _FACT, name))
    if standing != name:
        words = f"HYPERKMS_KEY_STORE is {name}; the keys of this data directory are in {standing}"
        raise Tampered("wrong-key-store", words)


def _standing(connection: sa.Connection) -> tuple[str, int]:
    return _parsed(read_within(connection, _FACT) or "")


def _parsed(fact: str) -> tuple[str, int]:
    marked = _MARKED.fullmatch(fact)
    return (marked["store"], int(marked["number"])) if marked else (fact, 0)
