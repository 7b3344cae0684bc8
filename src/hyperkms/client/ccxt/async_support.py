"""ccxt.async_support's hyperliquid exchange, signing through hyperkms; see the package's docstring.

    client = AsyncSigningClient.from_environment()
    exchange = RemoteHyperliquid(client, "bot-1", {"walletAddress": "0x..."})
    await exchange.create_order("ETH/USDC:USDC", "limit", "buy", 0.1, 2900.5)

`close` closes ccxt's connections; the client is its caller's.
"""

from collections.abc import Mapping
from typing import Any

from ccxt.async_support.hyperliquid import hyperliquid

from hyperkms.client.asynchronous import AsyncSigningClient
from hyperkms.client.ccxt.signing import (
    CREDENTIALS,
    OPTIONS,
    Unsigned,
    in_words_of_ccxt,
    is_unsigned,
    refuse_private_key,
    request_of,
)


class RemoteHyperliquid(hyperliquid):  # type: ignore[misc]  # ccxt is published without complete types
    """ccxt.async_support.hyperliquid for a wallet of the service; takes ccxt's own configuration, without a key."""

    def __init__(self, client: AsyncSigningClient, wallet_id: str, config: Mapping[str, Any] | None = None) -> None:
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

    async def handle_builder_fee_approval(self) -> bool:
        """Not asked for."""
        return False

    async def set_ref(self) -> bool:
        """Not asked for."""
        return False

    async def request(
        self, path: Any, api: Any = "public", method: Any = "GET", params: Any = None, **named: Any
    ) -> Any:
        """As ccxt's; an action is signed first."""
        params = {} if params is None else params
        if is_unsigned(params):
            with in_words_of_ccxt():
                signed = await self._signing_client.sign_action(
                    self._signing_wallet, **request_of(params, self.options)
                )
            params = signed.post()
        return await super().request(path, api, method, params, **named)
