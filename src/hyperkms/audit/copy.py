"""A copy of the record that has to have a line before its signature leaves: for machines whose disks come and go.

The files are written as ever, and copied byte by byte as far as their lines are kept. What is copied is a record by
itself, which verifies as the files do.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hyperkms.audit.log_file import LogFile, unwritable
from hyperkms.audit.manifest import Manifest
from hyperkms.audit.segments import MANIFEST
from hyperkms.state.record_chunks import Chunk

_PIECE = 4 * 1024 * 1024


class Chunks(Protocol):
    """Where the copy goes; state/record_chunks.py."""

    def length(self, file: str) -> int:
        """How many bytes of the file are there."""

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Durable when it returns."""


class RecordCopy:
    """Copies what one process writes. Used by one thread at a time: who calls holds the sink's lock."""

    def __init__(self, chunks: Chunks, manifest: Manifest) -> None:
        self._chunks = chunks
        self._manifest = manifest
        self._listed = 0
        """Bytes of the manifest that are known to be copied."""
        self._file: LogFile | None = None
        self._copied: int | None = 0
        """Bytes of that file; None where it is not known whether the last ones came through."""

    def take(self, file: LogFile | None) -> None:
        """Every kept line of this file, and of the one before, is durable in the copy; Unavailable if it is not."""
        try:
            self._copy_manifest()
            if self._file is not None:
                self._copy_lines(self._file)
            if file is not self._file:
                self._file, self._copied = file, 0
                if file is not None:
                    self._copy_lines(file)
        except OSError as error:
            raise unwritable(error) from error

    def _copy_lines(self, file: LogFile) -> None:
        copied = self._chunks.length(file.path.name) if self._copied is None else self._copied
        self._copied = None
        while copied < file.length:
            found = _read(file.path, copied, min(_PIECE, file.length - copied))
            self._chunks.add([Chunk(file.path.name, copied, found)])
            copied += len(found)
        self._copied = copied

    def _copy_manifest(self) -> None:
        """Its whole lines: half of one may be cut off by who writes next. All processes of a directory write it."""
        path = self._manifest.folder / MANIFEST
        if path.stat().st_size == self._listed:
            return
        with self._manifest.alone():
            start = self._chunks.length(MANIFEST)
            found = _read(path, start, path.stat().st_size - start)
            whole = found[: found.rfind(b"\n") + 1]
            if whole:
                self._chunks.add([Chunk(MANIFEST, start, whole)])
            self._listed = start + len(whole)


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start, os.SEEK_SET)
        return file.read(length)
