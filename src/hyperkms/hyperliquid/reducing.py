"""Which actions take risk away and can add none: they are signed even while the record's disk is full.

Those of the class `cancel`. Not a scheduleCancel without a time: it takes a dead man's switch away. Not a reduce-only
order: what it does depends on a position that nobody here knows, its price may be any, and orders would use up the
space that is kept for cancels.
"""

from collections.abc import Mapping
from typing import Any

from hyperkms.hyperliquid.classes import ActionClass, class_of


def takes_risk_away(wire: Mapping[str, Any]) -> bool:
    """Of an action that was read strictly."""
    kind = wire["type"]
    return class_of(kind) is ActionClass.CANCEL and (kind != "scheduleCancel" or "time" in wire)
