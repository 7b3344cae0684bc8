"""What a verification finds: each with its code, its place and a sentence."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

MOST = 1000
"""Findings and notes that are kept, of each; what is beyond is counted."""


class Code(StrEnum):
    """Every code of a finding."""

    LINE_MALFORMED = "line-malformed"
    LINE_CHANGED = "line-changed"
    LINE_MISSING = "line-missing"
    LINE_DUPLICATED = "line-duplicated"
    LINES_SWAPPED = "lines-swapped"
    LOG_TRUNCATED = "log-truncated"
    LOG_FORKED = "log-forked"
    HEAD_WRONG = "head-wrong"
    SIGNATURE_WRONG = "signature-wrong"
    KEY_UNKNOWN = "key-unknown"
    LOG_MISSING = "log-missing"
    LOG_UNLISTED = "log-unlisted"
    MANIFEST_CHANGED = "manifest-changed"
    MANIFEST_TRUNCATED = "manifest-truncated"
    ADOPTED_CHANGED = "adopted-changed"
    TAIL_TORN = "tail-torn"
    OPENING_MISSING = "opening-missing"
    NO_RECORD = "no-record"
    LOG_OPEN = "log-open"
    """Of a note alone, as the next ones."""
    HEADS_UNPROVED = "heads-unproved"
    UNCHAINED = "unchained"
    ANCHOR_TORN = "anchor-torn"


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it was written; `index` is the line's place in its log, or in the manifest."""

    code: Code
    words: str
    file: str | None = None
    log: str | None = None
    index: int | None = None


@dataclass
class Findings:
    """What was found so far, in the order in which it was met."""

    found: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    left_out: int = 0
    """Findings and notes beyond those that are kept."""

    def add(self, finding: Finding) -> None:
        """Something is wrong."""
        self._keep(self.found, finding)

    def note(self, finding: Finding) -> None:
        """Something that is worth a line, and is not wrong by itself."""
        self._keep(self.notes, finding)

    def _keep(self, kept: list[Finding], finding: Finding) -> None:
        if len(kept) < MOST:
            kept.append(finding)
        else:
            self.left_out += 1
