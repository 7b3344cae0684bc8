"""The root of a growing log is the one of RFC 6962, whatever it grew by."""

import base64
import hashlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.audit.merkle import Tree, leaf_hash
from support.vectors import load


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def tree_of(leaves: Sequence[bytes]) -> Tree:
    made = Tree()
    made.extend(leaves)
    return made


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 1000])
def test_the_root_is_that_of_the_definition(size: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    grown = tree_of(leaves)
    assert (grown.size, grown.root()) == (size, mth(leaves))


@given(st.lists(st.integers(0, 20), max_size=12))
def test_it_makes_no_difference_in_which_groups_the_leaves_came(groups: list[int]) -> None:
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(sum(groups))]
    grown, ends = Tree(), [sum(groups[:number]) for number in range(len(groups) + 1)]
    for start, end in pairwise(ends):
        grown.extend(leaves[start:end])
        assert grown.root() == mth(leaves[:end])


def test_what_a_copy_gets_is_not_in_the_first() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(11)]
    first = tree_of(leaves[:7])
    copied = first.copy()
    copied.extend(leaves[7:])
    assert (first.root(), copied.root()) == (mth(leaves[:7]), mth(leaves))
    first.extend(leaves[7:])
    assert first.root() == copied.root()


CT_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
"""The content of the tree of which the published proofs are, of Certificate Transparency's own tests."""


def test_the_roots_are_the_published_ones() -> None:
    leaves = [leaf_hash(bytes.fromhex(content)) for content in CT_LEAVES]
    roots = {size: tree_of(leaves[:size]).root() for size in range(1, len(leaves) + 1)}
    sizes = set()
    for case in load("merkle_rfc6962_proofs.json")["cases"]:
        if not case["wantErr"] and case["desc"] == "happy path":
            of = {"treeSize": "root"} if case["kind"] == "inclusion" else {"size1": "root1", "size2": "root2"}
            for size, root in of.items():
                assert roots[case[size]] == raw(case[root])
                sizes.add(case[size])
            if case["kind"] == "inclusion":
                assert leaves[case["leafIdx"]] == raw(case["leafHash"])
    assert sizes == {1, 2, 3, 5, 6, 7, 8}


def raw(text: str) -> bytes:
    return base64.b64decode(text)
