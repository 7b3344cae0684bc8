"""The description of a group: read strictly, written in one form, told apart by its fingerprint."""

import json
from collections.abc import Callable
from typing import Any

import hyperkms_cosign
import pytest

from hyperkms.errors import Malformed
from hyperkms.threshold.group import parse_group


def description(members: int = 3, threshold: int = 2) -> dict[str, Any]:
    return {
        "format": 1,
        "group": "desk",
        "threshold": threshold,
        "coordinators": ["ab" * 16],
        "coordinatorCertificates": ["MAAC"],
        "members": [
            {
                "name": f"host-{at}",
                "identity": f"{at:064x}",
                "address": f"10.0.0.{at}:4100",
                "certificate": "MAAB",
            }
            for at in range(1, members + 1)
        ],
    }


def read(described: dict[str, Any]) -> Any:
    return parse_group(json.dumps(described).encode())


def test_a_group_is_written_as_it_was_read() -> None:
    group = read(description())
    assert [member.index for member in group.members] == [1, 2, 3]
    assert parse_group(group.describe()) == group


def test_the_id_is_the_one_that_shares_are_bound_to() -> None:
    for members, threshold in ((2, 2), (3, 2), (5, 3)):
        group = read(description(members, threshold))
        assert group.id == hyperkms_cosign.Group(threshold=threshold, identities=group.identities).id


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(coordinators=["ef" * 16]),
        lambda it: it.update(coordinatorCertificates=[]),
        lambda it: it["members"][1].update(address="10.0.0.9:4100"),
        lambda it: it["members"][1].update(certificate="MAAD"),
        lambda it: it["members"][1].update(identity="0f" * 32),
        lambda it: it["members"].reverse(),
        lambda it: it.update(threshold=3),
        lambda it: it.update(group="other"),
    ],
)
def test_whatever_is_changed_the_fingerprint_is_another(change: Callable[[dict[str, Any]], None]) -> None:
    changed = description()
    change(changed)
    assert read(changed).fingerprint != read(description()).fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: it.update(format=2), "format 2"),
        (lambda it: it.update(threshold=1), "1 of 3"),
        (lambda it: it.update(threshold=4), "4 of 3"),
        (lambda it: it["members"].append({"name": "d", "identity": "0d" * 32, "address": "d"}), "2 of 4"),
        (lambda it: it["members"][0].update(name="host-2"), "same name"),
        (lambda it: it["members"][0].update(identity=f"{2:064x}"), "same identity"),
        (lambda it: it["members"][0].update(address="10.0.0.2:4100"), "same address"),
        (lambda it: it["members"][0].update(identity="0A" * 32), r"members\[0\].identity"),
        (lambda it: it["members"][0].update(name="Host"), r"members\[0\].name"),
        (lambda it: it["members"][0].update(key="x"), "key"),
        (lambda it: it["members"][0].update(certificate="MAA"), r"members\[0\].certificate"),
        (lambda it: it.update(coordinatorCertificates=["M A A C"]), "coordinatorCertificates"),
        (lambda it: it.update(coordinators=["ab"]), "coordinators"),
        (lambda it: it.pop("members"), "members"),
    ],
)
def test_what_is_not_of_the_form_is_refused_by_name(change: Callable[[dict[str, Any]], None], words: str) -> None:
    changed = description()
    change(changed)
    with pytest.raises(Malformed, match=words):
        read(changed)
