"""ccxt's hyperliquid exchange, signing through hyperkms; `hyperkms.client.ccxt.async_support` is its async form.

    client = SigningClient.from_environment()
    exchange = RemoteHyperliquid(client, "bot-1", {"walletAddress": "0x..."})
    exchange.create_order("ETH/USDC:USDC", "limit", "buy", 0.1, 2900.5)

No private key is needed, and one in the configuration is refused. ccxt builds the action; just before it is posted, the
service checks, numbers and signs it, and what is posted is the service's answer. Errors of the service are raised as
ccxt's, with the service's sentence; `__cause__` is the client's own error. With `set_sandbox_mode(True)` the action is
signed for testnet.
"""

from collections.abc import Mapping
from typing import Any

from ccxt.hyperliquid import hyperliquid

from hyperkms.client.ccxt.signing import (
    CREDENTIALS,
    OPTIONS,
    Unsigned,
    in_words_of_ccxt,
    is_unsigned,
    refuse_private_key,
    request_of,
)
from hyperkms.client.synchronous import SigningClient


class RemoteHyperliquid(hyperliquid):  # type: ignore[misc]  # ccxt is published without complete types
    """ccxt.hyperliquid for a wallet of the service; takes ccxt's own configuration, without a private key."""

    def __init__(self, client: SigningClient, wallet_id: str, config: Mapping[str, Any] | None = None) -> None:
        refuse_private_key(config)
        self._signing_client = client
        self._signing_wallet = wallet_id
        super().__init__(dict(config or {}))

    def describe(self) -> Any:
        """As ccxt's, without the need for a private key."""
        return self.deep_extend(super().describe(), {**CREDENTIALS, "options": OPTIONS})

    def sign_l1_action(self, *_action_nonce_vault_expiry: object, **_named: object) -> Unsigned:
        """A place for the signature, which `request` fills."""
        return Unsigned()

    def sign_user_signed_action(self, *_types_and_message: object, **_named: object) -> Unsigned:
        """The same."""
        return Unsigned()

    def handle_builder_fee_approval(self) -> bool:
        """Not asked for."""
        return False

    def set_ref(self) -> bool:
        """Not asked for."""
        return False

    def request(self, path: Any, api: Any = "public", method: Any = "GET", params: Any = None, **named: Any) -> Any:
        """As ccxt's; an action is signed first."""
        params = {} if params is None else params
        if is_unsigned(params):
            with in_words_of_ccxt():
                signed = self._signing_client.sign_action(self._signing_wallet, **request_of(params, self.options))
            params = signed.post()
        return super().request(path, api, method, params, **named)
