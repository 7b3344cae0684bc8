"""Nonces of the exchange that a caller chose, and the counters of those that are allocated."""

from hyperkms.errors import Conflict, Malformed, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

NONCES = Situation(
    title="Nonces and counters",
    words="Leave `nonce` out and one is allocated that fits; these come to who chooses their own, or to a wrong clock.",
    shown_by="date +%s%3N",
    problems=(
        Problem(
            code="nonce-outside-window",
            family=Malformed,
            title="The exchange would not take this nonce",
            cause="The exchange takes nonces from 2 days back to 1 day ahead, in milliseconds; this one is outside.",
            next_step="Leave `nonce` out, or give milliseconds since 1970; compare both clocks.",
        ),
        Problem(
            code="nonce-reused",
            family=Conflict,
            title="The nonce was used before",
            cause="This signer has signed with this nonce. A second signature with it could replace the first.",
            next_step="Leave `nonce` out. If the first answer was lost, look at the exchange whether it arrived.",
        ),
        Problem(
            code="nonce-allocated",
            family=Conflict,
            title="The nonce may have been allocated",
            cause="The nonce is not above the numbers that the service has set aside for this signer.",
            next_step="Leave `nonce` out. Do not mix nonces of your own with allocated ones for one signer.",
        ),
        Problem(
            code="nonce-forgotten",
            family=Conflict,
            title="The nonce is too old to tell",
            cause="The nonce is so old that the service no longer remembers whether it was used.",
            next_step="Leave `nonce` out.",
        ),
        Problem(
            code="nonce-ahead-of-clock",
            family=Unavailable,
            title="The next nonce is ahead of the clock",
            cause=(
                "The last nonce of this signer is so far ahead of the machine's clock that the next would be more "
                "than a minute ahead: the clock went back, or very many were drawn at once."
            ),
            next_step="Correct the clock (NTP) and try again; otherwise wait until it has caught up.",
            retry=Retry.YES,
            shown_by="timedatectl",
        ),
        Problem(
            code="clocks-apart",
            family=Unavailable,
            title="This machine's clock and the database's differ",
            cause="Instances share the database and number by its clock; this machine's is more than 5 s away.",
            next_step="Let both follow NTP. The other instances go on meanwhile.",
            retry=Retry.YES,
            shown_by="timedatectl; psql -c 'SELECT now()'",
        ),
        Problem(
            code="counter-file-unavailable",
            family=Unavailable,
            title="The counter file cannot be used",
            cause="The file of counters in the data directory cannot be read, has another size, or was replaced.",
            next_step=(
                "Look at permissions and disk, and restart the service. Never copy an old one back: the numbers in "
                "use are also in the database, and after a loss the service makes a new file above them."
            ),
            retry=Retry.YES,
            shown_by="hyperkms doctor --data DIR",
        ),
        Problem(
            code="counter-file-full",
            family=Unavailable,
            title="There are no counters left",
            cause="Every counter of the file belongs to a signer.",
            next_step="Use a second service with a data directory of its own for further signers.",
        ),
        Problem(
            code="limits-full",
            family=Unavailable,
            title="There is no room for this client's limits",
            cause="The client's number is beyond those for which limits are counted, and nothing is done uncounted.",
            next_step="Use an older client, or a second service with a data directory of its own.",
        ),
    ),
)
