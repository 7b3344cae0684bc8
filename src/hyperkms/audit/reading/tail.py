"""The newest decisions of all logs, and those that come."""

from collections.abc import Iterator
from pathlib import Path

from hyperkms.audit.reading.decisions import Decision, Query
from hyperkms.audit.reading.folder import Folder, unreadable

_BLOCK = 1 << 18


class Tail:
    """Follows every log of a folder; what stands there when it is made has been seen."""

    def __init__(self, folder: Path, query: Query) -> None:
        self._folder = folder
        self._query = query
        self._places = {path: _length(path) for path in _paths(folder)}

    def last(self, count: int) -> list[Decision]:
        """The newest decisions that have been seen, by time, the newest last."""
        found: list[Decision] = []
        for path in sorted(self._places if count else (), key=_changed_at, reverse=True):
            if len(found) >= count and _changed_at(path) < found[0].time:
                break
            found += _last_of(path, self._places[path], count, self._query)
            found = sorted(found, key=lambda decision: decision.time)[-count:]
        return found

    def more(self) -> list[Decision]:
        """Those that have come since the last call, by time."""
        found: list[Decision] = []
        for path in _paths(self._folder):
            found += self._more_of(path)
        return sorted(found, key=lambda decision: decision.time)

    def _more_of(self, path: Path) -> Iterator[Decision]:
        place = self._places.setdefault(path, 0)
        if _length(path) <= place:
            return
        try:
            with path.open("rb") as file:
                file.seek(place)
                for text in file:
                    if not text.endswith(b"\n"):  # not all of it is written yet
                        break
                    place += len(text)
                    decision = self._query.decision(text[:-1])
                    if decision is not None:
                        yield decision
        except OSError as error:
            raise unreadable(path, error) from error
        finally:
            self._places[path] = place


def _last_of(path: Path, length: int, count: int, query: Query) -> list[Decision]:
    """From the end backwards, until there are enough of them."""
    block = _BLOCK
    while True:
        start = max(0, length - block)
        try:
            with path.open("rb") as file:
                file.seek(start)
                lines = file.read(length - start).split(b"\n")
        except OSError as error:
            raise unreadable(path, error) from error
        whole = lines[1 if start else 0 : -1]
        found = [decision for decision in map(query.decision, whole) if decision is not None]
        if len(found) >= count or start == 0:
            return found[-count:]
        block *= 4


def _paths(folder: Path) -> list[Path]:
    listed = Folder.read(folder)
    segments = [one.path for segments in listed.logs.values() for one in segments]
    return [*segments, *(one.path for one in listed.unchained)]


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _changed_at(path: Path) -> int:
    """Milliseconds; no line of a file is younger."""
    try:
        return path.stat().st_mtime_ns // 1_000_000 + 1
    except OSError:
        return 0
