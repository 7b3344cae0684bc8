"""Proofs that a line stands in its place of a log whose head was signed: made from the files, checked without them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from hyperkms.audit.forms import Count, Hash, Head, LogId, PublicKey, key_id_of
from hyperkms.audit.merkle import inclusion_spans, leaf_hash, root_of, roots_of, verify_inclusion
from hyperkms.audit.reading.folder import Folder, ListedFile, lines_of
from hyperkms.audit.reading.heads import newest_head
from hyperkms.audit.reading.line_form import parse_chained
from hyperkms.audit.reading.signed import Keys, unhex
from hyperkms.errors import Conflict, Malformed, NotFound, Tampered


class Proof(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A line, and how it leads to a head (docs/formats.md)."""

    v: Literal[1]
    log: LogId
    index: Count
    line: str
    tree_size: Count
    root: Hash
    path: list[Hash]
    head: Head
    public_key: PublicKey


class ReceiptOf(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a receipt says of its line; its other members are those of the request."""

    log: LogId
    index: Count
    leaf_hash: str
    head: Head | None = None


def parse_proof(text: bytes) -> Proof:
    """The JSON of a proof; Malformed otherwise."""
    try:
        return msgspec.json.decode(text, type=Proof)
    except msgspec.MsgspecError as error:
        raise Malformed("proof-malformed", f"this is no proof: {error}") from error


def parse_receipt(text: bytes) -> ReceiptOf:
    """The receipt of an answer, or a whole answer that has one; Malformed otherwise."""
    try:
        whole = msgspec.json.decode(text)
        inner = whole.get("receipt", whole) if isinstance(whole, dict) else whole
        return msgspec.convert(inner, ReceiptOf)
    except msgspec.MsgspecError as error:
        raise Malformed("proof-malformed", f"this is no receipt: {error}") from error


def check_proof(proof: Proof, *, public_key: bytes | None, key_id: str | None) -> None:
    """Tampered unless the line leads to the head and the head is signed by the proof's key, or by the expected one."""
    own = unhex(proof.public_key)
    if public_key not in (None, own) or key_id not in (None, key_id_of(own)):
        raise Tampered("key-unknown", f"the proof is of key {key_id_of(own)}, which is not the expected one")
    text = proof.line.encode()
    line = parse_chained(text)
    if line is None or (line.log, line.index) != (proof.log, proof.index):
        raise Tampered("proof-wrong", f"the line of the proof is not line {proof.index} of log {proof.log}")
    if (proof.head.size, proof.head.root) != (proof.tree_size, proof.root):
        raise Tampered("proof-wrong", "the head of the proof is of another tree than its path")
    path = [bytes.fromhex(node) for node in proof.path]
    verify_inclusion(leaf_hash(text), proof.index, proof.tree_size, path, bytes.fromhex(proof.root))
    Keys([own]).verify_head(proof.log, proof.head)


def prove(folder: Path, log: str, index: int, keys: Keys) -> Proof:
    """The proof of a line under the newest head of its log.

    NotFound if there is no such log or line, Conflict as long as no head covers it, Tampered if the lines are not
    those of the head.
    """
    segments = chained_files(folder, log)
    head = newest_head(log, segments)
    if head is None or index >= head.size:
        _require_line(segments, index)
        raise Conflict("proof-not-yet", f"no head covers line {index} yet; one is written within 10 s. Ask again")
    keys.verify_head(log, head)
    reading = _Reading(segments, index)
    path = reading.path(head.size)
    proof = Proof(
        v=1,
        log=log,
        index=index,
        line=_text(reading.line, log, index),
        tree_size=head.size,
        root=head.root,
        path=[node.hex() for node in path],
        head=head,
        public_key="0x" + keys.public_key(head.key_id).hex(),
    )
    check_proof(proof, public_key=None, key_id=None)
    return proof


def prove_receipt(folder: Path, receipt: ReceiptOf, keys: Keys) -> Proof:
    """The proof of a receipt's line; Tampered if the line, or what its head covers, is not what the receipt says."""
    proof = prove(folder, receipt.log, receipt.index, keys)
    check_receipt(receipt, proof)
    if receipt.head is not None:
        leaves = islice(_Reading(chained_files(folder, receipt.log), -1).leaves(), receipt.head.size)
        if root_of(leaves).hex() != receipt.head.root:
            words = f"the first {receipt.head.size} lines of the log are not those of the receipt's head"
            raise Tampered("proof-wrong", words)
    return proof


def check_receipt(receipt: ReceiptOf, proof: Proof) -> None:
    """Tampered unless the proof is of the receipt's line, and the receipt's head is signed by the same key."""
    if receipt.leaf_hash != "0x" + leaf_hash(proof.line.encode()).hex():
        raise Tampered("proof-wrong", f"line {receipt.index} of the log is not the one that the receipt was given for")
    if receipt.head is not None:
        Keys([unhex(proof.public_key)]).verify_head(receipt.log, receipt.head)


def chained_files(folder: Path, log: str) -> Sequence[ListedFile]:
    """The files of a chained log; NotFound if there are none."""
    listed = Folder.read(folder)
    if log not in listed.logs:
        old = any(file.log == log for file in listed.unchained)
        more = "it is of the release before, which has no chain" if old else "no file of it is there"
        raise NotFound("no-such-line", f"log {log} proves nothing: {more}")
    return listed.logs[log]


class _Reading:
    """The leaf hashes of a log, one line of which is kept."""

    def __init__(self, segments: Iterable[ListedFile], index: int) -> None:
        self._segments = segments
        self._index = index
        self.line = b""

    def path(self, size: int) -> list[bytes]:
        """The path of the kept line in the tree of so many; Tampered if there are fewer."""
        leaves = self.leaves()
        try:
            path = roots_of(inclusion_spans(self._index, size), leaves)
        except Malformed as error:
            raise Tampered("proof-wrong", f"the head of the log has {size} lines, and its files have fewer") from error
        if not self.line:  # the last one of the tree: no node of the path comes after it
            next(leaves, None)
        return path

    def leaves(self) -> Iterator[bytes]:
        number = 0
        for segment in self._segments:
            for text in lines_of(segment.path):
                if number == self._index:
                    self.line = text
                number += 1
                yield leaf_hash(text)


def _require_line(segments: Sequence[ListedFile], index: int) -> None:
    lines = sum(1 for segment in segments for _ in lines_of(segment.path))
    if index >= lines:
        raise NotFound("no-such-line", f"the log has {lines} lines, and so no line {index}")


def _text(line: bytes, log: str, index: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise Tampered("proof-wrong", f"line {index} of log {log} is not UTF-8") from error
