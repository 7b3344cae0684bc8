"""The files of a log, as they lie in the folder of the record."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MANIFEST = "manifest.jsonl"
_CHAINED = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{32})-([0-9]{4,9})\.jsonl", re.ASCII)
_UNCHAINED = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{32})\.jsonl", re.ASCII)
"""A file of the release before."""


class Segment(NamedTuple):
    """A file of a log, by its name."""

    log: str
    number: int
    """From 1; 0 for the one file of a log of the release before."""
    path: Path
    is_chained: bool
    """By its name; no file of the release before is."""


def segment_of(folder: Path, name: str) -> Segment | None:
    """What a file of this name in the folder is; None if it is none of a log."""
    if found := _CHAINED.fullmatch(name):
        return Segment(found[1], int(found[2]), folder / name, is_chained=True)
    if found := _UNCHAINED.fullmatch(name):
        return Segment(found[1], 0, folder / name, is_chained=False)
    return None


def segments(folder: Path) -> Iterator[Segment]:
    """Every one that there is; none where there is no folder."""
    for path in folder.glob("*.jsonl"):
        segment = segment_of(folder, path.name)
        if segment is not None:
            yield segment


def segments_of(folder: Path, log: str) -> list[Segment]:
    """Those of one log, in their order."""
    return sorted((one for one in segments(folder) if one.log == log), key=lambda one: one.number)
