"""A log: what one process writes, over one file after another, with a signed tree head from time to time.

Lines are written, then kept once they are durable, or taken back. Kept lines are what heads, the manifest and
receipts speak of.
"""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from hyperkms.audit.chain import Chain, Lines
from hyperkms.audit.entries import CLOSED, CloseEntry, OpenEntry, SegmentEntry
from hyperkms.audit.log_file import LogFile, unwritable
from hyperkms.audit.log_key import LogKey
from hyperkms.audit.manifest import Manifest
from hyperkms.audit.record import Encoded, HeadRecord, OpeningRecord, encode
from hyperkms.audit.space_ahead import SpaceAhead
from hyperkms.receipt import NO_HEAD, TreeHead, encode_head

Durability: TypeAlias = Literal["fsync", "os"]
MIB = 1024 * 1024
HEAD_AFTER_S = 5.0
"""A line is so old when a head covers it, and a second or a slow group more: 10 s are promised."""
STUCK_AFTER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a process writes its logs, and who it says it is."""

    release: str
    boot: str | None
    durability: Durability = "fsync"
    segment_bytes: int = 64 * MIB
    """A file that has so many is followed by another one."""
    head_after_s: float = HEAD_AFTER_S
    processes: int = 1
    """How many of the data directory have space ahead."""
    emergency_bytes: int = 0
    """So much of it has each; 0: none."""
    stuck_after_s: float = STUCK_AFTER_S
    """A disk that has not answered for so long is given nothing more until it does."""


@dataclass(frozen=True)
class Written:
    """Lines that are written and not kept yet."""

    lines: Lines
    """Those of the records that were given, without an opening and a head that went with them."""
    chain: Chain
    """Where the log has come to if they are kept."""
    head: HeadRecord | None


class Log:
    """A log of this process."""

    def __init__(self, log: str, file: LogFile, logs: "Logs") -> None:
        self.id = log
        self.file = file
        self.is_announced = False
        """It is looked for after a crash."""
        self.shown_head = NO_HEAD
        """The newest head as receipts have it."""
        self._segment = 1
        self._chain = Chain(log)
        self._manifest = logs.manifest
        self._key = logs.key
        self._writing = logs.writing
        self._uncovered_since: float | None = None

    @property
    def length(self) -> int:
        """Bytes of all lines that are kept."""
        return self._chain.length

    @property
    def is_full(self) -> bool:
        """Whether the next lines belong into a further file."""
        return self.file.length >= self._writing.segment_bytes

    @property
    def is_head_due(self) -> bool:
        """Whether a line has waited long enough for a head that covers it."""
        since = self._uncovered_since
        return since is not None and time.monotonic() - since >= self._writing.head_after_s

    def sync(self) -> None:
        """Make durable what the manifest is about to speak of; OSError if the disk does not take it.

        With durability `fsync` every kept line is already; with `os` a loss of power would leave fewer lines than the
        manifest says, which nobody could tell from a cut.
        """
        if self._writing.durability == "os":
            os.fsync(self.file.descriptor)

    def go_on(self, space: SpaceAhead | None = None) -> None:
        """In a further file, which the manifest lists; Unavailable, and all as it was, if there can be none.

        With `space` it is a piece of that: the disk is full.
        """
        number = self._segment + 1
        try:
            self.sync()
        except OSError as error:
            raise unwritable(error) from error
        with self._manifest.alone() as listing:
            file = _file(self._manifest.folder, self.id, number, space)
            try:
                listing.append(
                    SegmentEntry(
                        time=self._manifest.clock(),
                        log=self.id,
                        segment=number,
                        file=file.path.name,
                        size=self._chain.size,
                        root=self._chain.root().hex(),
                    )
                )
            except BaseException:
                file.remove()
                raise
        self.file.trim()
        self.file.close()
        self.file, self._segment = file, number

    def go_on_in_place(self, space: SpaceAhead) -> None:
        """In a piece that takes the place of its file, which has no line; Unavailable if there is none."""
        with self._manifest.alone():
            self.file = self.file.in_a_piece(space)

    def write(self, records: Sequence[Encoded]) -> Written:
        """Append their lines, not yet durable, the opening before them and a head after them if they are due."""
        chain = self._chain.copy()
        before = b"" if chain.size else chain.lines([self._opening()]).text
        lines = chain.lines(records)
        head = self._head(chain) if self.is_head_due else None
        after = chain.lines([encode(head)]).text if head else b""
        self.file.append(before + lines.text + after)
        return Written(lines, chain, head)

    def write_head(self) -> Written:
        """Append a head of what is kept."""
        chain = self._chain.copy()
        head = self._head(chain)
        lines = chain.lines([encode(head)])
        self.file.append(lines.text)
        return Written(lines, chain, head)

    def keep(self, written: Written) -> None:
        """They are durable."""
        self.file.length += written.chain.length - self._chain.length
        self._chain = written.chain
        if written.head:
            self._uncovered_since, self.shown_head = None, shown(written.head)
        elif self._uncovered_since is None:
            self._uncovered_since = time.monotonic()

    def starts_again(self) -> bool:
        """After lines that could not be written: what has none yet, and is listed, is emptied and goes on."""
        return self.file.length == 0 and self.file.is_in_place() and self.file.cut()

    def closing(self) -> CloseEntry:
        """What the manifest is to say of it at its end: which lines are kept."""
        return CloseEntry(
            time=self._manifest.clock(),
            log=self.id,
            size=self._chain.size,
            root=self._chain.root().hex(),
            how=CLOSED,
        )

    @property
    def has_uncovered(self) -> bool:
        """Whether a line is covered by no head."""
        return self._uncovered_since is not None

    def _opening(self) -> Encoded:
        return encode(
            OpeningRecord(
                time=self._manifest.clock(),
                release=self._writing.release,
                boot=self._writing.boot,
                pid=os.getpid(),
                key_id=self._key.id,
                public_key=self._key.public_key,
                durability=self._writing.durability,
            )
        )

    def _head(self, chain: Chain) -> HeadRecord:
        now, root = self._manifest.clock(), chain.root()
        signature = self._key.sign_head(self.id, size=chain.size, root=root, time=now)
        return HeadRecord(time=now, size=chain.size, root=root.hex(), key_id=self._key.id, signature=signature)


@dataclass(frozen=True)
class Logs:
    """What the logs of a process have in common."""

    manifest: Manifest
    key: LogKey
    writing: Writing

    def begin(self, space: SpaceAhead | None = None) -> Log:
        """A new log with an empty file, which the manifest lists; Unavailable, and no file, if it cannot be.

        With `space` the file is a piece of that: the disk is full.
        """
        log = secrets.token_hex(16)
        with self.manifest.alone() as listing:
            file = _file(self.manifest.folder, log, 1, space)
            try:
                listing.append(OpenEntry(time=self.manifest.clock(), log=log, segment=1, file=file.path.name))
            except BaseException:
                file.remove()
                raise
        return Log(log, file, self)


def _file(folder: Path, log: str, number: int, space: SpaceAhead | None) -> LogFile:
    return LogFile.create(folder, log, number) if space is None else LogFile.take_piece(space, log, number)


def shown(head: HeadRecord) -> msgspec.Raw:
    """A head as receipts have it."""
    return encode_head(
        TreeHead(size=head.size, root=head.root, time=head.time, key_id=head.key_id, signature=head.signature)
    )
