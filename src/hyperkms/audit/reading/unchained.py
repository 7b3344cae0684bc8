"""A file of the release before: lines without a chain, held against what was adopted of it."""

import hashlib

from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import ListedFile, Progress, batches
from hyperkms.audit.reading.line_form import parse_unchained
from hyperkms.audit.reading.log import ReadLog
from hyperkms.audit.reading.manifest import AdoptEntry


def check_unchained(file: ListedFile, adopted: AdoptEntry | None, findings: Findings, progress: Progress) -> ReadLog:
    """The form of its lines, their numbers, and the whole file against its hash in the manifest."""
    whole, size, lines, index, tail = hashlib.sha256(), 0, 0, 0, b""
    times: list[int] = []

    def find(code: Code, words: str) -> None:
        findings.add(Finding(code, words, file.name, file.log, index))

    for texts, rest in batches(file.path, progress):
        for text in texts:
            whole.update(text + b"\n")
            size += len(text) + 1
            lines += 1
            line = parse_unchained(text)
            if line is None or line.log != file.log:
                find(Code.LINE_MALFORMED, f"line {index} is no line of this file")
                index += 1
                continue
            if line.index > index:
                find(Code.LINE_MISSING, f"line {line.index} stands where line {index} belongs: lines are missing")
            elif line.index < index:
                find(Code.LINE_DUPLICATED, f"line {line.index} stands where line {index} belongs")
            index = line.index + 1
            times = [*times[:1], line.time] if line.time is not None else times
        tail = rest
    whole.update(tail)
    if tail:
        words = f"{file.name} ends in half a line, which was cut off: it is no line"
        findings.note(Finding(Code.TAIL_TORN, words, file.name, file.log, index))
    if adopted is not None:
        _hold(file, adopted, (lines, size + len(tail), whole.hexdigest()), findings)
    first, last = (times[0], times[-1]) if times else (None, None)
    return ReadLog(file.log, 1, lines, heads=0, proved=0, first_time=first, last_time=last, is_closed=True)


def _hold(file: ListedFile, adopted: AdoptEntry, found: tuple[int, int, str], findings: Findings) -> None:
    if found == (adopted.lines, adopted.bytes, adopted.sha256) and file.log == adopted.log:
        return
    words = (
        f"{file.name} is not the file that was adopted: it has {found[0]} lines in {found[1]} bytes, and had "
        f"{adopted.lines} in {adopted.bytes}"
    )
    findings.add(Finding(Code.ADOPTED_CHANGED, words, file.name, file.log))
