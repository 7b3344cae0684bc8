"""An outage takes seconds to be met: once it is known, who comes right after does not wait for it too."""

import time

from hyperkms.errors import HyperkmsError

_HURRIED_S = 1.0


class Outage:
    """That KMS did not answer a moment ago."""

    def __init__(self) -> None:
        self._met: tuple[HyperkmsError, float] | None = None

    def require_none(self) -> None:
        """Raise what the last call met, for a second after it."""
        met = self._met
        if met is not None and time.monotonic() - met[1] < _HURRIED_S:
            raise met[0]

    def note(self, fault: HyperkmsError | None) -> None:
        """What a call has met; None: it was answered."""
        is_away = fault is not None and fault.code == "kms-unreachable"
        self._met = (fault, time.monotonic()) if is_away and fault is not None else None
