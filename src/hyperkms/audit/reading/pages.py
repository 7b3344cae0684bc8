"""Decisions in pages, each of bounded work: for an auditor who asks a service, and not its disk."""

from pathlib import Path

import msgspec

from hyperkms.audit.reading.decisions import Decision, Query, sources_of
from hyperkms.audit.reading.folder import unreadable

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
    """The decisions after the place `NAME:BYTE` that a page named as its `next`, in the order of the files' names."""
    name, place = _place(after or "")
    filling = _Filling(query, limit)
    for path in sorted(path for source in sources_of(folder, query) for path in source.paths if path.name >= name):
        reached = filling.read(path, place if path.name == name else 0)
        if filling.is_full:
            return Page(filling.found, f"{path.name}:{reached}")
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


def _place(after: str) -> tuple[str, int]:
    """A file's name, and the byte in it; a text without a number is a name alone."""
    name, colon, digits = after.rpartition(":")
    if colon and digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS:
        return name, int(digits)
    return after, 0
