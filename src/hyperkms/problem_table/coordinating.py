"""A service and its cosigners: who is away, what is unfinished, what it is configured to."""

from hyperkms.errors import Malformed, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

_LOOK = "Look at `GET /mpc/status`, at the log of this service (cosigner-away) and at the cosigner that is named."

COORDINATING = Situation(
    title="Wallets in shares",
    words="A key in shares signs while a threshold of its cosigners answers; all of them take part in making it.",
    shown_by='curl -s "$URL/mpc/status"',
    problems=(
        Problem(
            code="mpc-disabled",
            family=Malformed,
            title="MPC is not enabled",
            cause="A route for wallets in shares, and no MPC_ENABLED=true. The sentence is the first system's.",
            next_step="Set MPC_ENABLED=true, or use /wallets/... with a wallet of one key (docs/choosing.md).",
        ),
        Problem(
            code="mpc-off",
            family=Refused,
            title="The key is in shares, and there are no cosigners here",
            cause="The wallet was made with MPC_ENABLED=true, and the service was started without.",
            next_step="Set MPC_ENABLED=true again, with the same HYPERKMS_MPC_GROUP if there was one.",
        ),
        Problem(
            code="insufficient-shares",
            family=Unavailable,
            title="Too few cosigners answer",
            cause="Fewer than the threshold answered in time; making, refreshing and rotating a key takes all of them.",
            next_step=_LOOK,
            retry=Retry.YES,
        ),
        Problem(
            code="cosigner-away",
            family=Unavailable,
            title="A cosigner does not answer",
            cause="There is no connection to it, or it gave no answer in time.",
            next_step=_LOOK,
            retry=Retry.YES,
        ),
        Problem(
            code="cosigner-failed",
            family=Unavailable,
            title="A cosigner failed",
            cause="It answered with what is no answer of its protocol, or without saying at what it failed.",
            next_step=_LOOK,
            retry=Retry.YES,
        ),
        Problem(
            code="cosigners-late",
            family=Unavailable,
            title="The cosigners did not come to an end",
            cause="The time for it is over: 5 s for a signature, 30 s for a key; or the service is ending.",
            next_step=_LOOK,
            retry=Retry.YES,
        ),
        Problem(
            code="cosigners-disagree",
            family=Tampered,
            title="The cosigners came to different keys",
            cause="Each verified what the others sent, and they ended with different public keys all the same.",
            next_step="Nothing was made. Compare the releases of the cosigners, and look at their hosts.",
        ),
        Problem(
            code="shares-left",
            family=Unavailable,
            title="Shares are not destroyed yet",
            cause="A cosigner was away when a version was retired. The service signs with it no more.",
            next_step="Nothing: it is tried again until every cosigner has destroyed its share.",
            retry=Retry.YES,
        ),
        Problem(
            code="unaudited-ecdsa",
            family=Refused,
            title="secp256k1 in shares is not audited",
            cause="DKLs23 and the library that is used for it had no public audit, and production asks for a decision.",
            next_step="Read docs/mpc.md; then set HYPERKMS_ACCEPT_UNAUDITED_ECDSA=true, or use a single key.",
        ),
        Problem(
            code="metadata-of-another-group",
            family=Malformed,
            title="The cosigners are another number",
            cause="`metadata` of a new wallet says threshold, shareCount or mpcEnabled, and the group of this service "
            "is another. Every wallet in shares has the threshold of the group.",
            next_step="Leave these members out. `GET /mpc/status` says the size; another one needs another group.",
        ),
        Problem(
            code="batch-too-large",
            family=Malformed,
            title="Too many of a wallet in shares in one batch",
            cause="Each takes its cosigners several milliseconds, and the whole batch would wait for the last.",
            next_step="Send them in batches of at most 50.",
        ),
    ),
)

CONNECTING = Situation(
    title="A service that is started with MPC",
    words="MPC_ENABLED=true, and what goes with it.",
    shown_by="hyperkms config",
    over_http=False,
    problems=(
        Problem(
            code="embedded-in-production",
            family=Refused,
            title="Cosigners on one machine are for development",
            cause="MPC_ENABLED=true without HYPERKMS_MPC_GROUP: who has this machine would have every share.",
            next_step="Describe a group on three hosts and name it in HYPERKMS_MPC_GROUP, or unset MPC_ENABLED.",
        ),
        Problem(
            code="not-a-coordinator",
            family=Refused,
            title="The group does not know this service",
            cause="The cosigners take signed requests for the services in `coordinators` of their description alone.",
            next_step="Add the id of this service there, at every cosigner, and compare fingerprints.",
        ),
        Problem(
            code="another-threshold",
            family=Refused,
            title="The group has another threshold",
            cause="MPC_THRESHOLD_REQUIRED or MPC_THRESHOLD_TOTAL differ from the group whose shares stand.",
            next_step="Unset them, or set them as the group is; another threshold needs another group and new wallets.",
        ),
        Problem(
            code="cosigner-not-started",
            family=Unavailable,
            title="A cosigner could not be made",
            cause="The directory of a cosigner below <data>/cosigners could not be made; the sentence is its own.",
            next_step="Remove what the sentence says, and start again: what is made already is kept.",
            retry=Retry.YES,
        ),
    ),
)
