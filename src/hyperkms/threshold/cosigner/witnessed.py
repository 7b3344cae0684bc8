"""What a cosigner keeps of the others' records, and knows of its own."""

import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from hyperkms.audit.reading.folder import Folder, lines_of
from hyperkms.audit.reading.line_form import parse_line
from hyperkms.errors import Tampered
from hyperkms.state.peer_heads import PeerHeads
from hyperkms.threshold.wire import HEADS_KEPT, RecordHead

_log = structlog.stdlib.get_logger("hyperkms.cosigner")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[RecordHead]).decode


class Witnessed:
    """What this cosigner keeps of the others' records, and knows of its own."""

    def __init__(self, rows: PeerHeads, folder: Path) -> None:
        self._rows = rows
        self._folder = folder
        self._turn = threading.Lock()
        self._held: dict[str, int] = {}
        self._behind = rows.behind()
        fence = rows.fence()
        self._fenced = 0 if fence is None else fence.at

    def require_whole(self) -> None:
        """Tampered while the record is known to miss lines."""
        if self._behind is not None:
            words = (
                f"the record of this cosigner was longer once: {self._behind}. Its directory was put back to an older"
            )
            more = "state, or lines were removed, and what it has signed since is forgotten: replace it, or"
            raise Tampered("record-behind", f"{words} {more} `hyperkms mpc fence`")

    def compare(self, head: RecordHead, log: str, lines: int) -> None:
        """Note it if the record does not hold what it held when this was said."""
        if head.time <= self._fenced or self._behind is not None:
            return
        held = lines if head.log == log else self._lines_of(head.log)
        if held >= head.size:
            return
        self._behind = f"log {head.log} had {head.size} lines, and has {held}"
        self._rows.note_behind(self._behind)
        _log.error("record-behind", log_id=head.log, had=head.size, has=held)

    def keep(self, identity: bytes, heads: Iterable[RecordHead]) -> None:
        """Keep the newest of these and those that are kept, one of each log."""
        with self._turn:
            before = self.kept(identity)
            longest: dict[str, RecordHead] = {}
            for head in (*before, *heads):
                known = longest.get(head.log)
                if known is None or head.size > known.size:
                    longest[head.log] = head
            after = sorted(longest.values(), key=lambda head: head.time)[-HEADS_KEPT:]
            if after != before:
                self._rows.keep(identity, _encode(after).decode())

    def kept(self, identity: bytes) -> list[RecordHead]:
        """Those of one member."""
        text = self._rows.read(identity)
        return [] if text is None else _decode(text)

    def _lines_of(self, log: str) -> int:
        """Of a log of another process, which grows no more."""
        if log not in self._held:
            self._held[log] = _count(self._folder, log)
        return self._held[log]


def _count(folder: Path, log: str) -> int:
    """Lines of a log that are there."""
    segments = Folder.read(folder).logs.get(log, ())
    lines = (parse_line(text) for segment in segments for text in lines_of(segment.path))
    return sum(line is not None and line.log == log for line in lines)
