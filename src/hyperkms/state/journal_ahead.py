"""Space for the journal of the SQLite database, allocated ahead: a row can be changed in place on a full disk.

SQLite writes the pages that a transaction changes into `hyperkms.db-journal` first, and a full disk has no room for
that file. So one of zeros lies ready as `hyperkms.db-ahead`. Where it is needed it gets the journal's name as a
second one: SQLite writes into it as it stands, and unlinks that name when it has committed.

The danger is a journal that SQLite would play back although it is old. So the file is zeroed before it gets the name:
SQLite takes a journal that begins with zeros for none.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperkms.errors import Unavailable

SIZE = 256 * 1024
"""Bytes: about sixty pages, and the ceilings of a thousand signers and more lie in fewer."""


class JournalAhead:
    """That of one database."""

    def __init__(self, database: Path) -> None:
        self._ahead = database.with_name(f"{database.name}-ahead")
        self._journal = database.with_name(f"{database.name}-journal")

    def provide(self) -> None:
        """Make the file if it is not there. Where there is no room for it now there is none, and nobody is told."""
        if self._ahead.exists():
            return
        draft = self._ahead.with_name(f"{self._ahead.name}.draft")
        with suppress(OSError):
            try:
                _zero(draft)
                draft.rename(self._ahead)
            finally:
                draft.unlink(missing_ok=True)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The journal that is written within this block is the one that lies ready.

        For who holds the write lock of the database and has written nothing yet. Unavailable if none lies ready.
        """
        try:
            _zero(self._ahead, is_there=True)
            with suppress(FileExistsError):  # another program keeps its journal: that has space of its own
                os.link(self._ahead, self._journal)
        except OSError as error:
            words = f"the disk is full, and no space was kept for the journal of the database ({error.strerror})"
            raise Unavailable("database-unavailable", words) from error
        yield


def _zero(path: Path, *, is_there: bool = False) -> None:
    """Durable on return; a file that is there keeps its blocks."""
    flags = os.O_WRONLY | os.O_CLOEXEC | (0 if is_there else os.O_CREAT | os.O_TRUNC)
    descriptor = os.open(path, flags, 0o600)
    try:
        view = memoryview(bytes(SIZE))
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
