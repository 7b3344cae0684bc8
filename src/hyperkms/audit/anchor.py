"""Heads and manifest entries once more, on another disk: who has them finds a record that was cut or rewritten.

A file that is appended to by a thread of its own. It may lag and fail; signing waits for nothing of it.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from hyperkms.audit.anchored import AnchoredHead, AnchoredLine
from hyperkms.audit.log_file import write_all
from hyperkms.audit.record import HeadRecord
from hyperkms.state.gathering import next_group

_MOST_WAITING = 100_000
_MOST_AT_ONCE = 1000
_CLOSING_S = 5.0
_APPEND = os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_encode = msgspec.json.Encoder().encode


class Anchor:
    """The file HYPERKMS_AUDIT_ANCHOR; several processes append to one, each line with one write."""

    def __init__(self, path: Path, *, failed: Callable[[str | None], None]) -> None:
        self._path = path
        self._failed = failed
        """Told why some could not be written; None where the fault is over."""
        self._faulty = False
        self._may_be_torn = True
        """Whether half a line may stand at the end of a file that cannot be read."""
        self._queue: queue.SimpleQueue[Sequence[bytes] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="anchor", daemon=True)
        self._thread.start()

    def head(self, log: str, head: HeadRecord) -> None:
        """Take a head."""
        told = AnchoredHead(
            log=log, size=head.size, root=head.root, time=head.time, key_id=head.key_id, signature=head.signature
        )
        self._put(_encode(told))

    def entry(self, index: int, line_hash: str, now: int) -> None:
        """Take an entry of the manifest."""
        self._put(_encode(AnchoredLine(manifest=index, hash=line_hash, time=now)))

    def close(self) -> None:
        """Write what was taken, if the disk takes it soon: one that hangs does not hold the end of the process."""
        self._queue.put(None)
        self._thread.join(_CLOSING_S)

    def _put(self, line: bytes) -> None:
        if self._queue.qsize() < _MOST_WAITING:
            self._queue.put([line + b"\n"])

    def _run(self) -> None:
        ended = False
        while not ended:
            lines, ended = next_group(self._queue, _MOST_AT_ONCE)
            if lines:
                self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        try:
            descriptor, is_torn = self._open()
            try:
                for line in [b"\n", *lines] if is_torn else lines:
                    write_all(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._faulty = self._may_be_torn = True
            self._failed(f"{self._path}: {error.strerror}")
        else:
            self._may_be_torn = False
            if self._faulty:
                self._faulty = False
                self._failed(None)

    def _open(self) -> tuple[int, bool]:
        """The file, and whether its last line has to be ended first.

        Nothing is cut off: others append too, and the disk may let nobody take back what it has.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | _APPEND, 0o600)
        except PermissionError:
            return os.open(self._path, os.O_WRONLY | _APPEND, 0o600), self._may_be_torn
        try:
            length = os.fstat(descriptor).st_size
            return descriptor, length > 0 and os.pread(descriptor, 1, length - 1) != b"\n"
        except OSError:
            os.close(descriptor)
            raise
