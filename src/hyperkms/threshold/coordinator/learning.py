"""What the cosigners hold in force of a key, learnt from as many of them as sign together."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from hyperkms.errors import HyperkmsError, NotFound
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.quorum import PATIENCE_S, Quorums
from hyperkms.threshold.coordinator.target import Target, target_of
from hyperkms.threshold.wire import Held, HeldShare, Shares

MOST = 10_000


class Learnt:
    """Keys by wallet and version. One cosigner alone is not believed: t must say the same."""

    def __init__(self, quorums: Quorums) -> None:
        self._quorums = quorums
        self._targets: dict[tuple[str, int], Target] = {}

    def knows(self, target: Target) -> None:
        """Remember it; from here on this epoch signs."""
        if len(self._targets) >= MOST:
            self._targets.clear()
        self._targets[target.share.wallet, target.share.version] = target

    def forget(self, wallet: str, version: int) -> None:
        """Ask anew when it is next needed."""
        self._targets.pop((wallet, version), None)

    async def find(self, wallet: str, version: int, public_key: bytes, *, within: float) -> Target:
        """The epoch in force of the key that is recorded here; NotFound if t cosigners hold no such key.

        Unavailable if too few answer; where too few are connected it waits up to PATIENCE_S for them, as signing does.
        """
        known = self._targets.get((wallet, version))
        if known is None or known.public_key != public_key:
            await self._quorums.connected(within=min(within, PATIENCE_S))
            known = await self._ask(wallet, version, public_key, within)
            self.knows(known)
        return known

    async def _ask(self, wallet: str, version: int, public_key: bytes, within: float) -> Target:
        links = self._quorums.links
        attempt = Attempt(links, links.keys(), within=within)
        waiting = [asyncio.ensure_future(attempt.ask(index, Shares(wallet=wallet), Held)) for index in links]
        said: dict[HeldShare, int] = defaultdict(int)
        answered = 0
        try:
            for done in asyncio.as_completed(waiting):
                try:
                    answer = await done
                except HyperkmsError:
                    continue
                answered += 1
                for held in _in_force(answer, version, public_key):
                    said[held] += 1
                    if said[held] >= self._quorums.group.threshold:
                        return target_of(held)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if answered >= self._quorums.group.threshold:
            words = (
                f"wallet {wallet}, version {version}: {max(said.values(), default=0)} of {len(links)} cosigners hold"
            )
            more = f"shares in force of its key, and {self._quorums.group.threshold} are needed (docs/recovery.md)"
            raise NotFound("share-not-found", f"{words} {more}")
        raise self._quorums.insufficient(_missing(links, waiting))


def _missing(links: Mapping[int, object], waiting: list["asyncio.Task[Held]"]) -> Mapping[int, HyperkmsError]:
    found: dict[int, HyperkmsError] = {}
    for index, task in zip(links, waiting, strict=True):
        error = None if task.cancelled() else task.exception()
        if isinstance(error, HyperkmsError):
            found[index] = error
    return found


def _in_force(answer: Held, version: int, public_key: bytes) -> list[HeldShare]:
    """Each as it is said of the key, without what is each member's own; the newest epoch first.

    One that is superseded signs as well, until it is destroyed.
    """
    signing = [held for held in answer.shares if held.state in {"in-force", "superseded"}]
    return [
        HeldShare(
            name=held.name,
            state="in-force",
            key_type=held.key_type,
            network=held.network,
            public_key=held.public_key,
            group_key=held.group_key,
        )
        for held in sorted(signing, key=lambda held: -held.name.epoch)
        if held.name.version == version and held.public_key == public_key
    ]
