"""What a log's lines are held against as they go by: its opening, its heads, and what others say of its roots."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

import msgspec

from hyperkms.audit.forms import Head, key_id_of, read_head
from hyperkms.audit.merkle import Tree
from hyperkms.audit.reading.findings import Code
from hyperkms.audit.reading.marks import Mark
from hyperkms.audit.reading.signed import Keys, unhex
from hyperkms.audit.record import HEAD, OPENING, OpeningRecord
from hyperkms.errors import Tampered

_read_opening = msgspec.json.Decoder(OpeningRecord).decode

Find: TypeAlias = Callable[[Code, str, int], None]
"""Told of what is wrong, and at which line."""


@dataclass
class Held:
    """The tree of the lines so far, and what was checked with it."""

    log: str
    keys: Keys
    marks: Iterator[Mark]
    find: Find
    tree: Tree = field(default_factory=Tree)
    is_sure: bool = True
    """Whether the tree is that of the lines as they were written, as far as one can know."""
    heads: int = 0
    """Heads whose signature and root are right."""
    lost_heads: int = 0
    """Heads that could not be held against lines, since some are lost."""
    proved: int = 0
    """Lines that the newest right head covers."""
    first_time: int | None = None
    _mark: Mark | None = None
    _unknown: set[str] = field(default_factory=set)
    """Keys that are not believed, each told of once."""

    def __post_init__(self) -> None:
        self._mark = next(self.marks, None)

    @property
    def next_size(self) -> int | float:
        """The size at which the tree is looked at next."""
        return inf if self._mark is None else self._mark.size

    def look_at(self, index: int, kind: int, record: bytes) -> None:
        """A line that was taken, once the tree is that of the lines before it."""
        if index == 0:
            self._look_at_opening(kind, record)
        elif kind == OPENING:
            self.find(Code.LINE_MALFORMED, f"line {index} is an opening, and only line 0 is", index)
        elif kind == HEAD:
            self._look_at_head(index, record)
        self.look_at_marks(index)

    def _look_at_opening(self, kind: int, record: bytes) -> None:
        if kind != OPENING:
            self.find(Code.OPENING_MISSING, "line 0 is no opening", 0)
            return
        try:
            opening = _read_opening(record)
            key_id = key_id_of(unhex(opening.public_key))
        except (msgspec.MsgspecError, ValueError):
            self.find(Code.LINE_MALFORMED, "line 0 is no opening of the documented form", 0)
            return
        self.first_time = opening.time
        is_unknown = bool(self.keys.ids) and key_id not in self.keys.ids and self._is_news(key_id)
        if key_id != opening.key_id or is_unknown:
            self.find(Code.KEY_UNKNOWN, f"the log says that key {opening.key_id} signs it, which is not believed", 0)

    def _is_news(self, key_id: str) -> bool:
        """Whether nothing has said yet that this key is not believed."""
        is_news = not self.keys.unknown_is_told and key_id not in self._unknown
        self._unknown.add(key_id)
        return is_news

    def _verify(self, head: Head, words: str, index: int) -> bool:
        try:
            self.keys.verify_head(self.log, head)
        except Tampered as error:
            if error.code != Code.KEY_UNKNOWN or self._is_news(head.key_id):
                self.find(Code(error.code), f"{words}: {error.message}", index)
            return False
        return True

    def _look_at_head(self, index: int, record: bytes) -> None:
        try:
            head = read_head(record)
        except msgspec.MsgspecError:
            self.find(Code.LINE_MALFORMED, f"line {index} is no head of the documented form", index)
        else:
            if self._verify(head, f"the head in line {index}", index):
                self._hold(index, head)

    def _hold(self, index: int, head: Head) -> None:
        """A head that was signed, against the lines before it."""
        if head.size != index:
            self.find(Code.HEAD_WRONG, f"the head in line {index} is one of {head.size} lines", index)
        elif self.tree.size == index and self.tree.root().hex() == head.root:
            self.heads += 1
            self.proved = index
        elif self.is_sure:
            self.is_sure = False
            words = f"the lines before line {index} are not those whose root its head has, since line {self.proved}"
            self.find(Code.HEAD_WRONG, words, index)
        else:
            self.lost_heads += 1

    def look_at_marks(self, size: int) -> None:
        """Those of the size that the tree has just reached."""
        while self._mark is not None and self._mark.size <= size:
            mark, self._mark = self._mark, next(self.marks, None)
            if not (mark.size == self.tree.size and self.tree.root().hex() == mark.root):
                self._differs(mark)

    def _differs(self, mark: Mark) -> None:
        if mark.head is not None and not self._verify(mark.head, mark.words, mark.size):
            return
        if not self.is_sure:
            self.lost_heads += 1
        elif mark.head is not None and self.proved == mark.size:
            words = f"{mark.words} and the log's own head of that size are both signed, and have different roots"
            self.find(Code.LOG_FORKED, words, mark.size)
        else:
            words = (
                f"the first {mark.size} lines are not those of {mark.words}: one since line {self.proved} was changed"
            )
            self.find(Code.HEAD_WRONG, words, mark.size)
            self.is_sure = False

    def missing_mark(self) -> Mark | None:
        """The largest of those that speak of more lines than there are."""
        largest = None
        while self._mark is not None:
            largest, self._mark = self._mark, next(self.marks, None)
        return largest
