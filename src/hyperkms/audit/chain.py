"""The lines of a log: each has the hash of the one before, and all of them are the leaves of a Merkle tree."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from hyperkms.audit.merkle import Tree
from hyperkms.audit.record import KEYED_SIGNATURE, Encoded

FIRST_PREV = "0" * 64
"""`prev` of the first line of a log, and of the manifest."""
_LINE = b'{"v":%d,"log":"%b","index":%d,"prev":"%b","record":%b}'
_sha256 = hashlib.sha256


class KeyedPlace(NamedTuple):
    """The line of a signature under an Idempotency-Key: its number, and the bytes where it begins and ends.

    Bytes count from the beginning of the log, over all its segments.
    """

    number: int
    start: int
    end: int


class Lines(NamedTuple):
    """Records in their places."""

    text: bytes
    """Every line with its newline."""
    first: int
    """The index of the first."""
    leaves: Sequence[str]
    """The leaf hash of each: 64 hex digits."""
    keyed: Sequence[KeyedPlace]


class Chain:
    """Where a log has come to; `lines` goes on, and a copy made before it is how one goes back."""

    __slots__ = ("_log", "_tree", "length", "prev")

    def __init__(self, log: str) -> None:
        self._log = log.encode()
        self._tree = Tree()
        self.prev = FIRST_PREV
        """The leaf hash of the last line."""
        self.length = 0
        """Bytes of all lines."""

    @property
    def size(self) -> int:
        """The number of lines."""
        return self._tree.size

    def root(self) -> bytes:
        """Of the tree of all lines."""
        return self._tree.root()

    def copy(self) -> "Chain":
        """The same place, to go on from by itself."""
        copied = Chain.__new__(Chain)
        copied._log, copied._tree = self._log, self._tree.copy()  # noqa: SLF001 (its own class)
        copied.prev, copied.length = self.prev, self.length
        return copied

    def lines(self, records: Sequence[Encoded]) -> Lines:
        """The next lines: one JSON object of docs/formats.md each."""
        first, prev, end = self._tree.size, self.prev, self.length
        texts, hashes, leaves, keyed = [], [], [], []
        for index, record in enumerate(records, first):
            text = _LINE % (record.kind, self._log, index, prev.encode(), record.text)
            leaf = _sha256(b"\0" + text).digest()
            prev = leaf.hex()
            start, end = end, end + len(text) + 1
            if record.kind == KEYED_SIGNATURE:
                keyed.append(KeyedPlace(index, start, end))
            texts.append(text)
            hashes.append(leaf)
            leaves.append(prev)
        texts.append(b"")
        self._tree.extend(hashes)
        self.prev, self.length = prev, end
        return Lines(b"\n".join(texts), first, leaves, keyed)
