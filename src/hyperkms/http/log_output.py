"""Standard output, as a process that must not wait writes its log to it.

Whoever reads it may be slow or stopped (`| less`, journald while it rotates). What would not go at once is
left to a thread, which waits for that reader, and nobody else does: what does not fit into memory meanwhile
is lost, counted, and told of in a line once there is room again. The descriptor stays as it was given: other
processes share it.
"""

import atexit
import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import msgspec

MOST = 4 * 1024 * 1024
"""Bytes that wait at most: ten thousand requests."""
END_S = 2.0
"""How long the end of the process waits for a reader."""
_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)


@cache
def log_output() -> "LogOutput":
    """The one of this process; what it has taken is written before the process ends, if it is read in time."""
    made = LogOutput(sys.stdout.fileno())
    atexit.register(made.flush, END_S)
    return made


class LogOutput:
    """Lines, written in the order in which they were put."""

    def __init__(self, descriptor: int, most: int = MOST) -> None:
        self._descriptor = descriptor
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._most = most
        # Its lock may be taken twice by one thread: the garbage collector may log in the middle of `put`.
        self._changed = threading.Condition(threading.RLock())
        self._waiting: list[bytes] = []
        self._size = 0
        """Bytes that were taken and are not written."""
        self._full = False
        self._untold = 0
        """Lines that were lost since the last line about such."""
        self._count: Callable[[int], None] = lambda _: None
        self._thread: threading.Thread | None = None

    def count_losses(self, count: Callable[[int], None]) -> None:
        """Tell this how many lines are lost from here on, each time that some are."""
        self._count = count

    def put(self, lines: bytes) -> None:
        """Take whole lines, each with its end; never waits for the reader.

        Once it is full it takes nothing until all is written: the line about the loss stands where the lost ones would.
        """
        with self._changed:
            if not self._size and not self._untold:
                lines = self._write_at_once(lines)
                if not lines:
                    return
            if self._full or self._size + len(lines) > self._most:
                self._full = True
                self._lose(lines)
                return
            self._take(lines)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()

    def flush(self, within: float) -> None:
        """Wait until all is written, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, within)

    def _write_at_once(self, lines: bytes) -> bytes:
        """What was not written. A file is never waited for; a pipe may be full, and older kernels do not tell."""
        start = 0
        try:
            if self._is_file:
                return lines[os.write(self._descriptor, lines) :]
            while _NO_WAIT and start < len(lines):
                start += os.pwritev(self._descriptor, [_piece(lines, start)], -1, _NO_WAIT)
        except OSError:
            pass  # the thread finds out what it is
        return lines[start:]

    def _take(self, lines: bytes) -> None:
        self._waiting.append(lines)
        self._size += len(lines)
        self._changed.notify_all()

    def _lose(self, lines: bytes) -> None:
        number = lines.count(b"\n")
        self._untold += number
        self._count(number)

    # ---- in the thread --------------------------------------------------------------------------------

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                lines = b"".join(self._waiting)
                self._waiting.clear()
            left = self._write(lines)
            with self._changed:
                self._written(lines, left)

    def _written(self, lines: bytes, left: bytes) -> None:
        self._size -= len(lines)
        self._full = self._full and self._size > 0
        if left:
            self._lose(left)
        elif self._untold and not self._size:
            told, self._untold = _loss(self._untold), 0
            self._take(told)
        self._changed.notify_all()

    def _write(self, lines: bytes) -> bytes:
        """Write them; what failed is left."""
        start = 0
        while start < len(lines):
            try:
                start += os.write(self._descriptor, _piece(lines, start))
            except BlockingIOError:  # whoever gave us the descriptor wants it so
                select.select([], [self._descriptor], [])
            except OSError:  # a full disk, or nobody reads any more
                return lines[start:]
        return b""


def _piece(lines: bytes, start: int) -> bytes:
    """Whole lines that a pipe takes in one piece, since other workers write to it too."""
    end = lines.rfind(b"\n", start, start + select.PIPE_BUF) + 1 or lines.find(b"\n", start) + 1
    return lines[start:end]


def _loss(number: int) -> bytes:
    line = {
        "lines": number,
        "event": "lines-lost",
        "level": "warning",
        "logger": "hyperkms.log",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    return msgspec.json.encode(line) + b"\n"
