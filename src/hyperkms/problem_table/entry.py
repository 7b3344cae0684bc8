"""What the table says of an error code."""

from dataclasses import dataclass
from enum import Enum

from hyperkms.errors import HyperkmsError


class Retry(Enum):
    """Whether the same call may succeed later, unchanged."""

    NO = "no"
    YES = "yes"
    AFTER = "after Retry-After"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error code in plain words; the family decides the status, in `http/problems.py`."""

    code: str
    family: type[HyperkmsError]
    title: str
    cause: str
    next_step: str
    retry: Retry = Retry.NO
    shown_by: str = ""
    """The command that shows it; empty means that of the situation."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Problems that one meets at the same work."""

    title: str
    words: str
    shown_by: str
    """A shell command, with $URL and $KEY for the service and an API key."""
    problems: tuple[Problem, ...]
    over_http: bool = True
    """False where a command is refused before or without a service: those have no status."""
