"""What rules say: why they refuse, and what they must have left over time."""

from typing import Literal, NamedTuple

import msgspec

ALLOW, EXPIRES_AFTER, GRANTS = RESERVED = ("allow", "expires_after", "grants")
"""The names under which refuses what is no rule; so no rule has them."""


APPROVALS = "approvals"
"""The place of what people may permit and have not."""


class Source(NamedTuple):
    """Where a rule stands."""

    kind: Literal["policy", "grant"]
    name: str

    @property
    def member(self) -> dict[str, str]:
        """For a problem document: which policy or grant it is."""
        return {self.kind: self.name}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Refusal(NamedTuple):
    """Why a rule refuses."""

    rule: str
    words: str
    """What broke it, and the limit, as a sentence goes on."""
    value: str
    limit: str
    path: str
    wait_ms: int | None = None
    """How long until it would be granted, where time brings it."""


class Demand(msgspec.Struct, frozen=True):
    """An amount that a meter must have left."""

    rule: str
    quantity: str
    """max_notional, max_orders, max_outstanding, max_transfers."""
    meter: int
    period: int
    """Milliseconds."""
    end: int | None
    """None: it counts for the period."""
    amount: int
    """Millionths of a USD, or orders."""
    limit: int
