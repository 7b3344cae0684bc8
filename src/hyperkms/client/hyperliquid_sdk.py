"""The official Python SDK (hyperliquid-python-sdk 0.24), signing through hyperkms.

    client = SigningClient.from_environment()
    exchange = RemoteExchange(RemoteWallet(client, "bot-1"), "https://api.hyperliquid-testnet.xyz")
    exchange.order("ETH", True, 0.1, 2900.5, {"limit": {"tif": "Gtc"}})

If the wallet is an agent, give `account_address` as with a local key: the account it trades for.

The SDK shows a wallet nothing but a hash, and hyperkms signs no hashes. So the two functions that still see the action
are hooked: `sign_l1_action`, as `hyperliquid.exchange` imported it, and `sign_user_signed_action`. The hooks hold no
state: they go by the wallet of the call, and calls for other wallets reach the originals. The service numbers the
action, so what `RemoteExchange` posts is the action and nonce of its answer; the SDK's own timestamp is not used. What
the wallet's policy does not allow is refused by the service, as `Refused`.
"""

from typing import Any, NoReturn

from hyperliquid import exchange as sdk
from hyperliquid.utils import signing as sdk_signing

from hyperkms.client.errors import NotSignable
from hyperkms.client.results import SignedAction
from hyperkms.client.signable import not_signable, unnumbered
from hyperkms.client.synchronous import SigningClient

_original_l1 = sdk.sign_l1_action
_original_user_signed = sdk_signing.sign_user_signed_action


class RemoteWallet:
    """Stands where the SDK wants a wallet. It holds no key: `address` is all it knows of it.

    The address is asked for if it is not given. NotSignable for a wallet without one: the exchange verifies no other.
    """

    def __init__(self, client: SigningClient, wallet_id: str, address: str | None = None) -> None:
        found = address or client.public_key(wallet_id).address
        if found is None:
            raise NotSignable(f"wallet {wallet_id} has no secp256k1 key; the exchange verifies no other")
        self.address: str = found
        self._client = client
        self._wallet_id = wallet_id

    def sign_action(
        self,
        action: dict[str, Any],
        *,
        nonce: int | None = None,
        vault_address: str | None = None,
        expires_after: int | None = None,
        network: str | None = None,
    ) -> SignedAction:
        """The action, numbered and signed by the service; ServiceError if that refuses it."""
        return self._client.sign_action(
            self._wallet_id,
            unnumbered(action),
            nonce=nonce,
            vault_address=vault_address,
            expires_after=expires_after,
            network=network,
        )

    def sign_message(self, _hashed: object) -> NoReturn:
        """Where every other signing function of the SDK ends, with a hash that says nothing."""
        raise not_signable("a hash, which says nothing")


class RemoteExchange(sdk.Exchange):  # type: ignore[misc]  # the SDK is published without types
    """The SDK's Exchange for a RemoteWallet; takes the same arguments.

    Any number of them may work at once, each with its own wallet.
    """

    last_signed: SignedAction | None = None
    """What was posted last, as it was signed; for reports only."""

    def _post_action(self, action: object, signature: object, nonce: object) -> Any:  # noqa: ARG002 (as the SDK calls it)
        if not isinstance(signature, SignedAction):
            raise NotSignable("a RemoteExchange posts what the service signed, and this it did not: use a RemoteWallet")
        self.last_signed = signature
        return self.post("/exchange", signature.post())


def _sign_l1_action(  # noqa: PLR0913, PLR0917 (the signature of the function it stands for)
    wallet: Any, action: Any, active_pool: str | None, nonce: int, expires_after: int | None, is_mainnet: Any
) -> Any:
    if not isinstance(wallet, RemoteWallet):
        return _original_l1(wallet, action, active_pool, nonce, expires_after, is_mainnet)
    return wallet.sign_action(
        action,
        # Only a noop's number is the caller's choice: to use it up is its purpose.
        nonce=nonce if action["type"] == "noop" else None,
        vault_address=active_pool,
        expires_after=expires_after,
        # As in the SDK: a wallet of the other network is refused here, not misread by the exchange.
        network="mainnet" if is_mainnet else "testnet",
    )


def _sign_user_signed_action(wallet: Any, action: Any, types: Any, primary_type: Any, is_mainnet: Any) -> Any:
    if not isinstance(wallet, RemoteWallet):
        return _original_user_signed(wallet, action, types, primary_type, is_mainnet)
    return wallet.sign_action(action, network="mainnet" if is_mainnet else "testnet")


sdk.sign_l1_action = _sign_l1_action
sdk_signing.sign_user_signed_action = _sign_user_signed_action
