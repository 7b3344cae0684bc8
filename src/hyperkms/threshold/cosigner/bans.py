"""Cosigners that proved to be false: known at once, durable before anyone is told."""

import threading
from collections.abc import Callable, Collection

import structlog

from hyperkms.audit.record import BanRecord
from hyperkms.audit.sink import RecordSink
from hyperkms.errors import HyperkmsError, Refused
from hyperkms.state.ban_rows import BanRows
from hyperkms.threshold.group import Group

_log = structlog.stdlib.get_logger("hyperkms.cosigner")


class Bans:
    """Which members of the group this cosigner never signs with again."""

    def __init__(self, group: Group, rows: BanRows, record: RecordSink, clock: Callable[[], int]) -> None:
        self._group = group
        self._rows = rows
        self._record = record
        self._clock = clock
        self._turn = threading.Lock()
        self._banned = self._read()

    @property
    def members(self) -> frozenset[int]:
        """Their indexes."""
        return self._banned

    def require_none(self, members: Collection[int]) -> None:
        """Refused if one of these is banned."""
        found = sorted(self._banned.intersection(members))
        if found:
            words = f"cosigner {found[0]} is banned here: it proved to be false, and to go on with it could give away"
            raise Refused("cosigner-banned", f"{words} this share; take signers without it", {"cosigner": found[0]})

    def note(self, error: HyperkmsError) -> None:
        """If a protocol found proof that a member is false, ban it; durable on return."""
        member = error.details.get("cosigner")
        if error.details.get("ban") != 1 or member not in self._group.by_index or not isinstance(member, int):
            return
        identity, now = self._group.by_index[member].identity, self._clock()
        with self._turn:
            is_new = self._rows.add(member, identity, error.message, now=now)
            self._banned = self._read()
        if is_new:
            _log.error("cosigner-banned", member=member, code=error.code)
            line = BanRecord(time=now, member=member, identity=f"0x{identity.hex()}", reason=error.message)
            self._record.append(line).wait()

    def _read(self) -> frozenset[int]:
        banned = self._rows.identities()
        return frozenset(member.index for member in self._group.members if member.identity in banned)
