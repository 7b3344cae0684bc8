"""What the record has of the signed rows of its database: which key signs them, and how far each subject has come.

Most of it is read once: what stands in files to which nothing is added any more is kept in an index beside the record,
which is made anew where it is not there. It is to be believed as far as the files themselves.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from hyperkms.audit.entries import CLOSE
from hyperkms.audit.manifest import read_entries
from hyperkms.audit.reading.decisions import Decision, read_decision
from hyperkms.audit.reading.folder import Folder, lines_of
from hyperkms.audit.record import FENCE, ROWS
from hyperkms.errors import NotFound, Tampered, Unavailable
from hyperkms.state.durable import replace_file

ADOPTED, COMMITTED = "rows-adopted", "rows-committed"
_PART = b'"storeKey":"'
_FORMAT = 1
_WORTH = 1 << 20
"""Bytes of complete files; fewer are read each time."""


class RecordedRows(msgspec.Struct, kw_only=True):
    """What the record says. The order of its lines does not matter."""

    adoption: int = 0
    """The number of the newest adoption; 0: the rows were never adopted."""
    store_key: str | None = None
    """The id of its key."""
    adopted: set[str] = msgspec.field(default_factory=set)
    fenced: set[str] = msgspec.field(default_factory=set)
    """Keys to which a fence has gone over; of one that was cut off the database knows whether it holds."""
    by_key: dict[str, dict[str, dict[str, int]]] = msgspec.field(default_factory=dict)
    """Sequences by key, kind and id."""

    def accepts(self, store_key: str, *, is_shared: bool) -> bool:
        """Whether rows signed by this key may stand in the database.

        Of a database that instances share it may be one of which this record has never heard: another one has fenced.
        """
        is_next = store_key in self.fenced and store_key not in self.adopted
        is_of_another = is_shared and store_key not in self.fenced | self.adopted
        return self.adoption == 0 or store_key == self.store_key or is_next or is_of_another

    def floors(self, store_key: str) -> Mapping[tuple[str, str], int]:
        """The sequence that each subject has reached under this key, by its kind and id."""
        kinds = self.by_key.get(store_key, {})
        return {(kind, one): reached for kind, found in kinds.items() for one, reached in found.items()}

    def take(self, decision: Decision) -> None:
        """Read one line."""
        if decision.line.kind not in (ROWS, FENCE):
            return
        record = decision.record
        key = str(record.get("storeKey"))
        if decision.line.kind == FENCE:
            self.fenced.add(key)
        elif record.get("operation") == ADOPTED:
            self.adopted.add(key)
            number = record.get("adoption")
            if isinstance(number, int) and number > self.adoption:
                self.adoption, self.store_key = number, key
        kinds = self.by_key.setdefault(key, {})
        for one in record.get("subjects", ()):
            found = kinds.setdefault(str(one["kind"]), {})
            found[str(one["id"])] = max(int(one["sequence"]), found.get(str(one["id"]), 0))


class _Index(msgspec.Struct, kw_only=True):
    """What stands in files that are complete."""

    format: int = _FORMAT
    files: set[str] = msgspec.field(default_factory=set)
    said: RecordedRows = msgspec.field(default_factory=RecordedRows)


def recorded_rows(folder: Path, index: Path) -> RecordedRows:
    """Read what of the record the index has not, and keep there what is complete; nothing without a record."""
    kept = _read_index(index)
    try:
        listed = Folder.read(folder)
    except NotFound:
        return kept.said
    files = [*(one for segments in listed.logs.values() for one in segments), *listed.unchained]
    paths = {one.name: one.path for one in files if one.name not in kept.files}
    complete = _complete(folder, listed) & paths.keys()
    if sum(one.size for one in files if one.name in complete) >= _WORTH:
        for name in complete:
            _take(kept.said, paths.pop(name))
        kept.files |= complete
        with suppress(Unavailable):  # then the next one reads them once more
            replace_file(index, msgspec.json.encode(kept))
    for path in paths.values():
        _take(kept.said, path)
    return kept.said


def _read_index(path: Path) -> _Index:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Index)
    except (OSError, msgspec.DecodeError):
        return _Index()
    return found if found.format == _FORMAT else _Index()


def _complete(folder: Path, listed: Folder) -> set[str]:
    """Files behind which their log goes on in another one, and those of logs that the manifest says are closed."""
    closed: set[str | None] = set()
    with suppress(Tampered):  # a manifest that is damaged says nothing here
        closed = {entry.log for entry in read_entries(folder) if entry.event == CLOSE}
    return {one.name for log, segments in listed.logs.items() for one in (segments if log in closed else segments[:-1])}


def _take(said: RecordedRows, path: Path) -> None:
    for decision in _decisions(path):
        said.take(decision)


def _decisions(path: Path) -> Iterator[Decision]:
    """Lines that name a key that signs rows."""
    for text in lines_of(path):
        decision = read_decision(text) if _PART in text else None
        if decision is not None:
            yield decision
