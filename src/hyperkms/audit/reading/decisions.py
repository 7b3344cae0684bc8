"""Decisions of the record: the lines of all logs, in the order of their times, as far as one asks for them."""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hyperkms.audit.reading.folder import Folder, lines_of
from hyperkms.audit.reading.line_form import Line, parse_line
from hyperkms.audit.record import HEAD, OPENING, REFUSAL, ROWS

SLACK_MS = 60_000
"""A record's time is taken before its file may have been made; so much it can be older than that."""
_NOT_DECISIONS = (OPENING, HEAD, ROWS)
_read = msgspec.json.Decoder(dict[str, Any]).decode


class Decision(msgspec.Struct, frozen=True):
    """A line of the record, read."""

    line: Line
    text: bytes
    """As it stands in the file, without its newline."""
    record: dict[str, Any]

    @property
    def time(self) -> int:
        """Milliseconds; 0 where the record has none."""
        return self.line.time or 0

    @property
    def is_refusal(self) -> bool:
        """Whether it was refused."""
        return self.line.kind == REFUSAL


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What one asks for; None asks for nothing in particular."""

    wallet: str | None = None
    client: str | None = None
    operation: str | None = None
    request_id: str | None = None
    since: int | None = None
    """Milliseconds, inclusive."""
    until: int | None = None
    """Milliseconds, exclusive."""
    refused: bool | None = None
    log: str | None = None
    index: int | None = None

    def decision(self, text: bytes) -> Decision | None:
        """The decision of a line, if it is one and asked for."""
        if any(part not in text for part in self._parts()):
            return None
        line = parse_line(text)
        decision = _decision(line, text) if line is not None and self._fits(line) else None
        return decision if decision is not None and self._asks_for(decision.record) else None

    def _parts(self) -> Iterator[bytes]:
        """Bytes without which a line cannot fit: most lines are passed over by these alone."""
        for wanted in (self.wallet, self.client, self.operation, self.request_id):
            if wanted is not None and wanted.isascii() and wanted.isprintable() and not {'"', "\\"} & set(wanted):
                yield wanted.encode()

    def _fits(self, line: Line) -> bool:
        time = line.time or 0
        return (
            (line.kind not in _NOT_DECISIONS or self.index is not None)
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
            and (self.refused is None or self.refused == (line.kind == REFUSAL))
            and self.log in (None, line.log)
            and self.index in (None, line.index)
        )

    def _asks_for(self, record: dict[str, Any]) -> bool:
        wallets = (record.get("wallet"), *(record.get("wallets") or ()))
        return (
            (self.wallet is None or self.wallet in wallets)
            and (self.client is None or self.client in (record.get("client"), record.get("subject")))
            and self.operation in (None, record.get("operation"))
            and self.request_id in (None, record.get("requestId"))
        )


def read_decision(text: bytes) -> Decision | None:
    """Any line, without its newline; None if it is none. A verification says what is wrong with it."""
    line = parse_line(text)
    return None if line is None else _decision(line, text)


def _decision(line: Line, text: bytes) -> Decision | None:
    try:
        return Decision(line, text, _read(line.record))
    except (msgspec.MsgspecError, RecursionError):
        return None


class Source(msgspec.Struct, frozen=True):
    """The files of one log, and when its first file was begun."""

    log: str
    start: int
    """Milliseconds; no line of it is older."""
    paths: tuple[Path, ...]


def sources_of(folder: Path, query: Query) -> list[Source]:
    """The logs in which something of it can stand, the oldest first."""
    listed = Folder.read(folder)
    found = [_source(log, [one.path for one in segments], query) for log, segments in listed.logs.items()]
    found += [_source(file.log, [file.path], query) for file in listed.unchained]
    return sorted((one for one in found if _may_have(one, query)), key=lambda source: source.start)


def decisions(folder: Path, query: Query) -> Iterator[Decision]:
    """All of them by time; of the logs only those are open at once whose times overlap."""
    waiting = sources_of(folder, query)[::-1]
    open_logs: list[tuple[int, int, Decision, Iterator[Decision]]] = []
    number = 0
    while waiting or open_logs:
        while waiting and (not open_logs or waiting[-1].start <= open_logs[0][0]):
            number += 1
            _push(open_logs, number, _of_source(waiting.pop(), query))
        if open_logs:
            _, own, decision, rest = heapq.heappop(open_logs)
            yield decision
            _push(open_logs, own, rest)


def _of_source(source: Source, query: Query) -> Iterator[Decision]:
    """Those of one log, in its order."""
    for path in source.paths:
        for text in lines_of(path):
            decision = query.decision(text)
            if decision is not None:
                yield decision


def _push(logs: list[tuple[int, int, Decision, Iterator[Decision]]], number: int, rest: Iterator[Decision]) -> None:
    decision = next(rest, None)
    if decision is not None:
        heapq.heappush(logs, (decision.time, number, decision, rest))


def _source(log: str, paths: Sequence[Path], query: Query) -> Source:
    """Without files that ended before, since the next one had begun by then."""
    starts = [start_of(path.name) for path in paths]
    since = query.since or 0
    ends = [*(start + SLACK_MS for start in starts[1:]), None]
    kept = [path for path, end in zip(paths, ends, strict=True) if end is None or end >= since]
    return Source(log, starts[0] - SLACK_MS, tuple(kept))


def _may_have(source: Source, query: Query) -> bool:
    return (query.until is None or source.start < query.until) and query.log in (None, source.log)


def start_of(name: str) -> int:
    """The time in a file's name; milliseconds."""
    try:
        moment = datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # digits that are no date: it may have begun at any time
        return 0
    return int(moment.timestamp()) * 1000
