"""What is said of a log by others: that its first so many lines have this root."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from hyperkms.audit.forms import Head
from hyperkms.audit.reading.anchor import Anchor
from hyperkms.audit.reading.manifest import Listed


@dataclass(frozen=True)
class Mark:
    """A size and a root, and who says so."""

    size: int
    root: str
    words: str
    head: Head | None = None
    """Its signed head if it stands in the anchor; the manifest's own signature was checked."""


def marks_of(log: str, listed: Listed | None, anchor: Anchor | None) -> Iterator[Mark]:
    """All of them, the smallest size first."""
    said = sorted(_said(listed), key=lambda mark: mark.size) if listed else []
    anchored = _anchored(log, anchor) if anchor else iter(())
    return heapq.merge(said, anchored, key=lambda mark: mark.size)


def _said(listed: Listed) -> Iterator[Mark]:
    for place, entry in listed.segments:
        yield Mark(entry.size, entry.root, f"line {place} of the manifest, where segment {entry.segment} began")
    if listed.close is not None:
        place, close = listed.close
        yield Mark(close.size, close.root, f"line {place} of the manifest, where the log was closed")


def _anchored(log: str, anchor: Anchor) -> Iterator[Mark]:
    for one in anchor.heads_of(log):
        yield Mark(one.size, one.root, f"the anchored head of {one.size} lines", one.head())
