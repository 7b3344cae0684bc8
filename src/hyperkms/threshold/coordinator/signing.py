"""Signatures by whichever quorum answers first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hyperkms.errors import HyperkmsError
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.prepared import Pools
from hyperkms.threshold.coordinator.quorum import Durations, First, Quorums
from hyperkms.threshold.coordinator.signing_dkls import Dkls
from hyperkms.threshold.coordinator.signing_frost import Frost
from hyperkms.threshold.coordinator.target import DKLS, FROST, Cosigned, Protocol, Target
from hyperkms.threshold.coordinator.versions import Versions
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Asker, Intent

PENDING = "version-pending"
SPREAD_S = 1.0


def _durations() -> dict[Protocol, Durations]:
    return {FROST: Durations(), DKLS: Durations()}


@dataclass(frozen=True)
class Signing:
    """The signatures of one group."""

    quorums: Quorums
    group: cosign.Group
    pools: Pools
    versions: Versions
    durations: dict[Protocol, Durations] = field(default_factory=_durations)
    background: set[asyncio.Task[Cosigned]] = field(default_factory=set)
    """Attempts that are under way, also those whose outcome nobody waits for any more."""

    async def sign(self, target: Target, intent: Intent, asker: Asker, form: cosign.Form, *, within: float) -> Cosigned:
        """The signature; Unavailable (`insufficient-shares`) if fewer than t answer, or the refusal of those who do."""

        async def work(attempt: Attempt) -> Cosigned:
            try:
                return await self.by(attempt, target, intent, asker, form)
            except HyperkmsError as error:
                if error.code != PENDING:
                    raise
                await self.versions.spread(target.share.wallet, target.share.version, error, within=SPREAD_S)
            attempt.forgive(PENDING)
            return await self.by(attempt, target, intent, asker, form)

        durations = self.durations[target.protocol]
        first = First(self.quorums, work, durations, within=within, background=self.background)
        return await first.outcome()

    async def by(self, attempt: Attempt, target: Target, intent: Intent, asker: Asker, form: cosign.Form) -> Cosigned:
        """The signature by these members."""
        if target.protocol == FROST:
            frost = Frost(pools=self.pools, group=self.group, target=target, intent=intent, asker=asker, form=form)
            return await frost.sign(attempt)
        return await Dkls(group=self.group, target=target, intent=intent, asker=asker, form=form).sign(attempt)
