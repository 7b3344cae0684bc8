"""Carries what cosigners say of their records from each to the others, so that they witness each other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain

from hyperkms.errors import HyperkmsError
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.coordinator.quorum import Quorums
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import HEAD_PURPOSE, HEADS_KEPT, Heads, HeadsKnown, RecordHead, head_statement

EVERY_S = 10.0
PAUSE_S = 1.0
"""Between two rounds at the least, however often cosigners come and go."""
ANSWER_S = 3.0


class Carried:
    """The newest heads of each member, one of each log: a false one is not carried on."""

    def __init__(self, quorums: Quorums) -> None:
        self._quorums = quorums
        self._known: dict[int, dict[str, RecordHead]] = {}

    async def keep(self) -> None:
        """Ask all of them, every 10 s and whenever one comes back; until it is cancelled."""
        while True:
            for _ in range(2):  # what is heard in the first is handed on in the second
                links = [link for link in self._quorums.links.values() if link.alive]
                await asyncio.gather(*(self._exchange(link) for link in links))
            await asyncio.sleep(PAUSE_S)
            await self._quorums.change(EVERY_S - PAUSE_S)

    async def _exchange(self, link: Link) -> None:
        heads = list(chain.from_iterable(mine.values() for mine in self._known.values()))
        with suppress(HyperkmsError):
            answer = await link.ask(Heads(heads=heads), HeadsKnown, within=ANSWER_S)
            for head in (*answer.seen, *([] if answer.own is None else [answer.own])):
                self._take(head)

    def _take(self, head: RecordHead) -> None:
        member = self._quorums.group.by_index.get(head.member)
        if member is None:
            return
        mine = self._known.setdefault(head.member, {})
        known = mine.get(head.log)
        if known is not None and known.size >= head.size:
            return
        with suppress(HyperkmsError, OverflowError):
            cosign.verify_statement(member.identity, HEAD_PURPOSE, head_statement(head), head.statement)
            mine[head.log] = head
            for log in sorted(mine, key=lambda log: mine[log].time)[:-HEADS_KEPT]:
                del mine[log]
