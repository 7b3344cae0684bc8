"""May this client do this with this wallet: asked before a key is touched."""

from hyperkms.access import signing_grants
from hyperkms.access.clients import Client, Operation
from hyperkms.access.grants import Grant
from hyperkms.operations.parts import Parts
from hyperkms.wallet import Wallet, WalletId
from hyperkms.wallet_life import WalletHistory


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
    """The grants for this with a wallet of this kind; `operation` as the record names it; Forbidden if none."""
    return signing_grants.grants_to_sign(client, wallet.id, wallet.key_type, operation)
