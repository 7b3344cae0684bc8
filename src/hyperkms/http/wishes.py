"""What a body asks to be made, and what its answer adds: the same for wallets of both custodies."""

from starlette.requests import Request

from hyperkms.access.clients import Client
from hyperkms.http.request import wallet_of
from hyperkms.http.schemas import GenerateRequest
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.wallet import Custody, KeyType, Network, Wallet

_NOTE = (
    "This is an ed25519 wallet, as the first system made them. Hyperliquid verifies secp256k1 signatures "
    'only: give "keyType": "secp256k1" for a wallet that trades.'
)


def new_wallet(request: Request, client: Client, body: GenerateRequest) -> NewWallet:
    """The wallet that a client wants; Forbidden if it may make none of this id."""
    wallet_id = wallet_of(request, body.wallet_id)
    client.require_new_wallet(wallet_id)
    return NewWallet(
        id=wallet_id,
        key_type=KeyType(body.key_type) if body.key_type else None,
        network=Network(body.network) if body.network else None,
        metadata=body.metadata or {},
        custody=Custody(body.custody) if body.custody else Custody.STANDARD,
    )


def note_on(wallet: Wallet, body: GenerateRequest) -> str | None:
    """A word to who did not say which kind of key, and got one that trades nowhere."""
    return _NOTE if wallet.key_type is KeyType.ED25519 and body.key_type is None else None
