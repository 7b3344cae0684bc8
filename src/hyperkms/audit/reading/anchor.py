"""The anchor: heads and hashes of manifest lines that were put elsewhere, and that nobody here could change."""

from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hyperkms.audit.anchored import AnchoredHead, AnchoredLine
from hyperkms.audit.reading.findings import Code, Finding, Findings
from hyperkms.audit.reading.folder import lines_of, unreadable
from hyperkms.audit.reading.line_form import is_json
from hyperkms.audit.reading.manifest import Manifest
from hyperkms.audit.segments import MANIFEST
from hyperkms.errors import NotFound

_read_head = msgspec.json.Decoder(AnchoredHead).decode
_read_line = msgspec.json.Decoder(AnchoredLine).decode


class Anchor:
    """Of each log the sizes of its anchored heads, and where they stand in the file: 16 bytes a head."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heads: dict[str, tuple[array[int], array[int]]] = {}
        self._lines: list[AnchoredLine] = []

    @classmethod
    def read(cls, path: Path, findings: Findings) -> "Anchor":
        """Read it; NotFound if it is not there.

        Half a line, or an empty one, was left by a full disk or a process that died, and is a note: a gap loses
        nothing, since the next head covers more lines. A whole document that is no line of the anchor is a finding.
        """
        if not path.exists():
            raise NotFound("no-anchor", f"there is no anchor file {path}")
        anchor, place, torn = cls(path), 0, list[int]()
        for number, text in enumerate(lines_of(path)):
            if not is_json(text):
                torn.append(number)
            elif not anchor._take(text, place):
                words = f"line {number} of the anchor file {path} is none"
                findings.add(Finding(Code.LINE_MALFORMED, words, path.name, index=number))
            place += len(text) + 1
        if torn:
            words = f"line {torn[0]} of the anchor file {path} is empty or half a line" + (
                f", and so are {len(torn) - 1} more" if torn[1:] else ""
            )
            findings.note(Finding(Code.ANCHOR_TORN, words, path.name, index=torn[0]))
        return anchor

    @property
    def logs(self) -> list[str]:
        """Logs of which there are heads."""
        return list(self._heads)

    def heads_of(self, log: str) -> Iterator[AnchoredHead]:
        """The anchored heads of a log, the smallest first; each is read from the file when it is asked for."""
        sizes, places = self._heads.get(log, ((), ()))
        try:
            with self._path.open("rb") as file:
                for _, place in sorted(zip(sizes, places, strict=True)):
                    file.seek(place)
                    yield _read_head(file.readline())
        except OSError as error:
            raise unreadable(self._path, error) from error

    def check_manifest(self, manifest: Manifest, findings: Findings) -> None:
        """Its anchored lines have to stand in the manifest as they did."""
        last = max((line.manifest for line in self._lines), default=-1)
        if last >= len(manifest.leaves):
            words = f"the manifest has {len(manifest.leaves)} lines, and line {last} of it was anchored"
            findings.add(Finding(Code.MANIFEST_TRUNCATED, words, MANIFEST, index=last))
        there = (line for line in self._lines if line.manifest < len(manifest.leaves))
        other = sorted({line.manifest for line in there if manifest.leaves[line.manifest].hex() != line.hash})
        if other:
            words = f"line {other[0]} of the manifest is not the one that was anchored" + (
                f", and {len(other) - 1} more are not" if other[1:] else ""
            )
            findings.add(Finding(Code.MANIFEST_CHANGED, words, MANIFEST, index=other[0]))

    def _take(self, text: bytes, place: int) -> bool:
        try:
            if b'"manifest":' in text:
                self._lines.append(_read_line(text))
            else:
                head = _read_head(text)
                sizes, places = self._heads.setdefault(head.log, (array("Q"), array("Q")))
                sizes.append(head.size)
                places.append(place)
        except msgspec.MsgspecError:
            return False
        return True
