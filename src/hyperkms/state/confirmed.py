"""Which changes other instances have made to the database: asked for again and again, in a thread.

Each change raises its number in the table `changes` in its own transaction. What a process has read holds as long as
the numbers stand, and as long as it has asked lately: one that is cut off does not go on by what it remembers.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.boot import since_boot
from hyperkms.state.database import Database
from hyperkms.state.schema import changes

ASKED_EVERY_S: Final = 0.03
HOLDS_S: Final = 2.0
"""So long after it was asked for, what is remembered may be used."""
WALLETS, CLIENTS = "wallets", "clients"
_NUMBERS: Final = sa.select(changes.c.kind, changes.c.number)


class Confirmed:
    """The numbers, as one process saw them last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: Mapping[str, int] = {}
        self._until = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)

    def keep(self) -> None:
        """Ask now, and from now on."""
        self.ask()
        self._thread.start()

    def number(self, kind: str) -> int | None:
        """One that no later state of these records has; None while it is not known. Waits for nothing."""
        numbers = self._numbers
        return numbers[kind] if since_boot() < self._until else None

    def require(self) -> None:
        """Unavailable unless it was asked for lately: a wallet or client may have been retired elsewhere."""
        if since_boot() >= self._until:
            words = f"the database has not said for {HOLDS_S:g} s what other instances have changed"
            raise Unavailable("changes-unconfirmed", f"{words}: nothing is signed until it does")

    def close(self) -> None:
        """Ask no more."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def ask(self) -> None:
        """Ask now. Unavailable if the database does not answer."""
        asked = since_boot()
        with self._database.beside() as connection:
            found = {row.kind: int(row.number) for row in connection.execute(_NUMBERS)}
        self._numbers = found  # before the time until which it holds
        self._until = asked + HOLDS_S

    def _run(self) -> None:
        while not self._ending.wait(ASKED_EVERY_S):
            with suppress(HyperkmsError):  # once it is too late, `number` and `require` tell
                self.ask()


@dataclass(frozen=True)
class Elsewhere:
    """The changes of one kind of record by whatever instance."""

    confirmed: Confirmed
    kind: str

    def number(self) -> int | None:
        """As `Confirmed.number`."""
        return self.confirmed.number(self.kind)

    def change_within(self, connection: sa.Connection) -> None:
        """These records have changed, if the transaction commits."""
        connection.execute(changes.update().where(changes.c.kind == self.kind).values(number=changes.c.number + 1))
