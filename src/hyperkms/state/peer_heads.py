"""What a cosigner keeps of records: how far those of the others had come, and whether its own is whole."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.state import facts
from hyperkms.state.database import Database

_BEHIND = "record_behind"
_FENCE = "record_fence"


@dataclass(frozen=True, kw_only=True)
class Fence:
    """An operator said that the record misses what was signed before; milliseconds since 1970."""

    at: int
    newest: int
    """The latest time of a line that there was then."""


class PeerHeads:
    """In the table of facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, member: bytes) -> str | None:
        """What is kept of the member with this identity key."""
        return facts.read(self._database, _name(member))

    def keep(self, member: bytes, text: str) -> None:
        """Keep this in its place, durable on return."""
        with self._database.write() as connection:
            facts.write_within(connection, _name(member), text)

    def behind(self) -> str | None:
        """What the record of this directory was found to miss; None if nothing."""
        return facts.read(self._database, _BEHIND) or None

    def note_behind(self, words: str) -> None:
        """It misses this, durable on return."""
        with self._database.write() as connection:
            facts.write_within(connection, _BEHIND, words)

    def fence(self) -> Fence | None:
        """The last one that was set."""
        text = facts.read(self._database, _FENCE)
        if text is None:
            return None
        at, _, newest = text.partition(" ")
        return Fence(at=int(at), newest=int(newest))

    def set_fence(self, fence: Fence, before_commit: Callable[[sa.Connection], None]) -> None:
        """What was found missing is known to the operator, and nothing signed before counts as remembered."""
        with self._database.write() as connection:
            facts.write_within(connection, _FENCE, f"{fence.at} {fence.newest}")
            facts.write_within(connection, _BEHIND, "")
            before_commit(connection)


def _name(member: bytes) -> str:
    return f"peer_head_{member.hex()[:32]}"
