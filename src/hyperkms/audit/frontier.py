"""The Merkle tree of a growing log, as far as its root needs it: RFC 6962 section 2.1."""

import hashlib
from collections.abc import Iterable, Sequence

_sha256 = hashlib.sha256


class Frontier:
    """The roots of the perfect subtrees that the leaves make, the largest first: at most 64 of 32 bytes."""

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        self.size = size
        """How many leaves there are."""
        self._nodes = list(nodes)

    def copy(self) -> "Frontier":
        """The same leaves; what is added to one is not in the other."""
        return Frontier(self.size, self._nodes)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes (`leaf_hash`): one hash for each, on average."""
        nodes, size = self._nodes, self.size
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = _sha256(b"\1" + nodes.pop() + node).digest()
                full >>= 1
            nodes.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """MTH of all leaves; of none, SHA-256 of nothing."""
        if not self._nodes:
            return _sha256().digest()
        *larger, root = self._nodes
        for node in reversed(larger):
            root = _sha256(b"\1" + node + root).digest()
        return root


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf: SHA-256(00, content)."""
    return _sha256(b"\0" + content).digest()
