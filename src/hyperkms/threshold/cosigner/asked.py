"""What a client's own request asks for, as this cosigner reads it for itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyperkms.hyperliquid.market import Market
from hyperkms.threshold.wire import SignedRequest
from hyperkms.wallet import KeyType, Network, WalletId


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """One of the actions or messages of a request; None where the request leaves it to the service."""

    operation: str
    """As the record names it: sign-action, sign-order, sign-message."""
    wallet: WalletId
    version: int | None
    action: object | None = None
    """The action as it was parsed from JSON, for what asks for one."""
    message: bytes | None = None
    """The bytes to sign, for what asks for those."""
    nonce: int | None = None
    vault_address: str | None = None
    expires_after: int | None = None
    network: Network | None = None
    approvals: tuple[str, ...] = ()


class ReadAsked(Protocol):
    """Reads a request to sign, with the parsers of the routes."""

    def __call__(
        self, request: SignedRequest, position: int, key_type: KeyType, market_of: Callable[[], Market], now: int
    ) -> AskedFor:
        """What stands at this position; Malformed for a body that the route would refuse, Refused for another route.

        Orders of the first system's form name coins, which `market_of` knows.
        """
