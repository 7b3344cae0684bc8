"""Which wallets are meant."""

from enum import Enum


class Which(Enum):
    """The wallets that a list shows."""

    LIVE = "live"
    RETIRED = "retired"
    ALL = "all"
