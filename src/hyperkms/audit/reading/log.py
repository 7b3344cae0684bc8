"""One log from its first file to its end, and what its lines out of place turn out to be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hyperkms.audit.entries import CLOSED
from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.reading.anchor import Anchor
from hyperkms.audit.reading.chain import Chain, Gap, Stray
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import ListedFile, Progress, batches, lines_of
from hyperkms.audit.reading.line_form import parse_chained
from hyperkms.audit.reading.manifest import Listed
from hyperkms.audit.reading.marks import marks_of
from hyperkms.audit.reading.signed import Keys


@dataclass(frozen=True)
class ReadLog:
    """What was read of a log."""

    log: str
    segments: int
    lines: int
    heads: int
    proved: int
    """Lines that a right head covers."""
    first_time: int | None
    """The smaller of the times of its first two lines: the opening is made when the line after it is written."""
    last_time: int | None
    is_closed: bool


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What every log is read with."""

    keys: Keys
    anchor: Anchor | None
    findings: Findings
    progress: Progress


def check_log(log: str, segments: Iterable[ListedFile], listed: Listed | None, reading: Reading) -> ReadLog:
    """Read all of a log and say what is wrong with it."""
    findings = reading.findings
    chain = Chain(log, reading.keys, marks_of(log, listed, reading.anchor), findings)
    present = list(segments)
    before = len(findings.found)
    for place, segment in enumerate(present):
        tail = _read(chain, segment, listed, present[place - 1].number if place else 0, reading.progress)
        if tail:
            is_closed = listed is not None and listed.close is not None and listed.close[1].how == CLOSED
            _tell_torn(chain, segment, is_finding=is_closed or place + 1 < len(present))
    chain.end()
    _Ending(chain, present, listed).tell(before)
    last = parse_chained(chain.last_line)
    return ReadLog(
        log=log,
        segments=len(present),
        lines=chain.index,
        heads=chain.held.heads,
        proved=chain.held.proved,
        first_time=chain.held.first_time,
        last_time=last.time if last else None,
        is_closed=listed is not None and listed.close is not None,
    )


def _read(chain: Chain, segment: ListedFile, listed: Listed | None, before: int, progress: Progress) -> bytes:
    """Take the lines of a file; what stands after its last newline."""
    begun, tail, second = False, b"", None
    start = listed.start_of(segment.number) if listed is not None else None
    for lines, rest in batches(segment.path, progress):
        if not begun and lines:
            chain.begin_file(segment, lines[0], start, is_next=segment.number == before + 1)
            begun = True
            if segment.number == 1 and len(lines) > 1:
                second = parse_chained(lines[1])
        chain.take(lines)
        tail = rest
    if second is not None and second.time is not None and chain.held.first_time is not None:
        chain.held.first_time = min(chain.held.first_time, second.time)
    return tail


def _tell_torn(chain: Chain, segment: ListedFile, *, is_finding: bool) -> None:
    words = f"{segment.name} ends in half a line, which was cut off: it is no line"
    tell = chain.findings.add if is_finding else chain.findings.note
    tell(Finding(Code.TAIL_TORN, words, segment.name, chain.log, chain.index))


class _Ending:
    """What is known only once all of a log was read."""

    def __init__(self, chain: Chain, segments: list[ListedFile], listed: Listed | None) -> None:
        self._chain = chain
        self._segments = segments
        self._listed = listed
        self._moved: set[int] = set()
        """Lines that stand elsewhere than in their place."""

    def tell(self, before: int) -> None:
        findings = self._chain.findings
        told = [*self._out_of_place(), *self._gaps(), *self._length()]
        forked = {finding.index for finding in told if finding.code is Code.LOG_FORKED}
        # A second line of this index explains why the next one knows another hash.
        findings.found[before:] = [
            one for one in findings.found[before:] if one.code is not Code.LINE_CHANGED or one.index not in forked
        ]
        for finding in told:
            findings.add(finding)
        lost = self._chain.held.lost_heads
        if lost:
            words = (
                f"{lost} heads of log {self._chain.log} cannot be held against its lines any more, "
                "since some are lost or changed: what stands after that is proved by nothing"
            )
            findings.note(Finding(Code.HEADS_UNPROVED, words, log=self._chain.log))

    def _out_of_place(self) -> Iterator[Finding]:
        strays = self._chain.strays
        if not strays:
            return
        leaves = self._leaves_of({stray.index for stray in strays} | {stray.place for stray in strays})
        places = {(stray.place, stray.index) for stray in strays}
        for stray in strays:
            found = leaves[stray.index]
            if (stray.index, stray.place) in places and len(found) == 1:
                self._moved.add(stray.index)
                if stray.place < stray.index:
                    yield self._finding(
                        Code.LINES_SWAPPED, f"lines {stray.place} and {stray.index} stand in each other's place", stray
                    )
            elif len(found) == 1:
                self._moved.add(stray.index)
                words = f"line {stray.index} stands where line {stray.place} belongs"
                yield self._finding(Code.LINES_SWAPPED, words, stray)
            elif len(set(found)) == 1:
                words = f"line {stray.index} stands there {len(found)} times, once before line {stray.place}"
                yield self._finding(Code.LINE_DUPLICATED, words, stray)
            else:
                words = f"there are {len(set(found))} different lines {stray.index} of one log"
                yield self._finding(Code.LOG_FORKED, words, stray)
            if stray.instead and not leaves[stray.place]:
                yield self._finding(Code.LINE_MISSING, f"line {stray.place} is missing", stray, stray.place)

    def _leaves_of(self, wanted: set[int]) -> dict[int, list[bytes]]:
        """The hashes of the lines of these indexes, in a second reading."""
        leaves: dict[int, list[bytes]] = {index: [] for index in wanted}
        for segment in self._segments:
            for text in lines_of(segment.path):
                line = parse_chained(text)
                if line is not None and line.log == self._chain.log and line.index in leaves:
                    leaves[line.index].append(leaf_hash(text))
        return leaves

    def _gaps(self) -> Iterator[Finding]:
        for gap in self._chain.gaps:
            missing = [index for index in range(gap.start, min(gap.end, gap.start + 2)) if index not in self._moved]
            if not gap.is_explained and missing:
                yield self._gap(gap)

    def _gap(self, gap: Gap) -> Finding:
        lines = f"line {gap.start} is" if gap.end == gap.start + 1 else f"lines {gap.start} to {gap.end - 1} are"
        log = self._chain.log
        if gap.start == 0:
            words = f"the log begins with line {gap.end}: its opening is missing"
            return Finding(Code.OPENING_MISSING, words, self._segments[0].name, log, 0)
        if gap.at_end:
            words = f"{lines} missing at the end of the file, and another file goes on with line {gap.end}"
            return Finding(Code.LOG_TRUNCATED, words, gap.file, log, gap.start)
        return Finding(Code.LINE_MISSING, f"{lines} missing", gap.file, log, gap.start)

    def _length(self) -> Iterator[Finding]:
        """Whether it has as many lines as others say."""
        chain, listed = self._chain, self._listed
        mark = chain.held.missing_mark()
        top = max([chain.index, *(index + 1 for index in self._moved)])
        last_listed = max(listed.files, default=0) if listed else 0
        is_whole = bool(self._segments) and self._segments[-1].number >= last_listed
        if mark is not None and mark.size > top and is_whole:
            words = f"the log has {chain.index} lines, and {mark.words} speaks of {mark.size}"
            yield Finding(Code.LOG_TRUNCATED, words, chain.file, chain.log, chain.index)
        if listed is not None and listed.close is not None:
            size = listed.close[1].size
            closing_head = chain.index == size + 1 and chain.held.proved == size
            if chain.index > size and not closing_head:
                words = f"the log was closed with {size} lines and has {chain.index}"
                yield Finding(Code.LOG_FORKED, words, chain.file, chain.log, size)

    def _finding(self, code: Code, words: str, stray: Stray, index: int | None = None) -> Finding:
        return Finding(code, words, stray.file, self._chain.log, stray.index if index is None else index)
