"""Which grants allow a signature; `operation` as the record names it."""

from hyperkms.access.clients import Client, Operation
from hyperkms.access.grants import Grant
from hyperkms.access.roles import SIGN_ACTIONS
from hyperkms.wallet import KeyType, WalletId

_BY_OPERATION = {
    "sign-action": Operation.TRADE,
    "sign-order": Operation.SIGN_ORDER,
    "sign-message": Operation.SIGN_TEXT,
}


def signs_actions(operation: str) -> bool:
    """Whether the record names a signature of an action so."""
    return _BY_OPERATION[operation] in SIGN_ACTIONS


def grants_to_sign(client: Client, wallet: WalletId, key_type: KeyType, operation: str) -> tuple[Grant, ...]:
    """The client's grants for this with a wallet of this kind; Forbidden if there is none.

    What an Ed25519 wallet signs is bytes whose meaning nobody here knows. An action it never signs.
    """
    needed = _BY_OPERATION[operation]
    if key_type is KeyType.ED25519 and needed is not Operation.TRADE:
        needed = Operation.SIGN_BYTES
    client.require_wallet(wallet, needed)
    return client.grants_for(wallet, needed)
