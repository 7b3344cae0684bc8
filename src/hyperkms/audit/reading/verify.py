"""Whether the whole record is what was written.

1. The list of files.  2. The anchor.  3. The manifest, and files that it has named since.  4. Each log.  In this order,
so that whatever a service writes meanwhile is more than what is asked for, and never less.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperkms.audit.reading.anchor import Anchor
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import Folder, ListedFile, Progress, lines_of, no_progress
from hyperkms.audit.reading.log import Reading, ReadLog, check_log
from hyperkms.audit.reading.manifest import Manifest, read_manifest
from hyperkms.audit.reading.unchained import check_unchained
from hyperkms.audit.segments import MANIFEST

_ABOUT_TO_BE_MADE_S = 1.0
_LOOK_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the one who verifies knows from elsewhere."""

    public_key: bytes | None = None
    key_id: str | None = None
    anchor: Path | None = None
    since: int | None = None
    """Milliseconds: logs that were closed before are only looked for."""

    @property
    def is_any(self) -> bool:
        """Whether it speaks of a record that has a manifest."""
        return not (self.public_key is None and self.key_id is None and self.anchor is None)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was read, and what is wrong with it."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    left_out: int
    logs: tuple[ReadLog, ...]
    passed_over: int
    """Logs that ended before what was asked for."""
    key_ids: tuple[str, ...]

    @property
    def lines(self) -> int:
        """Of all logs that were read."""
        return sum(log.lines for log in self.logs)

    @property
    def segments(self) -> int:
        """Files of theirs."""
        return sum(log.segments for log in self.logs)

    @property
    def heads(self) -> int:
        """Their heads that are right."""
        return sum(log.heads for log in self.logs)

    @property
    def proved(self) -> int:
        """Their lines that a right head covers."""
        return sum(log.proved for log in self.logs)


def verify(path: Path, expected: Expected, progress: Progress = no_progress) -> Report:
    """Read the folder; NotFound or Unavailable if it cannot be, and everything else is a finding."""
    findings = Findings()
    folder = Folder.read(path)  # (1)
    anchor = Anchor.read(expected.anchor, findings) if expected.anchor else None  # (2)
    manifest = read_manifest(path, findings, expected.public_key, expected.key_id)  # (3)
    _take_named(folder, manifest)
    manifest.keys.unknown_is_told = not manifest.is_believed and (manifest.stands or not manifest.keys.ids)
    if anchor is not None:
        anchor.check_manifest(manifest, findings)
    _Listing(folder, manifest, findings).check(anchor.logs if anchor else (), is_expected=expected.is_any)
    skipped = {log for log in folder.logs if _ended_before(log, manifest, expected.since)}
    reading = Reading(keys=manifest.keys, anchor=anchor, findings=findings, progress=progress)
    read = [  # (4)
        check_log(log, segments, manifest.logs.get(log), reading)
        for log, segments in folder.logs.items()
        if log not in skipped
    ]
    read += [check_unchained(file, manifest.adopted.get(file.name), findings, progress) for file in folder.unchained]
    _note_unchained(folder, manifest, findings)
    if manifest.is_believed:
        _note_open(read, findings)
    return Report(
        findings=tuple(findings.found),
        notes=tuple(findings.notes),
        left_out=findings.left_out,
        logs=tuple(read),
        passed_over=len(skipped),
        key_ids=tuple(manifest.keys.ids),
    )


def _take_named(folder: Folder, manifest: Manifest) -> None:
    """Files that were made since the folder was listed; one that is named is about to be made, so it is waited for."""
    deadline = time.monotonic() + _ABOUT_TO_BE_MADE_S
    for listed in manifest.logs.values():
        for name in listed.files.values():
            path = folder.path / name
            while listed.close is None and not path.is_file() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
            if path.is_file():
                folder.take(name)


def _ended_before(log: str, manifest: Manifest, since: int | None) -> bool:
    listed = manifest.logs.get(log)
    return since is not None and listed is not None and listed.close is not None and listed.close[1].time < since


def _note_unchained(folder: Folder, manifest: Manifest, findings: Findings) -> None:
    count = sum(1 for file in folder.unchained if file.name not in manifest.adopted)
    if count:
        words = f"{count} files are of the release before: they have no chain, and an edit in them cannot be found"
        findings.note(Finding(Code.UNCHAINED, words))


def _note_open(logs: Iterable[ReadLog], findings: Findings) -> None:
    for log in logs:
        if not log.is_closed:
            words = (
                f"log {log.log} is not closed: it is being written, or its process was killed. "
                f"Of its {log.lines} lines the first {log.proved} are proved by a head"
            )
            findings.note(Finding(Code.LOG_OPEN, words, log=log.log))


@dataclass(frozen=True)
class _Listing:
    """What is there against what the manifest lists."""

    folder: Folder
    manifest: Manifest
    findings: Findings

    def check(self, anchored: Iterable[str], *, is_expected: bool) -> None:
        for log in anchored:
            if log not in self.folder.logs and log not in self.manifest.logs:
                self._missing(log, f"log {log} has anchored heads, and is neither listed nor there", None)
        if not self.manifest.stands:
            self._no_manifest(is_expected=is_expected)
        if not self.manifest.is_believed:
            return
        for log, segments in self.folder.logs.items():
            self._check_present(log, segments)
        for log, listed in self.manifest.logs.items():
            if log not in self.folder.logs and not (listed.close and listed.close[1].size == 0):
                self._missing(log, f"log {log} is listed, and none of its files is there", listed.files.get(1))
        self._check_unchained()

    def _no_manifest(self, *, is_expected: bool) -> None:
        """Files of the release before may stand alone where nobody knows of a manifest; nothing at all may not."""
        if self.folder.logs:
            self._truncated("there are logs of this release and no manifest of them: only chains were checked")
            return
        if not self.folder.unchained:
            words = (
                f"{self.folder.path} holds no record: no manifest and no log. "
                "Nothing was ever recorded here, or all of it was taken away, or it is another folder"
            )
            self.findings.add(Finding(Code.NO_RECORD, words))
        if is_expected and all(one.code is not Code.MANIFEST_TRUNCATED for one in self.findings.found):
            self._truncated("there is no manifest, and a key or an anchor of one is known")

    def _truncated(self, words: str) -> None:
        self.findings.add(Finding(Code.MANIFEST_TRUNCATED, words, MANIFEST))

    def _check_present(self, log: str, present: Sequence[ListedFile]) -> None:
        listed = self.manifest.logs.get(log)
        files = listed.files if listed else {}
        for number in sorted({*files, *range(1, present[-1].number + 1)}):
            found = [one for one in present if one.number == number]
            if not found:
                self._missing(log, f"segment {number} of log {log} is not there", files.get(number))
            for one in found:
                if files.get(number) != one.name and _has_lines(one):
                    words = f"{one.name} is not listed in the manifest"
                    self.findings.add(Finding(Code.LOG_UNLISTED, words, one.name, log))

    def _check_unchained(self) -> None:
        names = {file.name for file in self.folder.unchained}
        for file in self.folder.unchained:
            if file.name not in self.manifest.adopted and _has_lines(file):
                words = f"{file.name} is a file of the release before, and the manifest has not adopted it"
                self.findings.add(Finding(Code.LOG_UNLISTED, words, file.name, file.log))
        for name, entry in self.manifest.adopted.items():
            if name not in names:
                self._missing(entry.log, f"{name} was adopted, and is not there", name)

    def _missing(self, log: str, words: str, file: str | None) -> None:
        self.findings.add(Finding(Code.LOG_MISSING, words, file, log))


def _has_lines(file: ListedFile) -> bool:
    """Whether there was anything in it when it was listed: an empty file says nothing, and may be listed by now."""
    return file.size > 0 and next(lines_of(file.path), None) is not None
