"""Which description replaces one member of a group, and what is refused as more or less than that."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hyperkms.errors import Malformed, Refused
from hyperkms.threshold.addresses import parse_address, parse_host_port
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.replacement import replacement_of, require_fingerprint, require_reachable


def member(index: int, key: int, **changes: object) -> Member:
    made = Member(
        index=index, name=f"m{index}", identity=bytes([key]) * 32, address=f"h{index}:7443", certificate="QQ=="
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # members by name


GROUP = Group(
    name="desk",
    threshold=2,
    members=tuple(member(index, index) for index in (1, 2, 3)),
    coordinators=("5e" * 16,),
    coordinator_certificates=("Qg==",),
)


def with_members(*members: Member) -> Group:
    return replace(GROUP, members=members)


def test_one_new_identity_at_its_place_is_a_replacement_whatever_else_of_that_member_is_new() -> None:
    new = member(3, 9, name="other", address="elsewhere:1", certificate="Qw==")
    found = replacement_of(GROUP, with_members(*GROUP.members[:2], new))
    assert (found.index, found.before, found.after) == (3, GROUP.members[2], new)


NOT_ONE: dict[str, Callable[[], Group]] = {
    "nobody": lambda: GROUP,
    "two members": lambda: with_members(GROUP.members[0], member(2, 8), member(3, 9)),
    "another order": lambda: with_members(member(1, 2), member(2, 1), member(3, 3)),
    "one that is a member elsewhere": lambda: with_members(GROUP.members[0], GROUP.members[1], member(3, 1)),
    "another threshold": lambda: replace(with_members(*GROUP.members[:2], member(3, 9)), threshold=3),
    "a fourth member": lambda: with_members(*GROUP.members, member(4, 4)),
    "another name of the group": lambda: replace(with_members(*GROUP.members[:2], member(3, 9)), name="desk-2"),
    "another coordinator": lambda: replace(with_members(*GROUP.members[:2], member(3, 9)), coordinators=("5f" * 16,)),
    "another certificate of a coordinator": lambda: replace(
        with_members(*GROUP.members[:2], member(3, 9)), coordinator_certificates=("Qw==",)
    ),
    "the address of a member that stays": lambda: with_members(
        member(1, 1, address="thief:7443"), GROUP.members[1], member(3, 9)
    ),
    "the certificate of a member that stays": lambda: with_members(
        member(1, 1, certificate="Qw=="), GROUP.members[1], member(3, 9)
    ),
}


@pytest.mark.parametrize("what", NOT_ONE)
def test_whatever_changes_more_or_less_than_one_member_is_no_replacement(what: str) -> None:
    with pytest.raises(Refused) as refused:
        replacement_of(GROUP, NOT_ONE[what]())
    assert refused.value.code == "not-a-replacement"


def test_the_fingerprint_is_typed_as_a_whole_with_or_without_spaces() -> None:
    spaced = GROUP.fingerprint
    for typed in (spaced, spaced.replace(" ", ""), f" {spaced.upper()} ", spaced.replace(" ", "  ")):
        require_fingerprint(GROUP, typed)
    for typed in ("", spaced[:4], spaced[:-1], spaced + "0", replace(GROUP, name="desk-2").fingerprint):
        with pytest.raises(Refused) as refused:
            require_fingerprint(GROUP, typed)
        assert refused.value.code == "wrong-fingerprint"


def test_who_listens_over_tcp_needs_a_certificate() -> None:
    require_reachable(with_members(*GROUP.members[:2], member(3, 3, address="unix:/run/c.sock", certificate=None)))
    with pytest.raises(Malformed, match="m3"):
        require_reachable(with_members(*GROUP.members[:2], member(3, 3, certificate=None)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.7:7443", ("10.0.0.7", 7443)),
        ("[fd00::7]:1", ("fd00::7", 1)),
        ("c.example.com:65535", ("c.example.com", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert parse_address(text) == found


@pytest.mark.parametrize("text", ["", "host", ":7443", "host:", "host:x", "host:65536", "host:-1", "host:\u0667"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_host_port(text, "--listen")
    with pytest.raises(Malformed) as refused:
        parse_address(text)
    assert refused.value.code == "malformed-group"
