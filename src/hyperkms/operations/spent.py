"""What limits over time had counted, read again from the record: after a loss of power the meters may have lost it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hyperkms.access.policy.document import LONGEST_PERIOD_MS
from hyperkms.audit.reading.decisions import Decision, Query, decisions

_PART = b'"reserved":[['
_LONGEST_BUCKET_MS = -(-LONGEST_PERIOD_MS // 60)
"""A meter counts in buckets of a sixtieth of its period, and the one in which a period began counts as a whole."""


class _Counted(Query, frozen=True, kw_only=True):
    """Signatures for which something was counted."""

    def decision(self, text: bytes) -> Decision | None:
        """The decision of a line, if it is one of these."""
        return super().decision(text) if _PART in text else None


def spent_lately(folder: Path, now: int) -> Iterator[tuple[int, Sequence[Sequence[int]]]]:
    """The time of each signature of the longest period that a limit may have, and what was counted for it."""
    for decision in decisions(folder, _Counted(since=now - LONGEST_PERIOD_MS - _LONGEST_BUCKET_MS)):
        yield decision.time, decision.record["reserved"]
