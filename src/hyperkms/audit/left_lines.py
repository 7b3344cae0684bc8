"""What a process that was killed has written: signatures of requests with an Idempotency-Key."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from hyperkms.audit.entries import SEGMENT
from hyperkms.audit.head_lines import head_lines
from hyperkms.audit.log import shown
from hyperkms.audit.manifest import read_entries
from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.record import (
    HEAD,
    KEYED_SIGNATURE,
    KEYED_SIGNATURE_UNCHAINED,
    OPENING,
    HeadRecord,
    KeyedSignatureRecord,
    OpeningRecord,
)
from hyperkms.audit.segments import Segment, segments_of
from hyperkms.audit.sink import Position
from hyperkms.errors import Tampered, Unavailable
from hyperkms.receipt import NO_HEAD


class KeyedLine(msgspec.Struct, frozen=True):
    """A signature, and where it stands; in a log of the release before, without what its receipts did not have."""

    log: str
    index: int
    record: KeyedSignatureRecord
    position: Position | None


class _Line(msgspec.Struct, frozen=True):
    v: int
    log: str
    index: int
    record: msgspec.Raw


_read_line = msgspec.json.Decoder(_Line).decode
_read_record = msgspec.json.Decoder(KeyedSignatureRecord).decode
_read_head = msgspec.json.Decoder(HeadRecord).decode
_read_opening = msgspec.json.Decoder(OpeningRecord).decode


def keyed_lines(folder: Path, log: str, start: int) -> Iterator[KeyedLine]:
    """Signatures with a key in a log that nobody writes any more, from this byte on; durable from here on.

    The byte counts over all files of the log. A last line that was cut off is none: nothing was answered for it.
    Unavailable if a file cannot be read, or is gone; Tampered if a line is none.
    """
    files = _files_of(folder, log)
    try:
        yield from _LeftLog(files).lines(start)
    except OSError as error:
        raise Unavailable("record-unreadable", f"{error.filename} cannot be read ({error.strerror})") from error


class _LeftLog:
    """The files of a log, read from a byte on."""

    def __init__(self, files: Sequence[Segment]) -> None:
        self._files = files
        self._durability = ""
        self._head = NO_HEAD

    def lines(self, start: int) -> Iterator[KeyedLine]:
        """The head and the durability that receipts name are of lines before; they are looked for there."""
        begin = 0
        for number, file in enumerate(self._files):
            end = begin + file.path.stat().st_size
            if end > start or number == len(self._files) - 1:
                if begin <= start:
                    self._look_before(number, max(0, start - begin))
                yield from self._read(file.path, max(0, start - begin), is_last=number == len(self._files) - 1)
            begin = end

    def _look_before(self, number: int, place: int) -> None:
        if self._files[0].number == 0:
            return
        if number or place:
            with self._files[0].path.open("rb") as first:
                opening = first.readline()
            if opening:  # an empty file stands for one that is lost
                self._take(opening, self._files[0].path)
        for file in reversed(self._files[: number + 1]):
            line = next(head_lines(file.path, place if file is self._files[number] else None), b"")
            if line:
                self._take(line, file.path)
                return

    def _read(self, path: Path, start: int, *, is_last: bool) -> Iterator[KeyedLine]:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # a line that was killed before its own fsync becomes an answer now
            file.seek(start)
            for text in file:
                if not text.endswith(b"\n"):
                    if is_last:
                        return
                    raise _malformed(path)
                found = self._take(text, path)
                if found:
                    yield found

    def _take(self, text: bytes, path: Path) -> KeyedLine | None:
        try:
            line = _read_line(text)
            if line.v == OPENING:
                self._durability = _read_opening(line.record).durability
            elif line.v == HEAD:
                self._head = shown(_read_head(line.record))
            elif line.v in (KEYED_SIGNATURE, KEYED_SIGNATURE_UNCHAINED):
                return KeyedLine(line.log, line.index, _read_record(line.record), self._position(line, text))
        except msgspec.MsgspecError as error:
            raise _malformed(path) from error
        return None

    def _position(self, line: _Line, text: bytes) -> Position | None:
        if line.v == KEYED_SIGNATURE_UNCHAINED:
            return None
        return Position(line.log, line.index, leaf_hash(text[:-1]).hex(), self._head, self._durability)


def _malformed(path: Path) -> Tampered:
    return Tampered("record-malformed", f"{path} has a line that is none")


def _files_of(folder: Path, log: str) -> Sequence[Segment]:
    """Every file of the log that the manifest names, at least one."""
    found = segments_of(folder, log)
    listed = [one.segment for one in read_entries(folder) if one.event == SEGMENT and one.log == log]
    due = max((number for number in listed if number), default=1)
    missing = {*range(1, due + 1)} - {one.number for one in found}
    if not found or (missing and found[0].number):
        name = f"*-{log}-{min(missing):04}.jsonl"
        words = (
            f"no file {folder}/{name}: its process was killed while it answered requests with an Idempotency-Key, "
            "and which of them it answered stands there; put it back. If it is lost, an empty file of that name lets "
            "the service go on; a request of that moment may then be signed a second time"
        )
        raise Unavailable("record-unreadable", words)
    return found
