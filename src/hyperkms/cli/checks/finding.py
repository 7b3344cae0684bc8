"""What `hyperkms doctor` finds."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from hyperkms.errors import HyperkmsError

T = TypeVar("T")


class Verdict(StrEnum):
    """How a finding is meant."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; `do` is what to do about it, empty where nothing is."""

    what: str
    verdict: Verdict
    words: str
    do: str = ""


def good(what: str, words: str) -> Finding:
    """As it should be."""
    return Finding(what=what, verdict=Verdict.GOOD, words=words)


def note(what: str, words: str, do: str = "") -> Finding:
    """To be known, and perhaps meant so."""
    return Finding(what=what, verdict=Verdict.NOTE, words=words, do=do)


def bad(what: str, words: str, do: str) -> Finding:
    """To be mended."""
    return Finding(what=what, verdict=Verdict.BAD, words=words, do=do)


def tried(right: str, call: Callable[[], T]) -> tuple[T | None, Finding]:
    """What a call of AWS came to, and the finding of whether it is allowed."""
    try:
        done = call()
    except HyperkmsError as error:
        return None, bad(right, str(error), "docs/aws.md has the policy that the role needs")
    return done, good(right, "allowed")
