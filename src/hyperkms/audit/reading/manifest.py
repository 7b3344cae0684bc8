"""The manifest: which logs there are, which keys sign them, and what was said of them when they ended."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from hyperkms.audit.chain import FIRST_PREV
from hyperkms.audit.forms import Count, Hash, KeyId, LogId, PublicKey, key_id_of
from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import lines_of, unreadable
from hyperkms.audit.reading.line_form import is_json
from hyperkms.audit.reading.signed import Keys, unhex
from hyperkms.audit.segments import MANIFEST
from hyperkms.errors import Tampered

_LINE = re.compile(
    rb'\{"v":1,"index":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})","entry":(\{.*\}),'
    rb'"keyId":"([0-9a-f]{16})","signature":"(0x[0-9a-f]{128})"\}',
    re.DOTALL,
)


class _Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="event"):
    time: Count


class KeyEntry(_Entry, frozen=True, kw_only=True, rename="camel", tag="key"):
    """A key that signs heads and entries."""

    key_id: KeyId
    public_key: PublicKey


class OpenEntry(_Entry, frozen=True, kw_only=True, tag="open"):
    """A log is about to begin."""

    log: LogId
    segment: Literal[1]
    file: str


class SegmentEntry(_Entry, frozen=True, kw_only=True, tag="segment"):
    """A log is about to go on in a further file."""

    log: LogId
    segment: Count
    file: str
    size: Count
    root: Hash


class CloseEntry(_Entry, frozen=True, kw_only=True, tag="close"):
    """A log has ended."""

    log: LogId
    size: Count
    root: Hash
    how: Literal["closed", "found"]


class AdoptEntry(_Entry, frozen=True, kw_only=True, tag="adopt"):
    """A file of the release before, as it was found."""

    file: str
    log: LogId
    lines: Count
    bytes: Count
    sha256: Hash


class BackupEntry(_Entry, frozen=True, kw_only=True, rename="camel", tag="backup"):
    """A backup was taken."""

    backup: LogId
    release: str
    schema: str
    service: str
    root_key_id: str
    bytes: Count
    sha256: Hash


Entry: TypeAlias = KeyEntry | OpenEntry | SegmentEntry | CloseEntry | AdoptEntry | BackupEntry
_read_entry = msgspec.json.Decoder(Entry).decode


@dataclass(frozen=True)
class Line:
    """A line of the manifest, taken apart."""

    index: int
    prev: str
    entry: bytes
    """As it stands in the line: what is signed."""
    key_id: str
    signature: str


@dataclass
class Listed:
    """What the manifest says of one log; of its files by segment."""

    files: dict[int, str] = field(default_factory=dict)
    segments: list[tuple[int, SegmentEntry]] = field(default_factory=list)
    """With the places of the entries, as for `close`."""
    close: tuple[int, CloseEntry] | None = None

    def start_of(self, number: int) -> int | None:
        """The index of the first line of a segment; None if nothing is said of it."""
        if number == 1:
            return 0
        return next((entry.size for _, entry in self.segments if entry.segment == number), None)


@dataclass
class Manifest:
    """What it says, as far as its entries are signed."""

    keys: Keys
    logs: dict[str, Listed] = field(default_factory=dict)
    adopted: dict[str, AdoptEntry] = field(default_factory=dict)
    """By file."""
    backups: dict[int, BackupEntry] = field(default_factory=dict)
    """By the place of the entry."""
    leaves: list[bytes] = field(default_factory=list)
    """The hash of each line."""
    stands: bool = False
    """Whether there is one, of a line at least."""
    is_believed: bool = False
    """Whether it says anything that is signed by a key that is believed."""


def parse_line(text: bytes) -> Line | None:
    """A line without its newline; None if it is none."""
    found = _LINE.fullmatch(text)
    if found is None or not is_json(found[3]):
        return None
    return Line(int(found[1]), found[2].decode(), found[3], found[4].decode(), found[5].decode())


def read_manifest(folder: Path, findings: Findings, pinned: bytes | None, key_id: str | None) -> Manifest:
    """Check the chain and each signature; what is not signed by a key that is believed is not taken.

    Believed is the pinned key, else the one that the first line names if it has this id, and those that a believed
    key has added.
    """
    reader = _Reader(Manifest(Keys([] if pinned is None else [pinned])), findings, pinned, key_id)
    path = folder / MANIFEST
    if path.exists():
        reader.read(lines_of(path))
        if _ends_in_half_a_line(path):
            words = "the manifest ends in half a line, which announced nothing"
            findings.note(Finding(Code.TAIL_TORN, words, MANIFEST, index=len(reader.manifest.leaves)))
    return reader.manifest


def manifest_of(records: Path) -> Manifest:
    """The manifest as far as its own first key vouches for it; what is wrong with it a verification says."""
    return read_manifest(records, Findings(), None, None)


class _Reader:
    def __init__(self, manifest: Manifest, findings: Findings, pinned: bytes | None, key_id: str | None) -> None:
        self.manifest = manifest
        self._findings = findings
        self._pinned = pinned
        self._key_id = key_id
        self._prev = FIRST_PREV
        self._damaged = False
        """Whether the line before has a finding, which explains why its hash is another one."""
        self._unknown: set[str] = set()
        """Keys that were told of."""
        self._other: str | None = None
        """The key of the first line, if another one is expected."""
        self._shift = 0
        """How far the lines are from their places, as was told."""

    def read(self, texts: Iterable[bytes]) -> None:
        for place, text in enumerate(texts):
            self.manifest.stands = True
            found = [*self._faults_of(place, text)]
            for finding in found:
                self._findings.add(finding)
            self._damaged = bool(found)
            leaf = leaf_hash(text)
            self.manifest.leaves.append(leaf)
            self._prev = leaf.hex()
        self._tell_other()

    def _tell_other(self) -> None:
        """One cause, one finding: without its key nothing that the manifest says can be held against anything."""
        if self._other is None:
            return
        if self.manifest.is_believed:
            words = f"the manifest begins with key {self._other}, which is not the expected one"
        else:
            expected = self._key_id if self._pinned is None else key_id_of(self._pinned)
            words = (
                f"key {self._other} signs this record, and {expected} was expected: "
                "nothing in it is believed, and only chains were checked"
            )
        self._findings.add(Finding(Code.KEY_UNKNOWN, words, MANIFEST, index=0))

    def _faults_of(self, place: int, text: bytes) -> Iterator[Finding]:
        line = parse_line(text)
        if line is None:
            yield _changed(place, f"line {place} of the manifest is none")
            return
        shift, self._shift = self._shift, line.index - place
        if self._shift not in (0, shift):
            yield _changed(place, f"line {place} of the manifest says that it is line {line.index}")
        elif line.prev != self._prev and not self._damaged:
            words = (
                f"line {place - 1} of the manifest was changed, or line {place}" if place else "it has a line before"
            )
            yield _changed(place, f"{words}: the hash in `prev` is not that of the line before")
        entry = _entry_of(line)
        if entry is None:
            yield _changed(place, f"the entry of line {place} of the manifest is not of the documented form")
            return
        if place == 0:
            yield from self._take_first(line, entry)
        try:
            self.manifest.keys.verify_entry(line.index, line.prev, line.entry, line.key_id, line.signature)
        except Tampered as error:
            if error.code != Code.KEY_UNKNOWN or line.key_id not in self._unknown:
                yield Finding(Code(error.code), f"line {place} of the manifest: {error.message}", MANIFEST, index=place)
            self._unknown.add(line.key_id)
        else:
            self.manifest.is_believed = True
            yield from self._take(place, entry)

    def _take_first(self, line: Line, entry: Entry) -> Iterator[Finding]:
        """The key of the first line vouches for itself, unless another one is expected."""
        if not isinstance(entry, KeyEntry):
            if self._pinned is None:
                self._unknown.add(line.key_id)
            rest = ": nothing in it is believed, and only chains were checked" if self._pinned is None else ""
            yield _changed(0, f"the first line of the manifest names no key{rest}")
            return
        public_key = unhex(entry.public_key)
        if self._pinned not in (None, public_key) or self._key_id not in (None, key_id_of(public_key)):
            self._other = key_id_of(public_key)
            self._unknown.add(line.key_id)
            return
        self.manifest.keys.trust(public_key)

    def _take(self, place: int, entry: Entry) -> Iterator[Finding]:
        logs = self.manifest.logs
        match entry:
            case KeyEntry():
                if entry.key_id != key_id_of(unhex(entry.public_key)):
                    yield _changed(place, f"line {place} of the manifest names a key by an id that is not its own")
                    return
                self.manifest.keys.trust(unhex(entry.public_key))
            case OpenEntry():
                logs.setdefault(entry.log, Listed()).files[1] = entry.file
            case SegmentEntry():
                listed = logs.setdefault(entry.log, Listed())
                listed.files[entry.segment] = entry.file
                listed.segments.append((place, entry))
            case CloseEntry():
                logs.setdefault(entry.log, Listed()).close = (place, entry)
            case AdoptEntry():
                self.manifest.adopted[entry.file] = entry
            case BackupEntry():
                self.manifest.backups[place] = entry


def _ends_in_half_a_line(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(length - 1, 0))
            return file.read(1) not in (b"", b"\n")
    except OSError as error:
        raise unreadable(path, error) from error


def _entry_of(line: Line) -> Entry | None:
    try:
        entry: Entry = _read_entry(line.entry)
    except msgspec.MsgspecError:
        return None
    return entry


def _changed(place: int, words: str) -> Finding:
    return Finding(Code.MANIFEST_CHANGED, words, MANIFEST, index=place)
