"""The Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1, over SHA-256. Pure; nothing here is secret.

Letters and steps are those of the RFCs. A tree is built from a stream of leaf hashes in memory that grows with the
logarithm of their number, and so is a proof: the leaves themselves are never held.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from hyperkms.errors import Malformed, Tampered

EMPTY = sha256().digest()
"""The root of no leaves."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(00, data)."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01, left, right)."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """The tree of the leaf hashes added so far: the roots of its full subtrees, the largest first, at most 64."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        """How many leaves there are."""
        self._peaks = list(peaks)

    def copy(self) -> "Tree":
        """The same leaves; what is added to one is not in the other."""
        return Tree(self.size, self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes: one more hash for each, on average."""
        peaks, size = self._peaks, self.size
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = sha256(b"\1" + peaks.pop() + node).digest()
                full >>= 1
            peaks.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """MTH of all of them (RFC 6962 section 2.1)."""
        if not self._peaks:
            return EMPTY
        *rest, root = self._peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """MTH of leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


class Span(NamedTuple):
    """The leaves from `start` up to `end`, exclusive: a node of some tree."""

    start: int
    end: int


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The nodes of PATH(index, D[size]), from the leaf upwards (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise Malformed("proof-malformed", f"there is no leaf {index} in a tree of {size}")
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def roots_of(spans: Sequence[Span], leaves: Iterable[bytes]) -> list[bytes]:
    """The hash of each node, in one pass over the leaf hashes; no two may overlap. Malformed if leaves are too few."""
    trees = [Tree() for _ in spans]
    source, at = iter(leaves), 0
    for span, tree in sorted(zip(spans, trees, strict=True), key=lambda pair: pair[0].start):
        for leaf in source:
            at += 1
            if at > span.start:
                tree.append(leaf)
            if at == span.end:
                break
        if at < span.end:
            raise Malformed("proof-malformed", f"leaf {span.end - 1} is needed, and there are {at}")
    return [tree.root() for tree in trees]


def inclusion_proof(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of these leaf hashes."""
    return roots_of(inclusion_spans(index, size), leaves)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Tampered with `proof-wrong` unless the path leads from this leaf in this place to the root.

    RFC 9162 section 2.1.3.2, with its names.
    """
    if not 0 <= index < size:
        raise _wrong(f"there is no leaf {index} in a tree of {size}")
    _require_hashes(leaf, root, *path)
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise _wrong("the path is longer than the tree is high")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise _wrong("the path is shorter than the tree is high")
    if r != root:
        raise _wrong(f"leaf {index} and its path do not lead to the root")


def _require_hashes(*hashes: bytes) -> None:
    if any(len(one) != len(EMPTY) for one in hashes):
        raise _wrong("a hash has 32 bytes")


def _split(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more: k in the RFCs."""
    return 1 << ((size - 1).bit_length() - 1)


def _wrong(words: str) -> Tampered:
    return Tampered("proof-wrong", words)
