"""May this client do this with this wallet: asked before a key is touched."""

from hyperkms.access.clients import Client, Operation
from hyperkms.access.grants import Grant
from hyperkms.access.roles import SIGN_ACTIONS
from hyperkms.operations.parts import Parts
from hyperkms.wallet import KeyType, Wallet, WalletId
from hyperkms.wallet_life import WalletHistory

_BY_OPERATION = {
    "sign-action": Operation.TRADE,
    "sign-order": Operation.SIGN_ORDER,
    "sign-message": Operation.SIGN_TEXT,
}


def signs_actions(operation: str) -> bool:
    """Whether the record names a signature of an action so."""
    return _BY_OPERATION[operation] in SIGN_ACTIONS


def wallet_for(parts: Parts, client: Client, wallet: WalletId, operation: Operation) -> Wallet:
    """The wallet; NotFound in the same words if the client has no grant for it or it is not there.

    Forbidden if the client has a grant for it, and none for this operation.
    """
    client.require_wallet(wallet, operation)
    return parts.wallets.get(wallet)


def history_for(parts: Parts, client: Client, wallet: WalletId, operation: Operation) -> WalletHistory:
    """The wallet with all its versions, under the same rule."""
    client.require_wallet(wallet, operation)
    return parts.wallets.history(wallet)


def grants_to_sign(client: Client, wallet: Wallet, operation: str) -> tuple[Grant, ...]:
    """The client's grants for this with a wallet of this kind; `operation` as the record names it.

    Forbidden if there is none. What an Ed25519 wallet signs is bytes whose meaning nobody here knows. An action it
    never signs.
    """
    needed = _BY_OPERATION[operation]
    if wallet.key_type is KeyType.ED25519 and needed is not Operation.TRADE:
        needed = Operation.SIGN_BYTES
    client.require_wallet(wallet.id, needed)
    return client.grants_for(wallet.id, needed)
