"""Clients and their keys over a real database, with a clock that a test turns."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hyperkms._core import SharedCounters
from hyperkms.access.administration import Clients, Issued, NewClient
from hyperkms.access.api_keys import ApiKeys, ConfiguredKey
from hyperkms.access.client_records import ClientRecord, read_keys
from hyperkms.access.clients import Operation, Role
from hyperkms.state.database import Database
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.row_signatures import RowSignatures
from support.databases import open_at
from support.signed_rows import signed_rows

DAY_MS = 86_400_000


@dataclass
class Clock:
    """Milliseconds since 1970, as the test says."""

    now: int = 1_780_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Access:
    """What one process has; `another` is a second process on the same directory."""

    folder: Path
    configured: ConfiguredKey | None = None
    clock: Clock = field(default_factory=Clock)
    noted: list[ClientRecord] = field(default_factory=list)
    """Every client as it was written down before a change of it held."""
    database: Database = field(init=False)
    rows: RowSignatures = field(init=False)
    clients: Clients = field(init=False)
    api_keys: ApiKeys = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_at(self.folder / "state.db")
        changes = Generation(SharedCounters.open(self.folder / "shared"), CLIENT_CHANGES)
        self.rows = signed_rows(self.folder, self.database)
        self.clients = Clients(self.database, changes, self.rows)
        self.api_keys = ApiKeys(self.database, changes, partial(read_keys, self.rows), self.configured, self.clock)

    def another(self) -> "Access":
        return Access(self.folder, self.configured, self.clock)

    def make(self, name: str, *allowed: Operation, expires_at: int | None = None) -> Issued:
        new = NewClient(name=name, role=Role.BOT, allowed=frozenset(allowed), expires_at=expires_at)
        return self.create(new)

    def administrator(self, name: str) -> Issued:
        return self.create(NewClient(name=name, role=Role.ADMINISTRATOR))

    def create(self, new: NewClient, by: str = "a test") -> Issued:
        return self.clients.create(new, by=by, now=self.clock(), before_commit=self.noted.append)

    def revoke(self, name: str) -> ClientRecord:
        return self.clients.revoke(name, now=self.clock(), before_commit=self.noted.append)

    def rotate(self, name: str, *, overlap: int) -> Issued:
        return self.clients.rotate(name, overlap=overlap, now=self.clock(), before_commit=self.noted.append)
