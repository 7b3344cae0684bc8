"""Shares that are missing at a cosigner, which has taken another's place: made there out of those of t others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hyperkms.errors import Tampered, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.quorum import Quorums
from hyperkms.threshold.coordinator.relay import run_rounds
from hyperkms.threshold.coordinator.target import Target
from hyperkms.threshold.wire import Asker, Drop, Dropped, Held, HeldShare, Keep, Kept, OpenCeremony, Opened, Shares

IN_FORCE = "in-force"


@dataclass(frozen=True)
class Repairs:
    """Those of one group."""

    quorums: Quorums

    async def complete(self, target: Target, asker: Asker, *, within: float) -> tuple[int, ...]:
        """Let every cosigner have its share of this epoch; the indexes of those whose share was made by others.

        1. Ask all what they hold.  2. Where the share is missing, t others make it. What they learn is nothing new, and
        the coordinator sees sealed messages. Who is at a later epoch already is left alone.
        An earlier call may have been cut off after such a share was made: that one is named as well, for as long as no
        refresh has followed.
        """
        links = self.quorums.links
        everybody = Attempt(links, links.keys(), within=within)
        share = target.share
        answers = await everybody.ask_all(Shares(wallet=share.wallet), Held)  # (1)
        held = {
            index: [one for one in answer.shares if one.name.version == share.version]
            for index, answer in answers.items()
        }
        here = {index: one for index, mine in sorted(held.items()) for one in mine if _is(one, target)}
        missing = [index for index, mine in sorted(held.items()) if index not in here and not _is_later(mine, target)]
        for index in missing:  # (2)
            await self.repair(everybody, target, self._helpers([*here], share.wallet), index, asker)
        return (*missing, *_repaired(here))

    def _helpers(self, holders: list[int], wallet: str) -> list[int]:
        threshold = self.quorums.group.threshold
        if len(holders) < threshold:
            words = f"wallet {wallet}: {len(holders)} cosigners hold shares of its epoch in force, and {threshold} are"
            raise Unavailable("insufficient-shares", f"{words} needed to make the share of another (docs/recovery.md)")
        return holders[:threshold]

    async def repair(self, everybody: Attempt, target: Target, helpers: list[int], lost: int, asker: Asker) -> None:
        """The share of one member, by these others."""
        await everybody.ask(
            lost, Drop(share=target.share), Dropped
        )  # what a refresh that was cut off left of this epoch
        attempt = Attempt(self.quorums.links, {*helpers, lost}, within=everybody.left_s)
        asks = {index: _opening(target, helpers, lost, index, asker) for index in sorted(attempt.members)}
        opened: Mapping[int, Opened] = await attempt.ask_each(asks, Opened)
        await run_rounds(attempt, opened)
        kept = await attempt.ask(lost, Keep(session=opened[lost].session), Kept)
        if kept.group_key != target.group_key:
            words = f"wallet {target.share.wallet}: a repair ended with a share of another key"
            raise Tampered("cosigners-disagree", words)


def _opening(target: Target, helpers: list[int], lost: int, index: int, asker: Asker) -> OpenCeremony:
    return OpenCeremony(
        kind="repair-target" if index == lost else "repair-helper",
        share=target.share,
        key_type=target.key_type,
        network=target.network,
        asker=asker,
        helpers=helpers,
        target=lost,
        group_key=target.group_key,
    )


def _is(held: HeldShare, target: Target) -> bool:
    return held.name == target.share and held.state == IN_FORCE


def _repaired(here: Mapping[int, HeldShare]) -> list[int]:
    """Who had no part in the ceremony that made the epoch: it is that of the most; all, where no one session is."""
    ranked = Counter(one.session for one in here.values()).most_common()
    is_known = len(ranked) < 2 or ranked[0][1] > ranked[1][1]  # noqa: PLR2004 (the first and the second)
    return [index for index, one in here.items() if not is_known or one.session != ranked[0][0]]


def _is_later(mine: list[HeldShare], target: Target) -> bool:
    return any(one.name.epoch > target.share.epoch and one.state == IN_FORCE for one in mine)
