"""An outage takes seconds to be met: once it is known, who comes right after does not wait for it too."""

import time

from hyperkms.errors import HyperkmsError

_HURRIED_S = 1.0
"""How long after an outage was met others are told of it at once."""


class LastFault:
    """The fault that a call of AWS has met, if the last one did."""

    def __init__(self, outage: str = "kms-unreachable") -> None:
        """`outage` is the code of a fault that takes seconds to be met."""
        self._outage = outage
        self._fault: HyperkmsError | None = None
        self._met_at = 0.0

    @property
    def fault(self) -> HyperkmsError | None:
        """None: it was answered."""
        return self._fault

    def note(self, fault: HyperkmsError | None) -> None:
        """What a call has met just now."""
        self._fault, self._met_at = fault, time.monotonic()

    def is_younger_than(self, seconds: float) -> bool:
        """Whether it was met, or looked into, so lately."""
        return time.monotonic() - self._met_at < seconds

    def look_again(self) -> None:
        """Whoever does is the only one for a while."""
        self._met_at = time.monotonic()

    def require_no_outage(self) -> None:
        """Raise it if AWS was not reached a moment ago: another thread that waits for that serves nobody."""
        fault = self._fault
        if fault is not None and fault.code == self._outage and self.is_younger_than(_HURRIED_S):
            raise fault
