"""What a bot imports: SigningClient, AsyncSigningClient, their results and errors.

    with SigningClient.from_environment() as client:
        signed = client.sign_action("bot-1", {"type": "noop"})
        requests.post("https://api.hyperliquid-testnet.xyz/exchange", json=signed.post())

It stands alone: the standard library and msgspec are all it needs, and for a request key the compiled core of hyperkms.
Adapters for the official SDK and for ccxt are in `hyperkms.client.hyperliquid_sdk` and `hyperkms.client.ccxt`.
"""

from hyperkms.client.asynchronous import AsyncSigningClient
from hyperkms.client.calls import Idempotency
from hyperkms.client.errors import (
    Conflict,
    Failed,
    Malformed,
    Misconfigured,
    NoAnswer,
    NotConnected,
    NotFound,
    NotSignable,
    RateLimited,
    Refused,
    ServiceError,
    SigningClientError,
    Unavailable,
    UnexpectedAnswer,
)
from hyperkms.client.options import Options
from hyperkms.client.request_key import create_request_key
from hyperkms.client.results import (
    ActionToSign,
    CosignedBy,
    Health,
    KeyVersion,
    MessageToSign,
    PastRotation,
    PublicKey,
    Receipt,
    Retired,
    Rotation,
    RotationHistory,
    Signature,
    SignedAction,
    SignedMessage,
    SignedOrder,
    TreeHead,
    Versions,
    Wallet,
)
from hyperkms.client.retry import NO_RETRIES, Retries
from hyperkms.client.synchronous import SigningClient

__all__ = [
    "NO_RETRIES",
    "ActionToSign",
    "AsyncSigningClient",
    "Conflict",
    "CosignedBy",
    "Failed",
    "Health",
    "Idempotency",
    "KeyVersion",
    "Malformed",
    "MessageToSign",
    "Misconfigured",
    "NoAnswer",
    "NotConnected",
    "NotFound",
    "NotSignable",
    "Options",
    "PastRotation",
    "PublicKey",
    "RateLimited",
    "Receipt",
    "Refused",
    "Retired",
    "Retries",
    "Rotation",
    "RotationHistory",
    "ServiceError",
    "Signature",
    "SignedAction",
    "SignedMessage",
    "SignedOrder",
    "SigningClient",
    "SigningClientError",
    "TreeHead",
    "Unavailable",
    "UnexpectedAnswer",
    "Versions",
    "Wallet",
    "create_request_key",
]
