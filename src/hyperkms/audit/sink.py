"""Where records go."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from hyperkms.audit.record import SignatureRecord


@dataclass(frozen=True)
class Position:
    """Where a durable record stands: the log's origin id and the line in it, from 0."""

    log: str
    index: int


class RecordSink(Protocol):
    """An append-only place for records."""

    def append(self, record: SignatureRecord) -> "Future[Position]":
        """Take a record; the future is done when it is durable, and fails Unavailable if it cannot be.

        After one failure every later append fails too: a gap is never written over.
        """

    def check(self) -> None:
        """Unavailable if records cannot be taken."""

    def close(self) -> None:
        """Write what was taken, then take no more."""
