"""How long an opened key is used before its root key is asked again."""

import random
import time
from dataclasses import dataclass

_RENEWED_AT = 0.8
_SPREAD = 0.2
_ASKED_AGAIN_S = 5.0
_LOOKED_FOR_S = 1.5
"""Whoever renews looks once a second what is due: so long before the end at the latest."""


@dataclass(frozen=True)
class Terms:
    """The leases of a root key that is elsewhere, which may be away, or taken away."""

    seconds: float
    """At most; each lease is up to a fifth shorter, so that not all end at once. 0: every request asks (`strict`)."""

    @property
    def is_strict(self) -> bool:
        """Whether the root key is asked for every request."""
        return self.seconds == 0

    def begin(self, asked_at: float) -> "Lease":
        """A lease that runs from when the root key was asked, not from when it answered."""
        length = self.seconds * random.uniform(1 - _SPREAD, 1)  # noqa: S311 (spread, no secret)
        return Lease(until=asked_at + length, renew_at=asked_at + min(length * _RENEWED_AT, length - _LOOKED_FOR_S))


@dataclass(slots=True)
class Lease:
    """Until when one opened key may be used; seconds of the monotonic clock."""

    until: float
    renew_at: float
    was_used: bool = True
    is_renewing: bool = False

    def runs(self) -> bool:
        """Whether the key may be used now."""
        return time.monotonic() < self.until

    def is_due(self) -> bool:
        """Whether to renew it now: what nobody used since ends by itself."""
        return self.was_used and not self.is_renewing and time.monotonic() >= self.renew_at

    def put_off(self) -> None:
        """The root key was away: ask it again soon, while the lease runs."""
        self.renew_at = time.monotonic() + _ASKED_AGAIN_S
        self.is_renewing = False
