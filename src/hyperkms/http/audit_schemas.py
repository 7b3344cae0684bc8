"""Bodies of the answers under /audit."""

from typing import Any, Literal

import msgspec

from hyperkms.http.schemas import AnswerBody


class HeadView(AnswerBody, frozen=True):
    """A signed tree head: over `size` lines, hashed to `root`; docs/formats.md says what is signed."""

    time: int
    size: int
    root: str
    key_id: str
    signature: str


class LogHeadView(AnswerBody, frozen=True, omit_defaults=False):
    """A log and its newest head; null before the first."""

    log: str
    closed: bool
    head: HeadView | None


class HeadsAnswer(AnswerBody, frozen=True):
    """At most 1,000 logs; `next` is the `after` of the next page."""

    success: Literal[True]
    heads: list[LogHeadView]
    keys: dict[str, str]
    next: str | None = None


class ProofView(AnswerBody, frozen=True):
    """What `hyperkms audit verify --proof` reads."""

    v: Literal[1]
    log: str
    index: int
    line: str
    tree_size: int
    root: str
    path: list[str]
    head: HeadView
    public_key: str


class ProofAnswer(AnswerBody, frozen=True):
    """A proof."""

    success: Literal[True]
    proof: ProofView


class DecisionView(AnswerBody, frozen=True):
    """A line of the record: its place, and the very bytes that were hashed."""

    log: str
    index: int
    kind: int
    time: int
    what: str
    line: str
    record: dict[str, Any]


class DecisionsAnswer(AnswerBody, frozen=True):
    """Some decisions, file by file; `next` is the `after` of the next page, and may be there with fewer than asked."""

    success: Literal[True]
    records: list[DecisionView]
    count: int
    next: str | None = None


AUDIT_BODIES: tuple[type[msgspec.Struct], ...] = (HeadsAnswer, ProofAnswer, DecisionsAnswer)
