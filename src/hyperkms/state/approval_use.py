"""What is remembered of an approval that was used."""

from typing import NamedTuple


class Use(NamedTuple):
    """An approval that permits one signature."""

    key: str
    """The fingerprint of the approver's key."""
    id: str
    until: int
    """Milliseconds since 1970."""
