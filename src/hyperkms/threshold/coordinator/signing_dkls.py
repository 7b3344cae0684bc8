"""secp256k1 signatures by DKLs23: in rounds among exactly t cosigners, of which the coordinator sees sealed bytes."""

from __future__ import annotations

from dataclasses import dataclass

from hyperkms.errors import Tampered
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.relay import run_rounds
from hyperkms.threshold.coordinator.target import DKLS, Cosigned, Target
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Asker, Intent, Opened, OpenSigning


@dataclass(frozen=True, kw_only=True)
class Dkls:
    """One digest to sign, by whichever quorum."""

    group: cosign.Group
    target: Target
    intent: Intent
    asker: Asker
    form: cosign.Form

    async def sign(self, attempt: Attempt) -> Cosigned:
        """The signature of these members, verified.

        1. Have every signer decide, and open a session.  2. Hand on their messages until all are done.
        3. Verify what came of it: low s, and a v that leads back to the wallet's key.
        """
        signers = sorted(attempt.members)
        ask = OpenSigning(
            share=self.target.share,
            signers=signers,
            intent=self.intent,
            asker=self.asker,
            prepared=self.target.prepared,
        )
        opened = await attempt.ask_all(ask, Opened)  # (1)
        ended = await run_rounds(attempt, opened)  # (2)
        found = {answer.signature for answer in ended.last.values()}
        if len(found) != 1:
            raise Tampered("cosigner-protocol-failed", "the cosigners ended with different signatures")
        signature = found.pop()
        self.form.verify(self.target.public_key, signature)  # (3)
        return Cosigned(
            signature=signature,
            digest=self.form.digest,
            session=ended.session,
            signers=tuple(signers),
            protocol=DKLS,
        )
