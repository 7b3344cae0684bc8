"""Key versions: rotation, grace and retirement."""

from hyperkms.errors import Conflict, NotFound, Refused, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

KEY_VERSIONS = Situation(
    title="Key versions",
    words="The wallet is there, and this version of its key, or the wallet as a whole, is not in the state it takes.",
    shown_by='curl -s "$URL/wallets/bot-1/versions" -H "X-API-Key: $KEY"',
    problems=(
        Problem(
            code="version-not-found",
            family=NotFound,
            title="The wallet has no such key version",
            cause="Versions are numbered from 1 without gaps, and this number is beyond the newest.",
            next_step="Look at the wallet's versions, or leave `version` out for the current one.",
        ),
        Problem(
            code="version-pending",
            family=Refused,
            title="The key version is not in use yet",
            cause="A secp256k1 wallet was rotated, and the new address waits until the exchange knows it.",
            next_step="Approve the new address at the exchange, then activate the version.",
        ),
        Problem(
            code="version-already-pending",
            family=Conflict,
            title="A new version is waiting already",
            cause="A wallet has at most one pending version, so that no address is made and forgotten.",
            next_step="Activate the pending version, or retire it and rotate again.",
        ),
        Problem(
            code="version-not-pending",
            family=Conflict,
            title="The version does not wait to be activated",
            cause="Only a pending version can be activated; this one is active, in grace or retired.",
            next_step="Look at the wallet's versions. If it is active already, there is nothing to do.",
        ),
        Problem(
            code="version-current",
            family=Conflict,
            title="The current version cannot be retired alone",
            cause="Without it the wallet would sign nothing.",
            next_step="Rotate first and retire the old version, or retire the whole wallet.",
        ),
        Problem(
            code="version-retired",
            family=Refused,
            title="The key version is retired",
            cause="Its grace has ended, or it was retired; its sealed key is destroyed and cannot come back.",
            next_step="Leave `version` out: the current one signs. A bot that names versions must be told the new one.",
        ),
        Problem(
            code="wallet-retired",
            family=Refused,
            title="The wallet is retired",
            cause="Someone retired it; the record says who and why. It never signs again and its id stays taken.",
            next_step="Use another wallet, or make one under another id.",
        ),
        Problem(
            code="wallet-changed",
            family=Conflict,
            title="Another call changed the wallet first",
            cause="Of several changes at the same time one wins; this one was planned on what stood before.",
            next_step="Look at the wallet and ask again if the change is still wanted.",
            retry=Retry.YES,
        ),
        Problem(
            code="key-known",
            family=Conflict,
            title="Another wallet has this key, or had it",
            cause="A key belongs to one wallet for ever, so that its nonces and its retirement are in one place.",
            next_step="Use the wallet that has the key. Lists show addresses; `state=all` adds the retired.",
        ),
        Problem(
            code="sealed-key-being-removed",
            family=Unavailable,
            title="What a cut-off call left is being removed",
            cause=(
                "A call for this wallet and version died or stood still half-way, and the sweep removes the key it "
                "left, or has removed it. Or keys began to be sealed anew at that moment."
            ),
            next_step="Ask again in a moment.",
            retry=Retry.YES,
        ),
    ),
)
