"""A refresh that was cut off, or whose coordinator meant ill: brought to its end, or undone everywhere.

Until it is, every cosigner holds the epoch before as well, and signs with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.ceremonies import Ceremonies, whole
from hyperkms.threshold.coordinator.repairing import IN_FORCE, Repairs
from hyperkms.threshold.coordinator.target import Target, target_of
from hyperkms.threshold.wire import (
    Asker,
    Commit,
    Done,
    Drop,
    Dropped,
    Held,
    HeldShare,
    InForce,
    OpenCeremony,
    Release,
    Shares,
    Word,
)

_SEALED = frozenset({"kept", IN_FORCE, "superseded"})


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of it."""

    finished: Target | None = None
    """The epoch that a cut-off refresh has made, now in force at all; None where nothing was to be finished."""
    repaired: tuple[int, ...] = ()
    """Whose share of the epoch in force was made by others."""


@dataclass(frozen=True)
class Settling:
    """That of one group."""

    ceremonies: Ceremonies
    repairs: Repairs

    async def settle(self, wallet: str, version: int, asker: Asker, *, within: float) -> Settled:
        """Of a version, leave one epoch that all hold, or that all who hold anything hold.

        1. Where all keep the newest epoch that is in force anywhere, it comes into force at all.
        2. Where so few have it in force that it could not be made for the others, all let go of it.
        3. Else it is made for the others by those who have it in force.
        """
        everybody = await self.ceremonies.everybody(within)
        answers = await everybody.ask_all(Shares(wallet=wallet), Held)
        held = {
            index: [one for one in answer.shares if one.name.version == version and one.state in _SEALED]
            for index, answer in answers.items()
        }
        newest = max(
            (one for mine in held.values() for one in mine if one.state == IN_FORCE),
            key=lambda one: one.name.epoch,
            default=None,
        )
        if newest is None:
            return Settled()
        here = {
            index: one
            for index, mine in held.items()
            for one in mine
            if (one.name, one.group_key) == (newest.name, newest.group_key)
        }
        if here.keys() == everybody.members:
            return await self._finish(everybody, held, here, newest, asker)  # (1)
        if not _is_superseded(held):
            return Settled()  # no refresh is under way: a cosigner has no share at all, and is repaired
        return await self._undo_or_repair(everybody, here, newest, asker)  # (2) (3)

    async def _finish(
        self,
        everybody: Attempt,
        held: Mapping[int, list[HeldShare]],
        here: Mapping[int, HeldShare],
        newest: HeldShare,
        asker: Asker,
    ) -> Settled:
        if all(one.state == IN_FORCE for one in here.values()):
            if not _is_superseded(held):
                return Settled()
            await self._release(everybody, newest)
            return Settled(finished=target_of(newest))
        ask = OpenCeremony(
            kind="refresh", share=newest.name, key_type=newest.key_type, network=newest.network, asker=asker
        )
        made = whole(here, everybody.members, ask, newest.name)
        if made is None:
            return Settled()
        await self.ceremonies.commit(everybody, made, await self.ceremonies.test(everybody, made.target))
        return Settled(finished=replace(made.target, prepared=False))

    async def _release(self, everybody: Attempt, newest: HeldShare) -> None:
        words = await everybody.ask_all(Commit(share=newest.name, acknowledgements=[], tests=[]), InForce)
        in_force = [words[index].statement for index in sorted(words)]
        await everybody.ask_all(Release(share=newest.name, in_force=in_force), Done)

    async def _undo_or_repair(
        self, everybody: Attempt, here: Mapping[int, HeldShare], newest: HeldShare, asker: Asker
    ) -> Settled:
        holders = sorted(index for index, one in here.items() if one.state == IN_FORCE)
        others = sorted(everybody.members.difference(holders))
        ask = Drop(share=newest.name, group_key=newest.group_key)
        words = await everybody.ask_each(dict.fromkeys(others, ask), Dropped)
        threshold = self.ceremonies.quorums.group.threshold
        if len(holders) >= threshold:
            for index in others:
                await self.repairs.repair(everybody, target_of(newest), holders[:threshold], index, asker)
            await self._release(everybody, newest)
            return Settled(repaired=tuple(others))
        dropped = [Word(member=index, statement=word.statement) for index, word in words.items()]
        ask = Drop(share=newest.name, group_key=newest.group_key, dropped=dropped)
        await everybody.ask_each(dict.fromkeys(holders, ask), Dropped)
        return Settled()


def _is_superseded(held: Mapping[int, list[HeldShare]]) -> bool:
    """Whether an epoch waits anywhere to be destroyed, or to come back."""
    return any(one.state == "superseded" for mine in held.values() for one in mine)
