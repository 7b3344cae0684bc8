"""The official Python SDK (hyperliquid-python-sdk 0.24.0), signing through hyperkms.

    service = Service(url, api_key)
    exchange = RemoteExchange(RemoteWallet(service, wallet_id, address), base_url)
    exchange.order("ETH", True, 0.1, 2900.5, {"limit": {"tif": "Gtc"}})

The SDK shows a wallet nothing but a hash, and hyperkms signs no hashes. So one function is hooked, the one that
still sees the action: `sign_l1_action`, as `hyperliquid.exchange` imported it. The hook holds no state: it goes by
the wallet of the call, and calls for ordinary wallets reach the original. The service numbers the action, so what
`RemoteExchange` posts is the action and nonce of its answer; the SDK's own timestamp is not used.
"""

from typing import Any, NoReturn

from hyperliquid import exchange as sdk

from demo.errors import NotAnAction
from demo.service import Service, SignedAction

_original = sdk.sign_l1_action


class RemoteWallet:
    """Stands where the SDK wants a wallet. It holds no key: `address` is all it knows of it."""

    def __init__(self, service: Service, wallet_id: str, address: str) -> None:
        self.address = address
        self._service = service
        self._wallet_id = wallet_id

    def sign_action(self, request: dict[str, Any]) -> SignedAction:
        """The action of a request to POST /hyperliquid/sign, signed; ServiceFailed if it is refused."""
        return self._service.sign_action({"walletId": self._wallet_id, **request})

    def sign_message(self, _hashed: object) -> NoReturn:
        """Where every other signing function of the SDK ends, `sign_user_signed_action` among them."""
        raise NotAnAction(
            f"wallet {self._wallet_id}: this release signs L1 trading actions only (order, cancel, modify, leverage, "
            "scheduleCancel, noop), and neither transfers nor approvals"
        )


class RemoteExchange(sdk.Exchange):  # type: ignore[misc]  # the SDK is published without types
    """The SDK's Exchange for a RemoteWallet; takes the same arguments.

    Any number of them may work at once, each with its own wallet.
    """

    last_signed: SignedAction | None = None
    """What was posted last, as it was signed; for reports only."""

    def _post_action(self, action: object, signature: object, nonce: object) -> Any:  # noqa: ARG002 (as the SDK calls it)
        if not isinstance(signature, SignedAction):
            raise NotAnAction("a RemoteExchange posts what the service signed, and this it did not: use a RemoteWallet")
        self.last_signed = signature
        return self.post("/exchange", signature.post())


def _sign_l1_action(  # noqa: PLR0913, PLR0917 (the signature of the function it stands for)
    wallet: Any, action: Any, active_pool: str | None, nonce: int, expires_after: int | None, is_mainnet: Any
) -> Any:
    if not isinstance(wallet, RemoteWallet):
        return _original(wallet, action, active_pool, nonce, expires_after, is_mainnet)
    request: dict[str, Any] = {
        "action": action,
        "vaultAddress": active_pool,
        "expiresAfter": expires_after,
        # As in the SDK: a wallet of the other network is refused here, not misread by the exchange.
        "network": "mainnet" if is_mainnet else "testnet",
    }
    if action["type"] == "noop":
        # The caller's choice, and its only purpose: to use up this one.
        request["nonce"] = nonce
    return wallet.sign_action(request)


sdk.sign_l1_action = _sign_l1_action
