"""May this client do this with this wallet: asked before a key is touched."""

from hyperkms.access.clients import Client, Operation
from hyperkms.operations.parts import Parts
from hyperkms.wallet import KeyType, Wallet, WalletId
from hyperkms.wallet_life import WalletHistory

_BY_OPERATION = {
    "sign-action": Operation.TRADE,
    "sign-order": Operation.SIGN_ORDER,
    "sign-message": Operation.SIGN_TEXT,
}


def wallet_for(parts: Parts, client: Client, wallet: WalletId) -> Wallet:
    """The wallet; NotFound in the same words if it is not the client's or is not there."""
    client.require_wallet(wallet)
    return parts.wallets.get(wallet)


def history_for(parts: Parts, client: Client, wallet: WalletId) -> WalletHistory:
    """The wallet with all its versions, under the same rule."""
    client.require_wallet(wallet)
    return parts.wallets.history(wallet)


def require_permission(client: Client, wallet: Wallet, operation: str) -> None:
    """Forbidden unless the client may do this with a wallet of this kind; `operation` as the record names it.

    What an Ed25519 wallet signs is bytes whose meaning nobody here knows. An action it never signs.
    """
    client.require_wallet(wallet.id)
    needed = _BY_OPERATION[operation]
    if wallet.key_type is KeyType.ED25519 and needed is not Operation.TRADE:
        needed = Operation.SIGN_BYTES
    client.require(needed)
