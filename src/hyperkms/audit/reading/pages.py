"""Decisions in pages, each of bounded work: for an auditor who asks a service, and not its disk."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hyperkms.audit.reading.decisions import Decision, Query, sources_of
from hyperkms.audit.reading.folder import unreadable
from hyperkms.errors import Malformed

MOST = 1000
"""Decisions of a page."""
BUDGET = 4 << 20
"""Bytes that are read for a page, but for the line that goes beyond."""
_MOST_DIGITS = 15


class Page(msgspec.Struct, frozen=True):
    """Some decisions, and where the next page begins; None at the end."""

    decisions: list[Decision]
    next: str | None


def page(folder: Path, query: Query, *, limit: int, after: str | None) -> Page:
    """The decisions after the page that named `after`, file by file; Malformed if no page of this folder did."""
    paths = [path for source in sources_of(folder, query) for path in source.paths]
    place = 0
    if after is not None:
        paths, place = _continued(paths, after)
    filling = _Filling(query, limit)
    for path in paths:
        reached = filling.read(path, place)
        if filling.is_full:
            return Page(filling.found, f"{path.name}:{reached}")
        place = 0
    return Page(filling.found, None)


class _Filling:
    """A page that is being made."""

    def __init__(self, query: Query, limit: int) -> None:
        self.found: list[Decision] = []
        self._query = query
        self._limit = limit
        self._left = BUDGET

    @property
    def is_full(self) -> bool:
        """Whether there are enough decisions, or enough was read."""
        return len(self.found) >= self._limit or self._left <= 0

    def read(self, path: Path, place: int) -> int:
        """Take decisions from this byte on; the byte up to which lines were taken."""
        try:
            with path.open("rb") as file:
                file.seek(place)
                for text in file:
                    if not text.endswith(b"\n"):  # being written, or cut off
                        break
                    decision = self._query.decision(text[:-1])
                    if decision is not None:
                        self.found.append(decision)
                    place += len(text)
                    self._left -= len(text)
                    if self.is_full:
                        break
        except OSError as error:
            raise unreadable(path, error) from error
        return place


def _continued(paths: Sequence[Path], after: str) -> tuple[list[Path], int]:
    """The files from the named one on, and where to begin in it."""
    name, _, digits = after.rpartition(":")
    places = [number for number, path in enumerate(paths) if path.name == name]
    if not places or not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise Malformed.at("after", "is not the `next` of a page of the same question")
    return list(paths[places[0] :]), int(digits)
