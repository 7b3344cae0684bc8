"""Hyperliquid actions and order payloads."""

from hyperkms.errors import Malformed, Refused
from hyperkms.problem_table.entry import Problem, Situation

_SIGN = 'curl -i "$URL/hyperliquid/sign" -H "X-API-Key: $KEY" -d '

ACTIONS = Situation(
    title="Actions and orders",
    words="The exchange would refuse the action, or read it otherwise than it was meant; so it is not signed.",
    shown_by=f'{_SIGN}\'{{"walletId": "bot-1", "action": {{"type": "noop"}}}}\'',
    problems=(
        Problem(
            code="unknown-action",
            family=Malformed,
            title="An action of this type is not signed",
            cause="The action's type is none of those that this release has a schema for. It signs nothing blindly.",
            next_step="Use one of the types that `detail` lists.",
        ),
        Problem(
            code="action-not-allowed",
            family=Refused,
            title="The wallet's policy does not allow this action",
            cause=(
                "The action can be read, and the policy that holds for the wallet does not list its type in `allow`. "
                "The built-in policy `trade-only` allows orders, cancels, modifications, leverage, scheduled cancels "
                "and noops."
            ),
            next_step=(
                "Trade with this wallet, and move funds or approve agents with another one, whose policy allows that: "
                "`hyperkms policy apply` (docs/policy.md)."
            ),
            shown_by=f'{_SIGN}\'{{"walletId": "bot-1", "action": {{"type": "claimRewards"}}}}\'',
        ),
        Problem(
            code="member-not-signed",
            family=Malformed,
            title="The signature does not cover this member of the request",
            cause=(
                "The exchange hashes no vault address with actions of an account for itself, and neither vault address "
                "nor expiry with user-signed ones. Who sends one would believe that it holds."
            ),
            next_step="Leave out the member that `field` names.",
            shown_by=(
                f'{_SIGN}\'{{"walletId": "bot-1", "action": {{"type": "claimRewards"}}, '
                '"vaultAddress": "0x1719884eb866cb12b2287399b15f7db5e7d775ea"}\''
            ),
        ),
        Problem(
            code="nonce-mismatch",
            family=Malformed,
            title="The action's own nonce is not the request's",
            cause="Some actions repeat the nonce inside (`nonce` or `time`), and the exchange wants both to be equal.",
            next_step="Leave both out: the service fills them in. Or give the same number in both places.",
        ),
        Problem(
            code="unknown-coin",
            family=Malformed,
            title="The exchange lists no such coin",
            cause="The coin's name is not in the exchange's list for the wallet's network. Case matters.",
            next_step="Take one of the names in `nearest`. A coin of mainnet may not be on testnet.",
            shown_by=(
                "curl -s https://api.hyperliquid-testnet.xyz/info "
                """-H 'content-type: application/json' -d '{"type": "meta"}'"""
            ),
        ),
        Problem(
            code="not-canonical",
            family=Malformed,
            title="The number is right and its form is not",
            cause=(
                "The exchange hashes numbers as text without zeros at the end: `2000.0` and `2000` have different "
                "hashes, and the signature of the wrong one belongs to an unknown address."
            ),
            next_step="Send the text that stands in `canonical`.",
        ),
        Problem(
            code="invalid-price",
            family=Malformed,
            title="The exchange does not accept this price",
            cause=(
                "A price is above 0, with at most 5 significant figures (whole numbers may have more) and at most 6 "
                "decimals (perps) or 8 (spot), less the decimals of the size."
            ),
            next_step="Round it; `nearest` is the nearest price that is accepted.",
        ),
        Problem(
            code="invalid-size",
            family=Malformed,
            title="The exchange does not accept this size",
            cause="A size is above 0 for an order, with no more decimals than the exchange's list allows for the coin.",
            next_step="Round it; `nearest` is the nearest size that is accepted. Rounding down never buys too much.",
        ),
        Problem(
            code="invalid-number",
            family=Malformed,
            title="The exchange does not accept this number",
            cause="The number has more decimals than the exchange reads there.",
            next_step="Round it; `nearest` is the nearest number that is accepted.",
        ),
        Problem(
            code="stale-timestamp",
            family=Malformed,
            title="The payload's timestamp is not now",
            cause=(
                "`timestamp` of a sign-order payload is more than 60 s from this machine's clock: the bot's clock or "
                "the service's is wrong, the payload waited, or it is in seconds instead of milliseconds."
            ),
            next_step="Make the payload when it is sent, in milliseconds, and compare both clocks.",
            shown_by="date +%s%3N",
        ),
        Problem(
            code="already-expired",
            family=Malformed,
            title="The action has expired already",
            cause="`expiresAfter` is not after now, so the exchange would refuse the action.",
            next_step="Give a time after now, in milliseconds, or leave it out; compare both clocks.",
            shown_by="date +%s%3N",
        ),
        Problem(
            code="integer-key",
            family=Malformed,
            title="A key of the payload is a whole number",
            cause=(
                "An ed25519 wallet signs the payload as JavaScript would print it, and JavaScript moves keys like "
                '`"1"` to the front: signer and verifier would see different bytes.'
            ),
            next_step='Rename the key, e.g. `"n1"`, or use a list.',
        ),
    ),
)
