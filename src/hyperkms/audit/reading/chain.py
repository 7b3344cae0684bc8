"""One log, line by line: its chain, its tree and its heads, in one pass and in memory that does not grow with it.

Every line is first held against what it has to begin with, byte for byte. What deviates is looked at together with
the line after it, and taken either as the line of this place (changed, or another one's), as one too many, or as
the first after a gap. So one change does not make the rest of the log unreadable, and where the hash of a lost line is
known from the line after it, the heads that follow can still be checked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from hashlib import sha256

import msgspec

from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import ListedFile
from hyperkms.audit.reading.held import Held
from hyperkms.audit.reading.line_form import KIND_LENGTH, KINDS, ZEROS, Line, is_json, parse_chained, read_any
from hyperkms.audit.reading.marks import Mark
from hyperkms.audit.reading.signed import Keys
from hyperkms.audit.record import HEAD, OPENING

UNKNOWN = b""
"""In the place of a hash that no line tells."""
MOST_STRAYS = 100
"""Lines out of their place that are looked for, a log; what is beyond is a finding of its own."""


@dataclass(frozen=True)
class Stray:
    """A line where another one belongs."""

    place: int
    """The index that belongs there."""
    index: int
    """Its own."""
    file: str
    instead: bool
    """Whether it stands there instead of that one, and not before it."""


@dataclass(frozen=True)
class Gap:
    """Lines that are not there."""

    start: int
    end: int
    file: str
    at_end: bool
    """Of a file that another one follows."""
    is_explained: bool
    """A whole file is not there."""


@dataclass
class Chain:
    """The state of the reading; `index` is that of the next line."""

    log: str
    keys: InitVar[Keys]
    marks: InitVar[Iterator[Mark]]
    findings: Findings
    held: Held = field(init=False)
    """Its tree lags behind by one line, whose leaf is `last`."""
    index: int = 0
    last: bytes | None = None
    last_line: bytes = b""
    strays: list[Stray] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    file: str = ""
    _prev: bytes = ZEROS
    _suspect: bytes | None = None
    _damaged: int | None = None
    """The line that has a finding already: it explains why the hash in the next one is another."""

    def __post_init__(self, keys: Keys, marks: Iterator[Mark]) -> None:
        self._middle = b',"log":"%b","index":' % self.log.encode()
        self.held = Held(self.log, keys, marks, self._find)

    # ---- the quick way ---------------------------------------------------------------------------------

    def take(self, texts: Sequence[bytes]) -> None:
        """The next lines, without their newlines."""
        taken = 0
        while taken < len(texts):
            if self._suspect is None:
                taken += self._take_good(texts[taken:] if taken else texts)
            if taken < len(texts):
                self._take_odd(texts[taken])
                taken += 1

    def _take_good(self, texts: Sequence[bytes]) -> int:
        """Take lines as long as each is just what it has to be; how many."""
        middle, held, hashed, kinds, json = self._middle, self.held, sha256, KINDS, read_any
        index, last, prev, marked = self.index, self.last, self._prev, held.next_size
        append = held.tree.append
        stop = len(texts)
        for number, text in enumerate(texts):
            due = b'%b%d,"prev":"%b","record":{' % (middle, index, prev)
            kind = kinds.get(text[:KIND_LENGTH])
            start = KIND_LENGTH + len(due) - 1
            if kind is None or not text.startswith(due, KIND_LENGTH) or not text.endswith(b"}}"):
                stop = number
                break
            try:
                json(text[start:-1])
            except (msgspec.MsgspecError, RecursionError):
                stop = number
                break
            if not text.isascii() and not is_json(text[start:-1]):
                stop = number
                break
            if last is not None:
                append(last)
            made = hashed(b"\0" + text)
            last, prev = made.digest(), made.hexdigest().encode()
            index += 1
            if kind in (HEAD, OPENING) or index == 1 or index > marked:
                self.index, self.last, self._prev = index, last, prev
                held.look_at(index - 1, kind, text[start:-1])
                marked = held.next_size
        self.index, self.last, self._prev = index, last, prev
        if stop:
            self.last_line = texts[stop - 1]
        return stop

    # ---- what is odd -----------------------------------------------------------------------------------

    def _take_odd(self, text: bytes) -> None:
        if self._suspect is None:
            self._suspect = text
            return
        suspect, self._suspect = self._suspect, None
        self._decide(suspect, parse_chained(text))
        self.take((text,))

    def _decide(self, text: bytes, follower: Line | None) -> None:
        """Take the suspect line, which one follows or none."""
        line, due = parse_chained(text), self.index
        following = follower.index if follower is not None and follower.log == self.log else None
        if line is None or line.log != self.log:
            self._take_foreign(text, line, is_extra=following == due)
        elif line.index == due:
            self._take_changed(text, line, follower if following == due + 1 else None, is_extra=following == due)
        elif following == due:
            self._take_stray(line)
        elif following == due + 1 or line.prev == self._prev:
            self._take_in_place(text, line)
        elif line.index > due:
            self._skip_to(line.index, line.prev)
            self._accept(text, line)
        else:
            self._take_stray(line)

    def _take_foreign(self, text: bytes, line: Line | None, *, is_extra: bool) -> None:
        if line is None:
            self._find(Code.LINE_MALFORMED, f"line {self.index} is no line of the documented form")
        else:
            self._find(Code.LINE_CHANGED, f"line {self.index} says that it belongs to log {line.log}")
        if not is_extra:
            self._accept(text, None)

    def _take_changed(self, text: bytes, line: Line, follower: Line | None, *, is_extra: bool) -> None:
        """The index is the one that is due, and the hash in `prev` is not that of the line before."""
        due = self.index
        if is_extra:
            self._take_stray(line)
            return
        if line.prev == self._prev:  # its kind or its place is what is wrong
            self._accept(text, line)
            return
        if due and not self._explains(text, line, follower):
            if self._damaged != due - 1:
                words = f"line {due - 1} was changed" + ("" if follower else f", or line {due}")
                self._find(Code.LINE_CHANGED, f"{words}: line {due} has another hash of it", due - 1)
            self.last = bytes.fromhex((line.prev or ZEROS).decode())
        else:
            self._find(Code.LINE_CHANGED, f"line {due} was changed: it has another hash of the line before")
        self._accept(text, line)

    def _explains(self, text: bytes, line: Line, follower: Line | None) -> bool:
        """Whether the line after it says that nothing of this one was changed but the hash of the line before."""
        repaired = text.replace(b'"prev":"%b"' % (line.prev or b""), b'"prev":"%b"' % self._prev, 1)
        return follower is not None and follower.prev == leaf_hash(repaired).hex().encode()

    def _take_in_place(self, text: bytes, line: Line) -> None:
        """The line after it is the one that is due then: this one stands where `due` belongs."""
        if line.prev == self._prev:
            self._find(Code.LINE_CHANGED, f"line {self.index} was changed: it says that it is line {line.index}")
        else:
            self._keep_stray(Stray(self.index, line.index, self.file, instead=True))
            self._damaged = self.index
        self._accept(text, None)

    def _take_stray(self, line: Line) -> None:
        self._keep_stray(Stray(self.index, line.index, self.file, instead=False))

    def _keep_stray(self, stray: Stray) -> None:
        if len(self.strays) < MOST_STRAYS:
            self.strays.append(stray)
        elif len(self.strays) == MOST_STRAYS:
            self.strays.append(stray)
            self._find(Code.LINES_SWAPPED, f"from line {self.index} on more lines are out of place than are looked at")

    def _skip_to(self, index: int, prev: bytes | None, *, at_end: bool = False, is_explained: bool = False) -> None:
        """Go on at this line; of one lost line the next one knows the hash, of more nobody does."""
        self.gaps.append(Gap(self.index, index, self.file, at_end, is_explained))
        if self.last is not None:
            self.held.tree.append(self.last)
        self.held.look_at_marks(self.index)
        if index == self.index + 1 and prev is not None:
            self.last = bytes.fromhex(prev.decode())
        else:
            self.last, self.held.is_sure = None, False
        self.index, self._prev = index, prev or UNKNOWN

    def _accept(self, text: bytes, line: Line | None) -> None:
        """Take it as the line that is due. Its leaf, if it is not the one that was written, is known from the next."""
        due = self.index
        if self.last is not None:
            self.held.tree.append(self.last)
        self.last = leaf_hash(text)
        self._prev = self.last.hex().encode()
        self.index = due + 1
        self.last_line = text
        if line is not None:
            self.held.look_at(due, line.kind, line.record)
        else:
            self.held.look_at_marks(due)

    # ---- files and the end -----------------------------------------------------------------------------

    def begin_file(self, segment: ListedFile, first: bytes, start: int | None, *, is_next: bool) -> None:
        """Go on in another file; `start` is the index of its first line, if the manifest says so.

        `is_next` says whether the file before it is there.
        """
        line = parse_chained(first)
        self.settle(line)
        if start is None and line is not None and line.log == self.log:
            start = line.index
        if start is not None and start > self.index:
            prev = line.prev if line is not None and line.index == start else None
            self._skip_to(start, prev, at_end=self.index > 0, is_explained=not is_next)
        elif start is not None and start < self.index:
            words = f"the file ends with line {self.index - 1}, and the next one begins with line {start}"
            self._find(Code.LOG_FORKED, words, start)
            self.last, self.held.is_sure, self.index = None, False, start
            self._prev = (line and line.prev) or UNKNOWN
        self.file = segment.name

    def settle(self, follower: Line | None) -> None:
        """Decide on a line that is still in doubt."""
        if self._suspect is not None:
            suspect, self._suspect = self._suspect, None
            self._decide(suspect, follower)

    def end(self) -> None:
        """No more lines: the tree is that of all."""
        self.settle(None)
        if self.last is not None:
            self.held.tree.append(self.last)
            self.last = None
        self.held.look_at_marks(self.index)

    def _find(self, code: Code, words: str, index: int | None = None) -> None:
        place = self.index if index is None else index
        if code not in (Code.HEAD_WRONG, Code.LOG_FORKED):  # those are about the lines before
            self._damaged = place
        self.findings.add(Finding(code, words, self.file, self.log, place))
