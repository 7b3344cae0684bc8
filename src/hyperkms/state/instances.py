"""Which instance may write to a PostgreSQL database: one, as long as it renews its lease; or several that share it.

An instance is the processes of one machine, since its boot, on one data directory: they share counters in mapped
files, which those of another machine do not see. Its row says until when, by the clock of the database, nobody else
takes its place. Who does gets the next epoch and removes the row; from then on whatever the one before still writes
is refused (`Postgresql.begin_write`), and it never comes back without a restart: it does not know what has changed.

Several bear each other if every one of them shares, each on a directory of its own: then what the mapped files count
is counted in the database. One of those that lost its lease takes a new one, with a new epoch, as soon as it can.

(no row) --acquire--> held --renew--> held --release--> (no row)
                      held --time--> expired --renew, if nobody came--> held
                                     expired --acquire of another--> (no row)
"""

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from hyperkms.errors import HyperkmsError, Refused, Unavailable
from hyperkms.state.boot import since_boot
from hyperkms.state.database import Database
from hyperkms.state.database_clock import milliseconds_within
from hyperkms.state.facts import read_within, write_within
from hyperkms.state.instance_rows import end_expired_within, lease_lost
from hyperkms.state.postgresql import fence, unfenced
from hyperkms.state.schema import instances

LEASE_S: Final = 15.0
RENEW_S: Final = 3.0
_EPOCH: Final = "instance_epoch"


class Lease:
    """This process's part in the lease of its instance; each process renews it for all of them."""

    def __init__(  # noqa: PLR0913 (each by name)
        self,
        database: Database,
        *,
        instance: str,
        host: str,
        lock: Path,
        shares: str | None = None,
        lease_s: float = LEASE_S,
        told: Callable[[HyperkmsError | None], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._told = told
        """Of the first renewal that failed, and with None of the first that did not any more."""
        self._shares = shares
        """The id of its directory, if it bears others beside it."""
        self._instance = instance
        self._host = host
        self._lease_s = lease_s
        self._epoch = 0
        self._until = 0.0
        """By this machine's clock, and before the moment that the database has."""
        self._is_lost = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def acquire(self) -> None:
        """Take or join it; Refused while another instance has it."""
        is_alone = self._is_alone()
        fcntl.flock(self._lock, fcntl.LOCK_SH)  # a process that releases has it alone: then this one waits
        asked = since_boot()
        with unfenced(self._database) as connection:
            if is_alone:  # what a killed process of this directory had would be in the way of another kind
                others = instances.c.shares != (self._shares is not None)
                connection.execute(instances.delete().where(instances.c.id == self._instance, others))
            self._epoch = self._take(connection)
        self._until = asked + self._lease_s
        fence(self._database, self._instance, self._epoch)
        self._is_lost = False

    @property
    def epoch(self) -> int:
        """Its number; no other acquisition ever has the same."""
        return self._epoch

    def is_first(self) -> bool:
        """Whether it is the one that sweeps: of those that share, the one that has been there for the longest."""
        if self._shares is None:
            return True
        with self._database.read() as connection:
            return bool(connection.execute(sa.select(sa.func.min(instances.c.epoch))).scalar() == self._epoch)

    def keep(self) -> None:
        """Renew it from now on."""
        self._thread.start()

    def require(self) -> None:
        """Unavailable unless it is held now; waits for nothing."""
        if self._is_lost:
            raise lease_lost()
        if since_boot() >= self._until:
            words = f"the lease on the database could not be renewed for {self._lease_s:g} s: nothing is signed until"
            raise Unavailable("lease-expired", f"{words} the database answers")

    def close(self) -> None:
        """The last process of the instance gives the lease back, so that another one need not wait for its end."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        with suppress(BlockingIOError, HyperkmsError):  # others go on; or the lease ends by itself
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._database.beside() as connection:
                connection.execute(instances.delete().where(*self._ours))
        os.close(self._lock)

    def renew(self) -> None:
        """Once: put off its end, and end the leases of those that are gone.

        Unavailable if the database does not answer, or another instance has taken over.
        """
        asked = since_boot()
        with self._database.beside() as connection:
            until = milliseconds_within(connection) + round(self._lease_s * 1000)
            renewed = connection.execute(instances.update().where(*self._ours).values(expires_at=until)).rowcount
            if self._shares is not None:
                end_expired_within(connection)
        if not renewed:
            self._is_lost = True
            raise lease_lost()
        self._until = asked + self._lease_s

    def _is_alone(self) -> bool:
        """Whether no other process of this directory has the lease."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def _ours(self) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return instances.c.id == self._instance, instances.c.epoch == self._epoch

    def _take(self, connection: sa.Connection) -> int:
        """The epoch of this instance's row, made or renewed in this transaction."""
        now = milliseconds_within(connection)
        until = now + round(self._lease_s * 1000)
        mine = instances.c.id == self._instance
        standing = connection.execute(instances.update().where(mine).values(expires_at=until).returning(instances))
        for row in standing:
            if row.shares != (self._shares is not None):
                words = "processes of this directory run with another HYPERKMS_INSTANCES: stop them first"
                raise Refused("another-instance", words)
            return int(row.epoch)
        end_expired_within(connection)
        for other in connection.execute(sa.select(instances)):
            self._require_bearable(other, now)
        epoch = 1 + int(read_within(connection, _EPOCH) or 0)
        write_within(connection, _EPOCH, str(epoch))
        made = {"id": self._instance, "epoch": epoch, "host": self._host, "expires_at": until}
        connection.execute(instances.insert().values(**made, shares=self._shares is not None, directory=self._shares))
        return epoch

    def _require_bearable(self, other: sa.Row[Any], now: int) -> None:
        """Refused unless both share, and not one directory."""
        if self._shares is not None and other.shares and other.directory != self._shares:
            return
        left = _seconds(other.expires_at - now)
        words = f"instance {other.host} has the database, and its lease ends in {left} s unless it is renewed"
        if self._shares is not None and other.shares:
            raise Refused("another-instance", f"{words}; it is on a copy of this data directory: make another one")
        both = "both need HYPERKMS_INSTANCES=several to use it at the same time"
        raise Refused("another-instance", f"{words}: {both}")

    def _run(self) -> None:
        failed = False
        while not self._ending.wait(min(RENEW_S, self._lease_s / 5)):
            try:
                if not self._is_lost:
                    self.renew()
                elif self._shares is not None:  # it remembers nothing that others could have changed meanwhile
                    self.acquire()
            except HyperkmsError as error:  # `require` refuses once it is too late
                if not failed:
                    self._told(error)
                failed = True
            else:
                if failed and not self._is_lost:
                    self._told(None)
                    failed = False


def _seconds(milliseconds: int) -> int:
    return max(1, -(-milliseconds // 1000))
