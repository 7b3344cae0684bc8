"""Who follows what the record's writer does; none of them may raise."""

from collections.abc import Sequence
from typing import Protocol

from hyperkms.audit.chain import KeyedPlace
from hyperkms.audit.record import HeadRecord


class Observer(Protocol):
    """Told of each group before its tickets are settled; it must neither wait nor raise."""

    def committed(self, size: int) -> None:
        """So many records are durable."""

    def commit_failed(self, size: int) -> None:
        """So many are not."""


class KeyedLines(Protocol):
    """Follows the signatures under an Idempotency-Key through the logs of this process."""

    def announce(self, log: str, length: int) -> None:
        """A log of this many bytes is about to get its first; waits for the database. Unavailable if that is away."""

    def wrote(self, log: str, places: Sequence[KeyedPlace]) -> None:
        """These lines are written, and not yet durable."""


class HeadWitness(Protocol):
    """Told of each head once it is durable; it must neither wait nor raise."""

    def head(self, log: str, head: HeadRecord) -> None:
        """A head of this log."""


class EntryWitness(Protocol):
    """Told of each entry of the manifest once it is durable; it must neither wait nor raise."""

    def entry(self, index: int, line_hash: str, now: int) -> None:
        """The entry of this number, by the hash of its line."""
