"""The signed rows of a data directory at its start: signed for the first time, or compared with what the record has.

1. A database that has no store key, and whose record has never had one, is adopted: every row that is there is signed
   as it stands, in one transaction. That happens once: the record says so, and a signature that is gone later is not
   made again. Where instances share the database only an empty one is adopted: the record of a new directory does not
   know whether it was done before.
2. Else its key must be the one that the record names. A subject below the sequence that the record has was put back,
   and one that is gone was removed: it decides nothing, and the others go on. Each is verified when it is first read.
3. A service then looks at all of them, once, while it serves already (`OpenedRows.examine`): what is wrong is told
   before anybody asks for it. What the database has come to and the record does not say yet is written there: a process
   was killed in between.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hyperkms.audit.reading.rows import ADOPTED, COMMITTED, RecordedRows, recorded_rows
from hyperkms.audit.record import AlteredRowRecord, RowsRecord, RowState
from hyperkms.audit.sink import RecordSink
from hyperkms.custody.root_key import RootKey
from hyperkms.custody.store_keys import StoreKey, new_store_key, open_store_key, open_within, store_within
from hyperkms.errors import HyperkmsError, Tampered, Unavailable
from hyperkms.state.database import Database
from hyperkms.state.row_bytes import CLIENT, KINDS, Subject, all_rows
from hyperkms.state.row_signatures import RowSignatures, Sequenced

_A_LINE = 500
"""Subjects that one line has at most."""


@dataclass(frozen=True, kw_only=True)
class RowParts:
    """What the rows are opened with."""

    database: Database
    root_key: RootKey
    before: RootKey | None
    """The root key that is being left."""
    record: RecordSink
    folder: Path
    """Of the record."""
    index: Path
    """The file with what was read of it before."""
    clock: Callable[[], int]
    altered: Callable[[Tampered], None]
    """Told of each subject that is not what was signed."""
    is_shared: bool = False
    """Other instances, with records of their own, use the database too."""


class OpenedRows(NamedTuple):
    """The signed rows, ready to be read."""

    rows: RowSignatures
    examine: Callable[[], None]
    """Tell which are not what was signed, and write down how far those have come that are; as long as all are read."""


def open_rows(parts: RowParts) -> OpenedRows:
    """Tampered if their key is gone, or is another than the record names."""
    said = recorded_rows(parts.folder, parts.index)
    key = open_store_key(parts.database, parts.root_key, parts.before)
    if key is None:
        if said.adoption:
            words = "the database has no store key, and its record says that its rows were signed: it was put back"
            raise Tampered("store-key-missing", f"{words} from before that, or somebody removed the key")
        key = _adopt(parts)  # (1)
    elif not said.accepts(key.id, is_shared=parts.is_shared):
        words = f"the rows of the database are signed by the store key {key.id}, and the record names {said.store_key}"
        raise Tampered("store-key-replaced", f"{words}: this is another database, or it was put back")
    floors = {Subject(*place): reached for place, reached in said.floors(key.id).items()}
    rows = RowSignatures(
        key, floors=floors, committed=lambda done: _committed(parts, key, done), altered=_teller(parts)
    )
    if said.store_key != key.id:
        _note_adopted(parts, key, said)

    def examine() -> None:  # (3)
        sound, wrong = rows.examine(parts.database)
        rows.tell(wrong)
        _committed(parts, key, [one for one in sound if one.sequence > floors.get(one.subject, 0)])

    return OpenedRows(rows, examine)


def _adopt(parts: RowParts) -> StoreKey:
    """Sign what is there, under a new key; of several processes that do it at once all get the first one's."""
    new = new_store_key(parts.root_key)
    with parts.database.write() as connection:
        from_another = open_within(connection, parts.root_key, parts.before)
        if from_another is not None:
            return from_another
        if parts.is_shared and any(all_rows(connection, kind) for kind in KINDS):
            words = "instances share the database, which has wallets or clients and no store key: it was removed"
            raise Tampered("store-key-missing", f"{words}, or the directory that had it alone has not signed them yet")
        RowSignatures(new.key).sign_all_within(connection)
        store_within(connection, new, parts.clock())
    return new.key


def _note_adopted(parts: RowParts, key: StoreKey, said: RecordedRows) -> None:
    line = RowsRecord(time=parts.clock(), operation=ADOPTED, store_key=key.id, adoption=said.adoption + 1, subjects=[])
    with suppress(Unavailable):  # nothing is signed either while it cannot be written; the next start says it
        parts.record.append(line).wait()


def _committed(parts: RowParts, key: StoreKey, done: Sequence[Sequenced]) -> None:
    """Say how far these have come. What cannot be said now is said by the next start: the database has it."""
    for start in range(0, len(done), _A_LINE):
        subjects = [
            RowState(kind=subject.kind, id=subject.id, sequence=sequence)
            for subject, sequence in done[start : start + _A_LINE]
        ]
        line = RowsRecord(time=parts.clock(), operation=COMMITTED, store_key=key.id, adoption=None, subjects=subjects)
        with suppress(HyperkmsError):
            parts.record.append(line)


def _teller(parts: RowParts) -> Callable[[Subject, Tampered], None]:
    def tell(subject: Subject, why: Tampered) -> None:
        parts.altered(why)
        wallet = None if subject.kind == CLIENT else subject.id.partition("/")[0]
        line = AlteredRowRecord(
            time=parts.clock(),
            operation="row-altered",
            wallet=wallet,
            subject=subject.words,
            code=why.code,
            reason=why.message,
        )
        with suppress(HyperkmsError):
            parts.record.append(line)

    return tell
