"""Signed rows: who can write the database and has not the store key changes nothing of them unseen.

Each subject (`row_bytes`) has one signature, over its rows and a sequence that grows by one with every change. It is
verified before the subject decides anything and before it is changed, so that no change signs what somebody else wrote;
the new signature stands in the transaction of the change. A sequence below one that this process has seen, or that the
record has, was put back.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.errors import Malformed, Tampered
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.row_bytes import KINDS, Rows, Subject, all_rows, rows_of
from hyperkms.state.schema import row_signatures

ROW_CODES = frozenset({"row-altered", "row-rolled-back", "row-missing"})
"""Of what is wrong with one subject alone."""
_MOST_KNOWN = 20_000
"""Subjects of which it is remembered what was verified."""


class RowKey(Protocol):
    """The store key of the database."""

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of its public key."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""

    def sign(self, kind: str, subject_id: str, sequence: int, rows: bytes) -> bytes:
        """64 bytes."""


class Signature(NamedTuple):
    """What stands in the table of signatures."""

    sequence: int
    signature: bytes


class Sequenced(NamedTuple):
    """A subject and the sequence that it has reached."""

    subject: Subject
    sequence: int


def _nothing_told(_subject: Subject, _why: Tampered) -> None:
    """For who asks alone."""


class RowSignatures:
    """Signs and verifies the rows of one database.

    `committed` is told of each change once it has committed, `altered` of each subject that is not what was signed:
    once as long as it stays as it is.
    """

    def __init__(
        self,
        key: RowKey,
        *,
        floors: Mapping[Subject, int] | None = None,
        committed: Callable[[Sequence[Sequenced]], None] = lambda _: None,
        altered: Callable[[Subject, Tampered], None] = _nothing_told,
    ) -> None:
        self.key = key
        self._committed = committed
        self._altered = altered
        self._seen: dict[Subject, int] = dict(floors or {})
        self._known: dict[Subject, bytes] = {}
        """SHA-256 of the rows that were verified, and behind it one over that, sequence and signature."""
        self._told: dict[Subject, str] = {}

    @contextmanager
    def reading(self, database: Database, subject: Subject) -> Iterator[sa.Connection]:
        """One consistent view in which this subject is what was signed; Tampered otherwise."""
        floor = self._seen.get(subject, 0)  # before the view begins: what is seen later may be newer than it
        with database.read() as connection:
            self._check(connection, subject, floor)
            yield connection

    @contextmanager
    def reading_all(self, database: Database, kind: str) -> Iterator[tuple[sa.Connection, frozenset[str]]]:
        """One consistent view, and the ids of the subjects of this kind that are what was signed."""
        floors = {subject: seen for subject, seen in list(self._seen.items()) if subject.kind == kind}
        with database.read() as connection:
            yield connection, self._sound(connection, kind, floors)

    def check_within(self, connection: sa.Connection, subject: Subject) -> None:
        """Tampered unless it is what was signed; for what never changes, or under the write lock."""
        self._check(connection, subject, self._seen.get(subject, 0))

    @contextmanager
    def changing(
        self, changes: Generation, database: Database, subject: Subject, made: Sequence[Subject] = ()
    ) -> Iterator[sa.Connection]:
        """`Generation.change` for one subject, signed anew at its end; Tampered unless it was what was signed.

        What the block adds to `made` is new with it, and signed too.
        """
        with changes.change(database) as connection:
            before = self._check(connection, subject, self._seen.get(subject, 0))
            yield connection
            done = [self._sign(connection, subject, before)] + [self._sign(connection, one, None) for one in made]
        self._commit([one for one in done if one is not None])

    @contextmanager
    def changing_all(self, changes: Generation, database: Database, kind: str) -> Iterator[sa.Connection]:
        """The same for every subject of a kind; one that was not what was signed stays so."""
        with changes.change(database) as connection:
            floors = {subject: seen for subject, seen in list(self._seen.items()) if subject.kind == kind}
            sound = sorted(self._sound(connection, kind, floors))
            before = {one: self._check(connection, Subject(kind, one), 0) for one in sound}
            yield connection
            done = [self._sign(connection, Subject(kind, one), before[one]) for one in sound]
        self._commit([one for one in done if one is not None])

    def sign_all_within(self, connection: sa.Connection, *, but: frozenset[Subject] = frozenset()) -> list[Sequenced]:
        """Sign everything that stands, from sequence 1, as it is; but these, which have no signature from then on."""
        connection.execute(row_signatures.delete())
        signed: list[Sequenced] = []
        for kind in KINDS:
            for one, rows in all_rows(connection, kind).items():
                subject = Subject(kind, one)
                if rows.is_there and subject not in but:
                    self._store(connection, subject, 1, rows.encoded)
                    signed.append(Sequenced(subject, 1))
        return signed

    def examine(self, database: Database) -> tuple[list[Sequenced], dict[Subject, Tampered]]:
        """Every subject that is what was signed, with its sequence, and why the others are not."""
        floors = dict(self._seen)
        with database.read() as connection:
            return self.examine_within(connection, floors)

    def examine_within(
        self, connection: sa.Connection, floors: Mapping[Subject, int]
    ) -> tuple[list[Sequenced], dict[Subject, Tampered]]:
        """The same, in this view; with these as the least sequences."""
        sound: list[Sequenced] = []
        wrong: dict[Subject, Tampered] = {}
        signatures = _all_signatures(connection)
        for kind in KINDS:
            found = all_rows(connection, kind)
            names = {*found, *(subject.id for subject in (*signatures, *floors) if subject.kind == kind)}
            for subject in (Subject(kind, one) for one in sorted(names)):
                try:
                    sequence = self._judge(
                        subject, found.get(subject.id), signatures.get(subject), floors.get(subject, 0), keeps=False
                    )
                except Tampered as why:
                    wrong[subject] = why
                else:
                    if sequence is not None:
                        sound.append(Sequenced(subject, sequence))
        return sound, wrong

    def tell(self, wrong: Mapping[Subject, Tampered]) -> None:
        """Say of each why it is not what was signed, unless that was said."""
        for subject, why in wrong.items():
            if self._told.get(subject) != why.code:
                self._told[subject] = why.code
                self._altered(subject, why)

    def _sound(self, connection: sa.Connection, kind: str, floors: Mapping[Subject, int]) -> frozenset[str]:
        signatures, found = _all_signatures(connection, kind), all_rows(connection, kind)
        sound, wrong = set[str](), dict[Subject, Tampered]()
        for one in {*found, *(subject.id for subject in (*signatures, *floors))}:
            subject = Subject(kind, one)
            try:
                if self._judge(subject, found.get(one), signatures.get(subject), floors.get(subject, 0)) is not None:
                    sound.add(one)
            except Tampered as why:
                wrong[subject] = why
        self.tell(wrong)
        return frozenset(sound)

    def _check(self, connection: sa.Connection, subject: Subject, floor: int) -> Signature | None:
        """What stands of it; None where it never was."""
        rows, signature = rows_of(connection, subject), _signature(connection, subject)
        try:
            self._judge(subject, rows, signature, floor)
        except Tampered as why:
            self.tell({subject: why})
            raise
        return signature

    def _judge(
        self, subject: Subject, rows: Rows | None, signature: Signature | None, floor: int, *, keeps: bool = True
    ) -> int | None:
        """Its sequence; None where it never was. Tampered unless its rows are those that were signed last.

        What was verified is remembered if it `keeps`: one that looks at all of them would fill the memory for nobody.
        """
        if rows is None and signature is None and floor == 0:
            return None
        if rows is None or not rows.is_there:
            words = f"{subject.words} was here and its rows are gone from the database"
            raise Tampered("row-missing", f"{words}: put them back from a backup", {"subject": subject.words})
        if signature is None:
            raise _altered(subject, "its rows have no signature")
        if signature.sequence < floor:
            words = f"{subject.words} stands in the database as it was at change {signature.sequence}"
            details: dict[str, str | int | list[str]] = {"subject": subject.words}
            raise Tampered("row-rolled-back", f"{words}, and has come to change {floor}: it was put back", details)
        digest = hashlib.sha256(rows.encoded).digest()
        verified = digest + hashlib.sha256(digest + signature.sequence.to_bytes(8) + signature.signature).digest()
        if self._known.get(subject) != verified:
            self._verify(subject, signature, rows.encoded)
            if keeps:
                self._remember(subject, verified, signature.sequence)
        return signature.sequence

    def _verify(self, subject: Subject, found: Signature, rows: bytes) -> None:
        try:
            _core.verify_rows(self.key.public_key, *subject, found.sequence, rows, found.signature)
        except (Malformed, Tampered) as why:  # the first of an id that this release would not have given
            raise _altered(subject, "its rows are not those that were signed") from why

    def _sign(self, connection: sa.Connection, subject: Subject, before: Signature | None) -> Sequenced | None:
        """Sign what stands of it now, unless it is what was signed before."""
        rows = rows_of(connection, subject)
        if rows is None:  # nothing was made, and there was nothing
            return None
        known = self._known.get(subject)
        if before is not None and known is not None and known.startswith(hashlib.sha256(rows.encoded).digest()):
            return None
        sequence = 1 if before is None else before.sequence + 1
        self._store(connection, subject, sequence, rows.encoded)
        return Sequenced(subject, sequence)

    def _store(self, connection: sa.Connection, subject: Subject, sequence: int, rows: bytes) -> None:
        signature = self.key.sign(*subject, sequence, rows)
        connection.execute(row_signatures.delete().where(*_is(subject)))
        row = {"kind": subject.kind, "subject": subject.id, "sequence": sequence, "signature": signature}
        connection.execute(row_signatures.insert().values(row))

    def _commit(self, done: Sequence[Sequenced]) -> None:
        for subject, sequence in done:
            self._seen[subject] = max(sequence, self._seen.get(subject, 0))
        if done:
            self._committed(done)

    def _remember(self, subject: Subject, verified: bytes, sequence: int) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[subject] = verified
        if sequence > self._seen.get(subject, 0):
            self._seen[subject] = sequence


def _altered(subject: Subject, why: str) -> Tampered:
    words = f"{subject.words} is not as it was stored: {why}"
    return Tampered("row-altered", f"{words}. It decides nothing until it is put back", {"subject": subject.words})


def _is(subject: Subject) -> tuple[sa.ColumnElement[bool], ...]:
    return row_signatures.c.kind == subject.kind, row_signatures.c.subject == subject.id


def _signature(connection: sa.Connection, subject: Subject) -> Signature | None:
    found = connection.execute(_SELECT.where(*_is(subject))).one_or_none()
    return None if found is None else _of(found)


def _all_signatures(connection: sa.Connection, kind: str | None = None) -> dict[Subject, Signature]:
    query = _SELECT if kind is None else _SELECT.where(row_signatures.c.kind == kind)
    return {Subject(str(row.kind), str(row.subject)): _of(row) for row in connection.execute(query)}


_COLUMNS: list[sa.ColumnElement[Any]] = [
    sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in row_signatures.c
]
_SELECT: sa.Select[Any] = sa.select(*_COLUMNS)


def _of(row: sa.Row[Any]) -> Signature:
    """As it stands; what is no signature verifies nothing."""
    sequence, signature = row.sequence, row.signature
    is_one = isinstance(sequence, int) and 0 < sequence < 2**63 and isinstance(signature, bytes | memoryview)
    return Signature(sequence, bytes(signature)) if is_one else Signature(2**63 - 1, b"")
