"""What is written in the same transaction as a change, so that a crash leaves both or neither."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

import sqlalchemy as sa

T_contra = TypeVar("T_contra", contravariant=True)
Within: TypeAlias = Callable[[sa.Connection], None]
"""Writes in a transaction of somebody else."""


class Completion(Protocol[T_contra]):
    """Called once within the transaction of a change, when nothing of the change can be refused any more.

    It is given what the change comes to. What it raises undoes the change. An operation that finds
    nothing to change does not call it.
    """

    def __call__(self, connection: sa.Connection, result: T_contra, /) -> None:
        """Write what belongs to the change."""


def nothing_more(_connection: sa.Connection, _result: object, /) -> None:
    """The change alone."""


def nothing_within(_connection: sa.Connection) -> None:
    """Nothing beside."""
