"""Who asks, and whether they may."""

from hyperkms.errors import Conflict, Forbidden, Limited, Malformed, NotFound, Refused, Tampered, Unauthorized
from hyperkms.problem_table.entry import Problem, Retry, Situation

_CLIENTS = 'curl -s "$URL/clients" -H "X-API-Key: $KEY"'

ACCESS = Situation(
    title="Who asks",
    words="The API key is missing or wrong, or its client may not do this.",
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
