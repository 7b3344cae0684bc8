"""What a cosigner refuses, as an error of this process that names the cosigner."""

import re
from collections.abc import Mapping

from hyperkms.errors import (
    Conflict,
    Detail,
    Forbidden,
    HyperkmsError,
    Malformed,
    NotFound,
    Refused,
    Tampered,
    Unavailable,
)
from hyperkms.threshold.group import Member
from hyperkms.threshold.wire import Problem

_LONGEST = 500
_MOST_DETAILS = 16
_OURS = frozenset({"type", "title", "status", "detail", "code", "requestId", "error"})
"""Members of every problem document: these are for this service to say."""
_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_KINDS: Mapping[str, type[HyperkmsError]] = {
    "Malformed": Malformed,
    "Refused": Refused,
    # To the client these say what the cosigner thinks of it; the client did authenticate at this service.
    "Unauthorized": Forbidden,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "Conflict": Conflict,
    "Unavailable": Unavailable,
    "Limited": Unavailable,
    # Its root key, or the right to it, was taken away: the others sign on.
    "Withdrawn": Unavailable,
    "Tampered": Tampered,
}


def called(member: Member) -> str:
    """How a sentence names it."""
    return member.name if member.name.startswith("cosigner") else f"cosigner {member.name}"


def error_of(member: Member, problem: Problem) -> HyperkmsError:
    """The cosigner's refusal with its code; what it says is bounded, and believed no further than that."""
    kind = _KINDS.get(problem.kind)
    if kind is None or not _CODE.fullmatch(problem.code):
        return Unavailable("cosigner-failed", f"{called(member)}: it failed, and does not say at what")
    words = "".join(one for one in problem.message[:_LONGEST] if one.isprintable())
    details: dict[str, Detail] = {
        name: value
        for name, value in list(problem.details.items())[:_MOST_DETAILS]
        if _CODE.fullmatch(name.lower()) and name not in _OURS and len(str(value)) <= _LONGEST
    }
    code = problem.code
    return kind(code, f"{called(member)}: {words}", details)


def away(member: Member, why: str) -> Unavailable:
    """The error of a cosigner that gives no answer."""
    return Unavailable("cosigner-away", f"{called(member)}: {why.removeprefix(called(member) + ': ')}")
