"""The log that a process writes now: group after group made durable, and what follows a group that could not be."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from hyperkms.audit.emergency import Emergency
from hyperkms.audit.log import Log, Logs, Written
from hyperkms.audit.log_file import removed, require_room, unwritable
from hyperkms.audit.record import KEYED_SIGNATURE, Encoded
from hyperkms.audit.space_ahead import RECORD_FULL, is_full, only_cancels, used_up
from hyperkms.audit.told import HeadWitness, KeyedLines
from hyperkms.errors import HyperkmsError, Tampered, Unavailable

T = TypeVar("T")


class LogWriter:
    """Used by one thread at a time: who calls holds the sink's lock.

    After a write that failed, what follows goes to a new log. After a failed fsync nothing is written any more. Where
    the disk is full and there is space ahead, the log stays, and the refusal is `record-full`: what may use that space
    is given again after `use_space_ahead`.
    """

    def __init__(
        self,
        logs: Logs,
        fsync: Callable[[int], None],
        keyed: KeyedLines | None,
        witness: HeadWitness | None,
    ) -> None:
        self.log: Log | None = None
        """The one at hand; None before the first record, and after one that has ended."""
        self.failure: Unavailable | None = None
        """Why nothing is written any more."""
        self._logs = logs
        self._fsync = fsync if logs.writing.durability == "fsync" else _left_to_the_system
        self._keyed = keyed
        self._witness = witness
        self._ended: list[Log] = []
        """Those of which the manifest does not say so yet."""
        self._had_no_room = False
        self.emergency = Emergency(logs)

    def ready(self) -> Log | None:
        """The log at hand if the next group needs no other file than its own; it is handed to `write` at once."""
        log = self.log
        if log is None or self.failure or log.is_full or self.emergency.is_on or not log.file.is_in_place():
            return None
        return log

    def at_hand(self) -> Log:
        """The log of the next lines; Unavailable if there can be none."""
        if self.failure:
            raise self.failure
        self._leave_a_removed_file()
        if self.log is None:
            self.say_what_ended()
            self.log = self.emergency.next_file(None) if self.emergency.is_on else self._begun()
        return self.log

    def use_space_ahead(self) -> None:
        """The next lines go into space that was allocated ahead; Unavailable if there is none."""
        self.log = self.emergency.next_file(self.log)

    def leave_emergency(self) -> bool:
        """Write as ever again, if there is room on the disk: once a second it is looked at."""
        return self.emergency.has_ended_lately() and self._left_emergency()

    def write(self, records: Sequence[Encoded], ready: Log | None = None) -> tuple[str, Written, msgspec.Raw]:
        """Records in the log at hand, durable: its id, what was written, and the newest head before them."""
        log = ready or self.at_hand()
        self._require_announced(log, records)
        if log.is_full:
            self._go_on(log)
        head = log.shown_head
        return log.id, self._make_durable(log, lambda: log.write(records)), head

    def write_head_if_due(self) -> None:
        """Nobody waits for a head: where it cannot be written the log ends before it, and nobody is told."""
        if self.log and self.log.is_head_due:
            self._write_head(self.log)
        self.emergency.tend()

    def check(self) -> None:
        """Unavailable while no file can be made, and while a disk that was full still is."""
        if self.failure:
            raise self.failure
        self._leave_a_removed_file()
        if self.emergency.is_on and not (self.emergency.has_ended() and self._left_emergency()):
            raise only_cancels() if self.emergency.has_space(self.log) else used_up()
        if self._had_no_room or self.log is None:
            self._or_full(lambda: require_room(self._logs.manifest.folder))
            self._require_manifest()
            self._had_no_room = False

    def say_what_ended(self) -> None:
        """To the manifest, for which one may wait; what it does not take now is said later."""
        for log in [*self._ended]:
            try:
                log.sync()
            except OSError:  # nobody knows how much of it will be there: the next start says what it finds
                self._ended.remove(log)
                log.file.close()
        if not self._ended:
            return
        with suppress(HyperkmsError), self._logs.manifest.alone() as listing:
            while self._ended:
                listing.append(self._ended[0].closing())
                self._ended.pop(0).file.close()

    def close(self) -> None:
        """The last line of the log is a head."""
        if self.log and self.log.has_uncovered:
            self._write_head(self.log)
        if self.log:
            self._end(self.log)
        self.say_what_ended()
        for log in self._ended:  # the next start finds that nobody writes them
            log.file.close()

    def _go_on(self, log: Log) -> None:
        """In a further file. Without one nothing more is written, and /ready says it until there is room for one."""
        try:
            self._or_full(log.go_on)
        except HyperkmsError:
            self._had_no_room = True
            raise

    def _begun(self) -> Log:
        return self._or_full(self._logs.begin)

    def _or_full(self, work: Callable[[], T]) -> T:
        """What it comes to; where the disk is full and there is space ahead, its refusal is `record-full`."""
        try:
            return work()
        except Unavailable as error:
            if is_full(error) and self.emergency.can_begin:
                raise only_cancels() from error
            raise

    def _left_emergency(self) -> bool:
        """Whether the log goes on in a file of the ordinary kind; that of the emergency gives back what it has left."""
        if self.log is not None:
            try:
                self.log.go_on()
            except HyperkmsError:
                return False
        self.emergency.is_on = self._had_no_room = False
        return True

    def _make_durable(self, log: Log, write: Callable[[], Written]) -> Written:
        """What was written, kept; or taken back, and the log at hand is another one from then on."""
        try:
            written = write()
        except Exception as error:
            self._had_no_room = True
            is_for_space_ahead = is_full(error) and self.emergency.can_begin
            if not log.starts_again() and not (is_for_space_ahead and log.file.is_in_place() and log.file.cut()):
                self._end(log)
            raise (only_cancels() if is_for_space_ahead else unwritable(error)) from error
        try:
            if self._keyed and written.lines.keyed:
                self._keyed.wrote(log.id, written.lines.keyed)
        except Exception:
            self._end(log)
            raise
        try:
            self._fsync(log.file.descriptor)
        except Exception as error:
            self.failure = unwritable(error)
            self._end(log)
            raise self.failure from error
        if not log.file.is_in_place():
            self._end(log)
            raise removed()
        self._had_no_room = False
        log.keep(written)
        if self._witness and written.head:
            self._witness.head(log.id, written.head)
        return written

    def _write_head(self, log: Log) -> None:
        """Where the disk is full it goes into the space ahead: so soon after its lines a head was promised."""
        try:
            self._make_durable(log, log.write_head)
        except Unavailable as error:
            if error.code == RECORD_FULL:
                with suppress(Unavailable):
                    self.use_space_ahead()
                    self._make_durable(log, log.write_head)

    def _require_announced(self, log: Log, records: Sequence[Encoded]) -> None:
        """The writer waits for no database: a change holds its lock while it waits for its line in the record."""
        if self._keyed is None or log.is_announced or all(one.kind != KEYED_SIGNATURE for one in records):
            return
        words = "the record goes on in a new file, which takes no request with an Idempotency-Key yet; ask again"
        raise Unavailable("record-unwritable", words)

    def _leave_a_removed_file(self) -> None:
        if self.log is not None and not self.log.file.is_in_place():
            self._end(self.log)

    def _end(self, log: Log) -> None:
        """What is not kept is cut off; its lock is held until the manifest says what is."""
        self.log = None
        log.file.cut()
        log.file.trim()
        self._ended.append(log)

    def _require_manifest(self) -> None:
        try:
            with self._logs.manifest.alone() as listing:
                listing.require_sound()
        except Tampered as error:
            raise unwritable(error) from error


def _left_to_the_system(_descriptor: int) -> None:
    """Durability `os`: a crash of the machine may lose what it was given last."""
