"""What this cosigner promised before it was started, read again from its own record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperkms.audit.reading.decisions import Decision, Query, decisions
from hyperkms.audit.record import SHARE
from hyperkms.state.approval_use import Use
from hyperkms.threshold.cosigner.promises import KEPT_MS, Promise
from hyperkms.wallet import address_of

_SHARE = b'{"v":%d,' % SHARE


class _Shares(Query, frozen=True, kw_only=True):
    """Lines of shares that were given."""

    def decision(self, text: bytes) -> Decision | None:
        """The decision of a line, if it is one of these."""
        return super().decision(text) if text.startswith(_SHARE) else None


def promised_lately(folder: Path, now: int) -> Iterator[tuple[int, Promise]]:
    """Each promise that may still count, and when it was made."""
    for decision in decisions(folder, _Shares(since=now - KEPT_MS)):
        yield decision.time, _promise(decision.record)


def _promise(record: dict[str, Any]) -> Promise:
    nonce = record["signed"].get("nonce")
    return Promise(
        digest=bytes.fromhex(record["digest"][2:]),
        address=None if nonce is None else address_of(bytes.fromhex(record["publicKey"][2:])),
        nonce=nonce or 0,
        request=record["request"],
        position=record["position"],
        approvals=tuple(Use(one["key"], one["id"], one["until"]) for one in record.get("approvals", ())),
    )
