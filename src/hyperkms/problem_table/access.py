"""Who asks, and whether they may."""

from hyperkms.errors import (
    Conflict,
    Forbidden,
    Limited,
    Malformed,
    NotFound,
    Refused,
    Tampered,
    Unauthorized,
    Unavailable,
)
from hyperkms.problem_table.entry import Problem, Retry, Situation

_CLIENTS = 'curl -s "$URL/clients" -H "X-API-Key: $KEY"'
_SIGNED = 'hyperkms wallet list --url "$URL"'

ACCESS = Situation(
    title="Who asks",
    words="The API key or the signature is missing or wrong, or its client may not do this.",
    shown_by='curl -i "$URL/wallets" -H "X-API-Key: $KEY"',
    problems=(
        Problem(
            code="invalid-api-key",
            family=Unauthorized,
            title="No valid API key",
            cause=(
                "The request has neither an X-API-Key header nor `Authorization: Bearer` with a key that this service "
                "knows and that is in force. A missing, an unknown, a revoked and an expired key are answered alike."
            ),
            next_step=(
                "Send the key of a client of this service: the administrator's is in `admin.key` in the data "
                "directory. Look for a cut or quoted key, a line break at its end, and a URL that leads to another "
                "service."
            ),
        ),
        Problem(
            code="invalid-signature",
            family=Unauthorized,
            title="No valid request signature",
            cause=(
                "The Hyperkms-Signature header is not of its form, or its signature is not one of exactly this request "
                "(method, path, body, time, Idempotency-Key) by a key of a client that is in force here. All of these "
                "are answered alike."
            ),
            next_step=(
                "Look whether the client has this public key (`hyperkms client show`), and whether a proxy in between "
                "changes the path or the body. A request is signed with its path as the service sees it."
            ),
            shown_by=_SIGNED,
        ),
        Problem(
            code="two-credentials",
            family=Unauthorized,
            title="An API key and a signature",
            cause="The request brings both, and what each of them says could differ.",
            next_step="Send one of them.",
            shown_by=_SIGNED,
        ),
        Problem(
            code="request-for-another-service",
            family=Unauthorized,
            title="The request is signed for another service",
            cause=(
                "The signature is true, and the id of the service in it is not this one's: what was signed for one "
                "service is worth nothing at another."
            ),
            next_step="Set HYPERKMS_SERVICE to the id that `hyperkms client create` showed at this service.",
            shown_by=_SIGNED,
        ),
        Problem(
            code="request-stale",
            family=Unauthorized,
            title="The request's time is not now",
            cause=(
                "The signature is true, and its time is further from this service's clock than "
                "HYPERKMS_REQUEST_WINDOW_S allows: one of the two clocks is wrong, or the request was held up."
            ),
            next_step=(
                "Compare `serverTime` (milliseconds since 1970) with the client's clock; let both follow NTP. "
                "Sign again."
            ),
            shown_by="timedatectl",
        ),
        Problem(
            code="request-replayed",
            family=Unauthorized,
            title="The signed request was accepted before",
            cause="Each signed request is accepted once. This one came a second time, from its client or from another.",
            next_step=(
                "Sign anew what is sent again, under the same Idempotency-Key if it must not be done twice. If the "
                "client did not send it twice, find out who else saw it."
            ),
            shown_by=_SIGNED,
        ),
        Problem(
            code="replay-memory-new",
            family=Unavailable,
            title="Which signed requests were accepted is not known yet",
            cause=(
                "After a start of the machine, or after the loss of the file `replays`, requests that may have been "
                "accepted before are refused: for at most 30 seconds."
            ),
            next_step="Sign again in as many seconds as `detail` says.",
            retry=Retry.AFTER,
            shown_by=_SIGNED,
        ),
        Problem(
            code="replay-memory-full",
            family=Unavailable,
            title="Too many signed requests at one time",
            cause="There is room to remember about 15,000 signed requests a second, and nothing is forgotten early.",
            next_step="Try again in a few seconds, signed anew; find out which client sends so many.",
            retry=Retry.AFTER,
            shown_by=_SIGNED,
        ),
        Problem(
            code="replay-memory-unavailable",
            family=Unavailable,
            title="The memory of signed requests cannot be used",
            cause="The file `replays` in the data directory cannot be read or made, or was replaced under the service.",
            next_step="Put right what `detail` says, and restart the service. Requests with API keys are served.",
            shown_by="ls -l DIR/replays",
        ),
        Problem(
            code="malformed-public-key",
            family=Malformed,
            title="It is no public key for signed requests",
            cause="A public key is written `ed25519:` and 64 hex digits in lower case, and is a point of full order.",
            next_step="Give what `hyperkms identity create` printed.",
            shown_by="hyperkms identity show FILE",
        ),
        Problem(
            code="public-key-taken",
            family=Conflict,
            title="The public key has a use already",
            cause="It is or was a client's here, or a wallet's. Each key has one use, so that records stay clear.",
            next_step="Make another: `hyperkms identity create FILE`.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="scope-missing",
            family=Forbidden,
            title="The client may not do this",
            cause=(
                "The key is valid and its client is not allowed this operation, or it is held to certain wallets and "
                "asked for a new one beside them. In production the key of the setting API_KEY is the client `legacy`, "
                "which reaches the first system's routes and nothing else."
            ),
            next_step="`detail` says what the client may do. Use another key, or have a client made that may do this.",
            shown_by=(
                'curl -i "$URL/hyperliquid/sign" -H "X-API-Key: $KEY" '
                '-d \'{"walletId": "bot-1", "action": {"type": "noop"}}\''
            ),
        ),
        Problem(
            code="client-changed",
            family=Conflict,
            title="The client's grants were changed meanwhile",
            cause=(
                "A grant of the client was given, ended or ran out between the headers of the request and the end of "
                "its body. Nothing was done."
            ),
            next_step="Send it again: it is judged by what the client may now.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="rate-limited",
            family=Limited,
            title="Too many requests",
            cause=(
                "The client asked more often than its limit for this kind of request allows, or too many requests "
                "with a wrong key came from this address. The sentence names the limit; nothing was done."
            ),
            next_step=(
                "Wait as long as `Retry-After` says; the `X-RateLimit-...` headers say what is left. If the limit is "
                "too low for honest work, raise HYPERKMS_LIMIT_... (docs/settings.md). Look for a bot that retries "
                "in a loop."
            ),
            retry=Retry.AFTER,
        ),
        Problem(
            code="malformed-client-name",
            family=Malformed,
            title="The client's name is not of the grammar",
            cause=(
                "A client's name is 1 to 64 ASCII letters, digits, `.`, `_` and `-`, begins with a letter or digit, "
                "and is none of those kept for the API_KEY setting."
            ),
            next_step="Choose a name of that form.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="client-not-found",
            family=NotFound,
            title="There is no such client",
            cause="There never was a client of this name here. Case matters.",
            next_step="Look at the list of clients.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="client-exists",
            family=Conflict,
            title="The client's name is taken",
            cause="A client has this name, or had it once: a name is never used twice, so that records stay clear.",
            next_step="Choose another name, or rotate the key of the client that has it.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="client-ended",
            family=Conflict,
            title="The client has ended",
            cause="The client is revoked or expired, and gets no further key.",
            next_step="Make another client, under another name.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="last-administrator",
            family=Refused,
            title="It is the last administrator",
            cause="Nobody could administer the service any more if this client were revoked.",
            next_step="Make another administrator first.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="too-many-clients",
            family=Refused,
            title="There is room for no more clients",
            cause="Every client has a number for ever, revoked ones included, and all numbers are taken.",
            next_step="Use clients that stand, or a second service with a data directory of its own.",
            shown_by=_CLIENTS,
        ),
        Problem(
            code="client-damaged",
            family=Tampered,
            title="The record of a client is not one of this release",
            cause="The database has a role or an operation of a client that this release does not know.",
            next_step="Look whether a newer release wrote the database; otherwise restore it from a backup.",
            shown_by="hyperkms doctor --data DIR",
        ),
    ),
)
