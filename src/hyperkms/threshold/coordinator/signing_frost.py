"""Ed25519 signatures by FROST (RFC 9591): with commitments at hand, one round trip to each signer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.prepared import Pools
from hyperkms.threshold.coordinator.target import FROST, Cosigned, Target
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Asker, Intent, ShareGiven, SignShare

USED = "commitment-used"
TRIES = 8
"""With new commitments, each made after the last was refused, and a longer pause after each."""
PAUSE_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Frost:
    """One message to sign, by whichever quorum."""

    pools: Pools
    group: cosign.Group
    target: Target
    intent: Intent
    asker: Asker
    form: cosign.Form

    async def sign(self, attempt: Attempt) -> Cosigned:
        """The signature of these members, verified.

        1. Take commitments that were prepared.  2. Have every signer decide, and give its share.
        3. Put the shares together; who gave a wrong one is named.  4. Verify the signature as anyone would.
        """
        for number in range(TRIES):
            try:
                return await self._once(attempt)
            except HyperkmsError as error:  # by its code: of what kind it is, is a cosigner's word
                if error.code != USED:
                    raise
            # A cosigner was started again, or has had more prepared than there is room for: by another coordinator, or
            # by all that waited for it while it was stopped. That is no refusal of what is asked.
            attempt.forgive(USED)
            self.pools.of(self.target, attempt.members).forget()
            await asyncio.sleep(number * PAUSE_S)
        words = f"{TRIES} times a cosigner had let go of what it had prepared before it was used"
        raise Unavailable("cosigner-busy", words)

    async def _once(self, attempt: Attempt) -> Cosigned:
        signers = sorted(attempt.members)
        pool = self.pools.of(self.target, attempt.members)
        commitments = await pool.take(attempt)  # (1)
        try:
            given = await attempt.ask_all(self._ask(signers, list(commitments)), ShareGiven)  # (2)
        finally:
            pool.give_back()
        signature = cosign.aggregate(  # (3)
            self.group,
            self.target.context(self.group, signers[0]),
            self.target.group_key,
            attempt.members,
            commitments,
            self.form,
            [given[index].share for index in signers],
        )
        self.form.verify(self.target.public_key, signature)  # (4)
        return Cosigned(
            signature=signature,
            digest=self.form.digest,
            session=cosign.session_of_commitments(commitments),
            signers=tuple(signers),
            protocol=FROST,
        )

    def _ask(self, signers: list[int], commitments: list[bytes]) -> SignShare:
        return SignShare(
            share=self.target.share,
            signers=signers,
            commitments=commitments,
            intent=self.intent,
            asker=self.asker,
            prepared=self.target.prepared,
        )
