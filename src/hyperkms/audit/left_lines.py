"""What a process that was killed has written: signatures of requests with an Idempotency-Key."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hyperkms.audit.record import KEYED_SIGNATURE, KeyedSignatureRecord
from hyperkms.errors import Tampered, Unavailable


class KeyedLine(msgspec.Struct, frozen=True):
    """A signature, and where it stands."""

    log: str
    index: int
    record: KeyedSignatureRecord


class _Line(msgspec.Struct, frozen=True):
    v: int
    log: str
    index: int
    record: msgspec.Raw


_read_line = msgspec.json.Decoder(_Line).decode
_read_record = msgspec.json.Decoder(KeyedSignatureRecord).decode


def keyed_lines(folder: Path, log: str, start: int) -> Iterator[KeyedLine]:
    """Signatures with a key in a log that nobody writes any more, from this byte on; durable from here on.

    A last line that was cut off is none: nothing was answered for it. Unavailable if the file cannot be
    read, or is gone; Tampered if a line is none.
    """
    path = _file_of(folder, log)
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # a line that was killed before its own fsync becomes an answer now
            file.seek(start)
            yield from _read(file, path, start)
    except OSError as error:
        raise Unavailable("record-unreadable", f"{path} cannot be read ({error.strerror})") from error


def _read(file: Iterator[bytes], path: Path, start: int) -> Iterator[KeyedLine]:
    end = start
    for text in file:
        end += len(text)
        if not text.endswith(b"\n"):
            return
        try:
            line = _read_line(text)
            if line.v == KEYED_SIGNATURE:
                yield KeyedLine(line.log, line.index, _read_record(line.record))
        except msgspec.MsgspecError as error:
            raise Tampered("record-malformed", f"{path} has a line before byte {end} that is none") from error


def _file_of(folder: Path, log: str) -> Path:
    for path in folder.glob(f"*-{log}.jsonl"):
        return path
    words = (
        f"no file {folder}/*-{log}.jsonl: its process was killed while it answered requests with an Idempotency-Key, "
        "and which of them it answered stands there; put it back. If it is lost, an empty file of that name lets the "
        "service go on; a request of that moment may then be signed a second time"
    )
    raise Unavailable("record-unreadable", words)
