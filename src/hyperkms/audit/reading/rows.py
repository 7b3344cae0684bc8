"""What the record has of the signed rows of its database: which key signs them, and how far each subject has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyperkms.audit.reading.decisions import Decision, Query, decisions
from hyperkms.audit.reading.line_form import Line
from hyperkms.audit.record import FENCE, ROWS
from hyperkms.errors import NotFound

ADOPTED, COMMITTED = "rows-adopted", "rows-committed"
_PART = b'"storeKey":"'


class _OfRows(Query, frozen=True, kw_only=True):
    """Lines that name the key that signs rows."""

    def decision(self, text: bytes) -> Decision | None:
        """The decision of a line, if it is one of these."""
        return super().decision(text) if _PART in text else None

    def _fits(self, line: Line) -> bool:
        return line.kind in (ROWS, FENCE)


@dataclass
class RecordedRows:
    """What the record says. The order of its lines does not matter."""

    adoption: int = 0
    """The number of the newest adoption; 0: the rows were never adopted."""
    store_key: str | None = None
    """The id of its key."""
    adopted: set[str] = field(default_factory=set)
    fenced: set[str] = field(default_factory=set)
    """Keys to which a fence has gone over; of one that was cut off the database knows whether it holds."""
    by_key: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)

    def accepts(self, store_key: str, *, is_shared: bool) -> bool:
        """Whether rows signed by this key may stand in the database.

        Of a database that instances share it may be one of which this record has never heard: another one has fenced.
        """
        is_next = store_key in self.fenced and store_key not in self.adopted
        is_of_another = is_shared and store_key not in self.fenced | self.adopted
        return self.adoption == 0 or store_key == self.store_key or is_next or is_of_another

    def floors(self, store_key: str) -> Mapping[tuple[str, str], int]:
        """The sequence that each subject has reached under this key, by its kind and id."""
        return self.by_key.get(store_key, {})

    def take(self, decision: Decision) -> None:
        """Read one line."""
        record = decision.record
        key = str(record.get("storeKey"))
        if decision.line.kind == FENCE:
            self.fenced.add(key)
        elif record.get("operation") == ADOPTED:
            self.adopted.add(key)
            number = record.get("adoption")
            if isinstance(number, int) and number > self.adoption:
                self.adoption, self.store_key = number, key
        floors = self.by_key.setdefault(key, {})
        for one in record.get("subjects", ()):
            place = (str(one["kind"]), str(one["id"]))
            floors[place] = max(int(one["sequence"]), floors.get(place, 0))


def recorded_rows(folder: Path) -> RecordedRows:
    """Read all of the record for it; nothing where there is no record yet."""
    found = RecordedRows()
    try:
        for decision in decisions(folder, _OfRows()):
            found.take(decision)
    except NotFound:
        return RecordedRows()
    return found
