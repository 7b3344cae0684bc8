"""Who asks, and whether they may."""

from hyperkms.errors import Forbidden, Unauthorized
from hyperkms.problem_table.entry import Problem, Situation

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
                "knows. A missing, an unknown and a mistyped key are answered alike."
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
            title="The client may not use this route",
            cause=(
                "The key is valid and its client does not reach this route. In production the key of the setting "
                "API_KEY is the client `legacy`, which reaches the first system's routes and nothing else."
            ),
            next_step="Use a key of a client that has the scope; docs/api.md names the scope of every route.",
            shown_by=(
                'curl -i "$URL/hyperliquid/sign" -H "X-API-Key: $KEY" '
                '-d \'{"walletId": "bot-1", "action": {"type": "noop"}}\''
            ),
        ),
    ),
)
