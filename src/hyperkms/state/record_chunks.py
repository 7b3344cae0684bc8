"""The files of the record of every data directory, byte for byte, in the PostgreSQL database: what is there stays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms.errors import Tampered
from hyperkms.state.database import Database
from hyperkms.state.instance_rows import is_alive_within, lease_lost
from hyperkms.state.schema import record_chunks

_END = record_chunks.c.start + sa.func.length(record_chunks.c.content)


@dataclass(frozen=True)
class Chunk:
    """Bytes of a file, from one place on."""

    file: str
    start: int
    content: bytes


class RecordChunks:
    """Those of one data directory, for the process that writes its record."""

    def __init__(self, database: Database, directory: str, epoch: Callable[[], int]) -> None:
        self._database = database
        self._directory = directory
        self._epoch = epoch
        """Of the instance's lease."""

    def length(self, file: str) -> int:
        """How many bytes of the file are there."""
        query = sa.select(sa.func.max(_END)).where(*self._of(file))
        with self._database.beside() as connection:
            return int(connection.execute(query).scalar() or 0)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Durable when it returns; Unavailable if it is not, or if another instance has taken over.

        It waits for no writer of other rows: one that changes a wallet holds the database's write lock while it waits
        for its line in the record.
        """
        rows = [
            {"directory": self._directory, "file": one.file, "start": one.start, "content": one.content}
            for one in chunks
        ]
        with self._database.beside() as connection:
            connection.execute(record_chunks.insert(), rows)
            if not is_alive_within(connection, self._epoch()):
                raise lease_lost()

    def _of(self, file: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return record_chunks.c.directory == self._directory, record_chunks.c.file == file


def directories_with_chunks(database: Database) -> Sequence[str]:
    """The data directories of which there are files."""
    with database.read() as connection:
        query = sa.select(record_chunks.c.directory).distinct().order_by(record_chunks.c.directory)
        return [str(found) for found in connection.execute(query).scalars()]


def chunks_of(database: Database, directory: str) -> Iterator[Chunk]:
    """All of them, file by file in the order of their bytes; Tampered where one does not follow on the one before."""
    query = (
        sa.select(record_chunks.c.file, record_chunks.c.start, record_chunks.c.content)
        .where(record_chunks.c.directory == directory)
        .order_by(record_chunks.c.file, record_chunks.c.start)
    )
    file, end = "", 0
    with database.read() as connection:
        for row in connection.execution_options(yield_per=256).execute(query):
            if row.file != file:
                file, end = row.file, 0
            if row.start != end:
                words = f"bytes {end} to {row.start} of {row.file} are not in the database, or twice"
                raise Tampered("record-chunks-missing", words)
            end += len(row.content)
            yield Chunk(file, row.start, bytes(row.content))
