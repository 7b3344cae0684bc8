"""One log, line by line: its chain, its tree and its heads, in one pass and in memory that does not grow with it.

Every line is first held against what it has to begin with, byte for byte. What deviates is looked at together with
the line after it, and taken either as the line of this place (changed, or another one's), as one too many, or as
the first after a gap. So one change does not make the rest of the log unreadable, and where the hash of a lost line is
known from the line after it, the heads that follow can still be checked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf

import msgspec

from hyperkms.audit.merkle import Tree
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import Segment
from hyperkms.audit.reading.line_form import KIND_LENGTH, KINDS, ZEROS, Line, is_json, parse_chained, read_any
from hyperkms.audit.reading.marks import Mark
from hyperkms.audit.reading.signed import Head, Keys, key_id_of, read_head, unhex
from hyperkms.audit.record import HEAD, OPENING
from hyperkms.errors import Tampered

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
    """The state of the reading. `index` is that of the next line; `tree` lags behind by one, `last` is its leaf."""

    log: str
    keys: Keys
    marks: Iterator[Mark]
    findings: Findings
    index: int = 0
    heads: int = 0
    """Heads whose signature and root are right."""
    lost_heads: int = 0
    """Heads that could not be held against lines, since some are lost."""
    proved: int = 0
    """Lines that the newest right head covers."""
    first_time: int | None = None
    last: bytes | None = None
    last_line: bytes = b""
    tree: Tree = field(default_factory=Tree)
    is_sure: bool = True
    """Whether the tree is that of the lines as they were written, as far as one can know."""
    strays: list[Stray] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    file: str = ""
    _prev: bytes = ZEROS
    _suspect: bytes | None = None
    _damaged: int | None = None
    """The line that has a finding already: it explains why the hash in the next one is another."""
    _mark: Mark | None = None

    def __post_init__(self) -> None:
        self._middle = b',"log":"%b","index":' % self.log.encode()
        self._mark = next(self.marks, None)

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
        middle, tree, hashed, kinds, json = self._middle, self.tree, sha256, KINDS, read_any
        index, last, prev, marked = self.index, self.last, self._prev, self._marked()
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
                tree.append(last)
            made = hashed(b"\0" + text)
            last, prev = made.digest(), made.hexdigest().encode()
            index += 1
            if kind in (HEAD, OPENING) or index == 1 or index > marked:
                self.index, self.last, self._prev = index, last, prev
                self._look_at(index - 1, kind, text[start:-1])
                marked = self._marked()
        self.index, self.last, self._prev = index, last, prev
        if stop:
            self.last_line = texts[stop - 1]
        return stop

    def _marked(self) -> int | float:
        """The size at which the tree is looked at next."""
        return inf if self._mark is None else self._mark.size

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
        return follower is not None and follower.prev == _leaf(repaired).hex().encode()

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
            self.tree.append(self.last)
        self._look_at_marks(self.index)
        if index == self.index + 1 and prev is not None:
            self.last = bytes.fromhex(prev.decode())
        else:
            self.last, self.is_sure = None, False
        self.index, self._prev = index, prev or UNKNOWN

    def _accept(self, text: bytes, line: Line | None) -> None:
        """Take it as the line that is due. Its leaf, if it is not the one that was written, is known from the next."""
        due = self.index
        if self.last is not None:
            self.tree.append(self.last)
        self.last = _leaf(text)
        self._prev = self.last.hex().encode()
        self.index = due + 1
        self.last_line = text
        if line is not None:
            self._look_at(due, line.kind, line.record)
        else:
            self._look_at_marks(due)

    # ---- openings, heads, marks ------------------------------------------------------------------------

    def _look_at(self, index: int, kind: int, record: bytes) -> None:
        if index == 0:
            self._look_at_opening(kind, record)
        elif kind == OPENING:
            self._find(Code.LINE_MALFORMED, f"line {index} is an opening, and only line 0 is", index)
        elif kind == HEAD:
            self._look_at_head(index, record)
        self._look_at_marks(index)

    def _look_at_opening(self, kind: int, record: bytes) -> None:
        if kind != OPENING:
            self._find(Code.OPENING_MISSING, "line 0 is no opening", 0)
            return
        try:
            opening = _read_opening(record)
            key_id = key_id_of(unhex(opening.public_key))
        except (msgspec.MsgspecError, ValueError):
            self._find(Code.LINE_MALFORMED, "line 0 is no opening of the documented form", 0)
            return
        self.first_time = opening.time
        if key_id != opening.key_id or (self.keys.ids and key_id not in self.keys.ids):
            self._find(Code.KEY_UNKNOWN, f"the log says that key {opening.key_id} signs it, which is not believed", 0)

    def _look_at_head(self, index: int, record: bytes) -> None:
        try:
            head = read_head(record)
            self.keys.verify_head(self.log, head)
        except msgspec.MsgspecError:
            self._find(Code.LINE_MALFORMED, f"line {index} is no head of the documented form", index)
        except Tampered as error:
            self._find(Code(error.code), f"the head in line {index}: {error.message}", index)
        else:
            self._hold(index, head)

    def _hold(self, index: int, head: Head) -> None:
        """A head that was signed, against the lines before it."""
        if head.size != index:
            self._find(Code.HEAD_WRONG, f"the head in line {index} is one of {head.size} lines", index)
        elif self.tree.size == index and self.tree.root().hex() == head.root:
            self.heads += 1
            self.proved = index
        elif self.is_sure:
            self.is_sure = False
            words = f"the lines before line {index} are not those whose root its head has, since line {self.proved}"
            self._find(Code.HEAD_WRONG, words, index)
        else:
            self.lost_heads += 1

    def _look_at_marks(self, size: int) -> None:
        """Those of the size that the tree has just reached."""
        while self._mark is not None and self._mark.size <= size:
            mark, self._mark = self._mark, next(self.marks, None)
            if not (mark.size == self.tree.size and self.tree.root().hex() == mark.root):
                self._differs(mark)

    def _differs(self, mark: Mark) -> None:
        if mark.head is not None:
            try:
                self.keys.verify_head(self.log, mark.head)
            except Tampered as error:
                self._find(Code(error.code), f"{mark.words}: {error.message}", mark.size)
                return
        if not self.is_sure:
            self.lost_heads += 1
        elif mark.head is not None and self.proved == mark.size:
            words = f"{mark.words} and the log's own head of that size are both signed, and have different roots"
            self._find(Code.LOG_FORKED, words, mark.size)
        else:
            words = (
                f"the first {mark.size} lines are not those of {mark.words}: one since line {self.proved} was changed"
            )
            self._find(Code.HEAD_WRONG, words, mark.size)
            self.is_sure = False

    # ---- files and the end -----------------------------------------------------------------------------

    def begin_file(self, segment: Segment, first: bytes, start: int | None, *, is_next: bool) -> None:
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
            self.last, self.is_sure, self.index = None, False, start
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
            self.tree.append(self.last)
            self.last = None
        self._look_at_marks(self.index)

    def missing_mark(self) -> Mark | None:
        """The largest of those that speak of more lines than there are."""
        largest = None
        while self._mark is not None:
            largest, self._mark = self._mark, next(self.marks, None)
        return largest

    def _find(self, code: Code, words: str, index: int | None = None) -> None:
        place = self.index if index is None else index
        self._damaged = place
        self.findings.add(Finding(code, words, self.file, self.log, place))


class _Opening(msgspec.Struct, frozen=True, rename="camel"):
    time: int
    release: str
    boot: str | None
    pid: int
    key_id: str
    public_key: str
    durability: str


_read_opening = msgspec.json.Decoder(_Opening).decode


def _leaf(text: bytes) -> bytes:
    return sha256(b"\0" + text).digest()
