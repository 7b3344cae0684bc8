"""What both ccxt adapters share: unsigned actions on their way to the service, and its refusals in ccxt's words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ccxt

from hyperkms.client.errors import (
    Malformed,
    Misconfigured,
    NoAnswer,
    NotConnected,
    NotFound,
    NotSignable,
    RateLimited,
    Refused,
    SigningClientError,
    Unavailable,
)
from hyperkms.client.signable import unnumbered

CREDENTIALS = {"requiredCredentials": {"privateKey": False, "walletAddress": True}}
"""The wallet's or, if it is an agent, its master account's address: the one whose orders are asked for."""

OPTIONS = {"builderFee": False, "refSet": True}
"""ccxt's own fee and referrer are actions that nobody asked for; no bot should pay them unasked."""


class Unsigned(dict[str, Any]):
    """Stands in ccxt's request where the signature goes, until `request` replaces the whole of it."""


def is_unsigned(params: object) -> bool:
    """Whether these are the parameters of a request that waits for its signature."""
    return isinstance(params, dict) and isinstance(params.get("signature"), Unsigned)


def request_of(params: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The named arguments of `sign_action`. The service numbers the action; ccxt's own nonce is not used."""
    vault = params.get("vaultAddress")
    return {
        "action": unnumbered(params["action"]),
        "vault_address": vault if vault is None or vault.startswith("0x") else f"0x{vault}",
        "expires_after": params.get("expiresAfter"),
        "network": "testnet" if options.get("sandboxMode") else "mainnet",
    }


def refuse_private_key(config: Mapping[str, Any] | None) -> None:
    """ValueError for a configuration that still has a private key: here it is of no use, and at risk."""
    if config and config.get("privateKey"):
        raise ValueError("take privateKey out of the configuration: the key is in hyperkms, and a copy is one too many")


@contextmanager
def in_words_of_ccxt() -> Iterator[None]:
    """Raise what the client raises as the error of ccxt that a bot for ccxt expects, with the same sentence."""
    try:
        yield
    except SigningClientError as error:
        kind = next((ours for theirs, ours in _ERRORS.items() if isinstance(error, theirs)), ccxt.ExchangeError)
        raise kind(str(error)) from error


_ERRORS: Mapping[type[SigningClientError], type[Exception]] = {
    NotSignable: ccxt.NotSupported,
    NotConnected: ccxt.ExchangeNotAvailable,
    Unavailable: ccxt.ExchangeNotAvailable,
    NoAnswer: ccxt.RequestTimeout,
    RateLimited: ccxt.RateLimitExceeded,
    Malformed: ccxt.InvalidOrder,
    Refused: ccxt.PermissionDenied,
    NotFound: ccxt.BadRequest,
    Misconfigured: ccxt.AuthenticationError,
}
