"""How the record goes on when the disk is full: in the space that was allocated ahead, for what may use that.

It begins with a write that the disk refused for want of room, and goes on piece by piece. It ends when all of the
space could be allocated anew, with room beyond it: so a disk that has little room is not taken for a sound one.
"""

import time
from contextlib import suppress

from hyperkms.audit.log import Log, Logs
from hyperkms.audit.log_file import require_room
from hyperkms.audit.manifest import Manifest
from hyperkms.audit.segments import MANIFEST
from hyperkms.audit.space_ahead import SpaceAhead, full, used_up
from hyperkms.errors import HyperkmsError

_LOOK_AGAIN_S = 1.0
_TEND_S = 5.0
_A_LINE = 4096
"""No line of a cancel is expected to be longer."""


class Emergency:
    """Whether there is one, for one process; who calls holds the sink's lock."""

    def __init__(self, logs: Logs) -> None:
        writing = logs.writing
        self.is_on = False
        self._logs = logs
        self._manifest: Manifest = logs.manifest
        self._space = SpaceAhead.of(
            logs.manifest.folder, processes=writing.processes, bytes_each=writing.emergency_bytes
        )
        self._keeps = False
        self._look_at = 0.0
        self._tend_at = 0.0

    @property
    def can_begin(self) -> bool:
        """Whether space is left for it, or it has begun."""
        return self.is_on or bool(self._space.left())

    def has_space(self, log: Log | None) -> bool:
        """Whether a line still has a place, in this log's file or in another one."""
        file = None if log is None else log.file
        in_file = file is not None and file.capacity is not None and file.length + _A_LINE <= file.capacity
        return in_file or bool(self._space.left())

    def keep_space(self) -> None:
        """From now on have the space ahead, as far as the disk has room."""
        self._keeps = True
        self.tend()

    def tend(self) -> None:
        """Make again what was used, once in a while and where there is room for it."""
        if not self._keeps or self.is_on or time.monotonic() < self._tend_at:
            return
        self._tend_at = time.monotonic() + _TEND_S
        with suppress(HyperkmsError):
            self._provide()

    def next_file(self, log: Log | None) -> Log:
        """The log in a file with space of its own: `log` goes on there, or a new one begins.

        Unavailable where no space is left, or where an empty piece did not take the lines either.
        """
        if not self.can_begin:
            raise used_up()
        self.is_on = True
        if log is None:
            return self._logs.begin(self._space)
        if log.file.capacity is not None and log.file.length == 0:
            raise full("and these lines are longer than a piece of the space that was kept for cancels")
        if log.length == 0:
            log.go_on_in_place(self._space)
        else:
            log.go_on(self._space)
        return log

    def has_ended_lately(self) -> bool:
        """The same as `has_ended`, looked at once a second."""
        return time.monotonic() >= self._look_at and self.has_ended()

    def has_ended(self) -> bool:
        """Whether there is room again."""
        self._look_at = time.monotonic() + _LOOK_AGAIN_S
        try:
            if self._keeps:
                self._provide()
            with self._manifest.alone():
                self._space.require_more()
            require_room(self._manifest.folder)
        except HyperkmsError:
            return False
        return True

    def _provide(self) -> None:
        with self._manifest.alone():
            self._space.provide(self._manifest.folder / MANIFEST)
