"""The tree of RFC 6962 against its own definition, every proof of small trees, and the published proofs."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.audit import merkle
from hyperkms.errors import Malformed, Tampered
from support import vectors

MOST = 130
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(MOST)]


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, by its words."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def test_a_leaf_and_a_node_are_told_apart_by_their_first_byte() -> None:
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    assert merkle.node_hash(left, right) != merkle.leaf_hash(left + right)


@pytest.mark.parametrize("size", range(MOST + 1))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert merkle.root_of(LEAVES[:size]) == mth(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_leaf_of_a_tree_has_its_path_and_no_other(size: int) -> None:
    leaves = LEAVES[:size]
    root = mth(leaves)
    for index in range(size):
        made = merkle.inclusion_proof(iter(leaves), index, size)
        assert made == path(index, leaves)
        merkle.verify_inclusion(leaves[index], index, size, made, root)
        for wrong in ([*made, root], made[:-1], made[::-1]):
            if wrong != made:
                refuse_inclusion(leaves[index], index, size, wrong, root)
        for place in {index - 1, index + 1, size - 1 - index} - {index}:
            refuse_inclusion(leaves[index], place, size, made, root)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 64, MOST])
def test_any_changed_bit_of_a_proof_is_found(size: int) -> None:
    leaves = LEAVES[:size]
    root = mth(leaves)
    for index in {0, size // 3, size - 1}:
        made = [leaves[index], *path(index, leaves), root]
        for changed in changed_in_one_bit(made):
            refuse_inclusion(changed[0], index, size, changed[1:-1], changed[-1])


def test_a_changed_bit_in_each_node_of_every_path_is_found() -> None:
    for size in range(1, MOST + 1):
        root = mth(LEAVES[:size])
        for index in range(size):
            made = path(index, LEAVES[:size])
            for place, node in enumerate(made):
                wrong = [*made[:place], flipped(node, (37 * size + index) % 256), *made[place + 1 :]]
                refuse_inclusion(LEAVES[index], index, size, wrong, root)


def changed_in_one_bit(hashes: Sequence[bytes]) -> list[list[bytes]]:
    return [
        [*hashes[:place], flipped(one, bit), *hashes[place + 1 :]]
        for place, one in enumerate(hashes)
        for bit in range(256)
    ]


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def refuse_inclusion(leaf: bytes, index: int, size: int, made: Sequence[bytes], root: bytes) -> None:
    with pytest.raises(Tampered, match="proof-wrong"):
        merkle.verify_inclusion(leaf, index, size, made, root)


@given(data=st.data(), size=st.integers(1, 3000))
def test_proofs_of_larger_trees(data: st.DataObject, size: int) -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    root = merkle.root_of(leaves)
    merkle.verify_inclusion(leaves[index], index, size, merkle.inclusion_proof(leaves, index, size), root)
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index) if size > 1 else st.none())
    if other is not None:
        refuse_inclusion(leaves[index], other, size, merkle.inclusion_proof(leaves, index, size), root)


@pytest.mark.parametrize("size", [0, 5])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(size: int) -> None:
    with pytest.raises(Malformed, match="no leaf 5"):
        merkle.inclusion_proof(LEAVES, 5, size)


def test_there_is_no_proof_from_too_few_leaves() -> None:
    with pytest.raises(Malformed, match="leaf 3 is needed, and there are 3"):
        merkle.inclusion_proof(LEAVES[:3], 1, 8)


def unpacked(text: str) -> bytes:
    return base64.b64decode(text)


def verify_published(case: dict[str, Any]) -> None:
    made = [unpacked(node) for node in case["proof"] or ()]
    leaf, root = unpacked(case["leafHash"]), unpacked(case["root"])
    merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], made, root)


def test_the_published_proofs_are_taken_and_refused_as_published() -> None:
    cases = [case for case in vectors.load("merkle_rfc6962_proofs.json")["cases"] if case["kind"] == "inclusion"]
    refused = []
    for case in cases:
        try:
            verify_published(case)
        except Tampered:
            refused.append(case["id"])
    assert len(cases) == 55
    assert refused == [case["id"] for case in cases if case["wantErr"]]
