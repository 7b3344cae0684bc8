"""What a new group description changes, and whether a member may follow it; nothing is done here."""

from dataclasses import dataclass, replace

from hyperkms.errors import Malformed, Refused
from hyperkms.threshold.addresses import UNIX
from hyperkms.threshold.group import Group, Member


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """One cosigner in the place of another."""

    before: Member
    after: Member

    @property
    def index(self) -> int:
        """Its place in the group."""
        return self.after.index


def require_fingerprint(group: Group, typed: str) -> None:
    """Refused unless this is the whole fingerprint of the description; spaces and case do not matter."""
    if "".join(typed.split()).lower() != "".join(group.fingerprint.split()):
        words = "the fingerprint that was typed is not that of this description: type what the others read out, all 32"
        raise Refused("wrong-fingerprint", f"{words} digits, and if it is that, do not join: this is another file")


def require_reachable(group: Group) -> None:
    """Malformed unless every member that listens over TCP has a certificate to know it by."""
    for member in group.members:
        if not member.address.startswith(UNIX) and member.certificate is None:
            words = f"member {member.name} listens at {member.address} and has no certificate: take a card that has one"
            raise Malformed("malformed-group", words)


def replacement_of(standing: Group, group: Group) -> Replacement:
    """The one member that differs; Refused if anything else does."""
    if (group.threshold, len(group.members)) != (standing.threshold, len(standing.members)):
        words = f"it is {group.threshold} of {len(group.members)}, and the group is {standing.threshold} of"
        raise _refused(f"{words} {len(standing.members)}: shares stay in a group of the same size")
    changed = [
        Replacement(before=before, after=after)
        for before, after in zip(standing.members, group.members, strict=True)
        if before.identity != after.identity
    ]
    if len(changed) != 1:
        words = f"{len(changed)} identity keys differ, and exactly one is replaced at a time"
        raise _refused(f"{words}: the cards of the others stand in the order of before")
    [replacement] = changed
    if any(member.identity == replacement.after.identity for member in standing.members):
        raise _refused(f"the identity key of {replacement.after.name} belongs to another member already")
    others = tuple(replacement.before if one is replacement.after else one for one in group.members)
    if replace(group, members=others) != standing:
        raise _refused(
            "it also changes the name, another member, or a coordinator: let every host join that first, by itself"
        )
    return replacement


def _refused(why: str) -> Refused:
    return Refused("not-a-replacement", f"this description does not replace one member of the group of before: {why}")
