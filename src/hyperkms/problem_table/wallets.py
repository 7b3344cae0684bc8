"""Wallets: their names, key types and networks."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused
from hyperkms.problem_table.entry import Problem, Retry, Situation

WALLETS = Situation(
    title="Wallets",
    words="The wallet is not there, is there already, or is not one for this request.",
    shown_by='curl -s "$URL/wallets" -H "X-API-Key: $KEY"',
    problems=(
        Problem(
            code="malformed-wallet-id",
            family=Malformed,
            title="The wallet's id is not of the grammar",
            cause="A walletId is 1 to 64 ASCII letters, digits, `.`, `_` and `-`, and begins with a letter or digit.",
            next_step="Choose an id of that form. Ids of the first system with other characters need a new name.",
        ),
        Problem(
            code="wallet-not-found",
            family=NotFound,
            title="There is no such wallet",
            cause=(
                "No wallet has this id here, or the client is held to other wallets: both are answered alike. Ids are "
                "compared letter by letter, and case matters."
            ),
            next_step=(
                "Look at the list of wallets. If it is empty, the service may run on another data directory than "
                "the one the wallet was made in: `data` in its first log line says which. Do not make your bot "
                "generate a wallet when this comes: it would trade with a new, empty address."
            ),
        ),
        Problem(
            code="wallet-exists",
            family=Conflict,
            title="The wallet exists already",
            cause="A wallet has this id. An id is never used twice and a key is never overwritten.",
            next_step="Use the wallet that stands there, or take another id. A bot may take this answer as success.",
        ),
        Problem(
            code="wallet-unfinished",
            family=Conflict,
            title="The wallet is half made",
            cause=(
                "An earlier call for this id was cut off after its key was stored, or is under way now, and it asked "
                "for another key type or network, or imported another key."
            ),
            next_step="Ask for exactly what `detail` names, which finishes that wallet, or take another id.",
        ),
        Problem(
            code="wrong-key-type",
            family=Malformed,
            title="The wallet's key is of another type",
            cause=(
                "A Hyperliquid action needs a secp256k1 wallet and this one is ed25519. POST /wallets/generate makes "
                "ed25519 unless the body or HYPERKMS_DEFAULT_KEY_TYPE says otherwise, as the first system did."
            ),
            next_step='Make a wallet with `"keyType": "secp256k1"`. A key never changes its type.',
        ),
        Problem(
            code="message-of-a-request",
            family=Refused,
            title="The message is what a client signs of a request, or an approver of an action",
            cause=(
                "It begins with `hyperkms request v1` or `hyperkms approval v1` and a line break, as all that a "
                "request key signs. No wallet signs that: whoever may let it sign bytes could else ask as a client, "
                "or approve."
            ),
            next_step="Sign another message; requests are signed by hyperkms.client with a key of its own.",
        ),
        Problem(
            code="wrong-network",
            family=Refused,
            title="The wallet belongs to the other network",
            cause="A wallet is bound to mainnet or testnet when it is made, and signs for nothing else, ever.",
            next_step="Look whether the bot's network is what you mean; then use or make a wallet of that network.",
        ),
        Problem(
            code="network-required",
            family=Malformed,
            title="Nobody says which network",
            cause=(
                "A secp256k1 wallet is bound to mainnet or testnet, and neither the body nor HYPERKMS_NETWORK names "
                "one; or the wallet is bound to `any`, and then each request names one."
            ),
            next_step='Give `"network": "testnet"` or `"mainnet"`, or set HYPERKMS_NETWORK and start again.',
            shown_by="hyperkms config",
        ),
        Problem(
            code="network-not-used",
            family=Malformed,
            title="An ed25519 wallet has no network",
            cause="The body names a network for an ed25519 wallet, which signs opaque bytes for no network.",
            next_step='Leave `network` out, or give `"keyType": "secp256k1"` for a wallet that trades.',
        ),
        Problem(
            code="sealed-key-exists",
            family=Conflict,
            title="A sealed key stands there already",
            cause="Something else stored a key for this wallet and version first. No key was overwritten.",
            next_step="Ask again: the wallet is listed now, or the next answer says what stands there.",
            retry=Retry.YES,
        ),
        Problem(
            code="sealed-key-not-found",
            family=NotFound,
            title="There is no sealed key",
            cause="The key store has no sealed key for this wallet and version.",
            next_step="Run `hyperkms doctor` on the data directory; restore it from a backup if keys were lost.",
            shown_by="hyperkms doctor --data DIR",
        ),
    ),
)
