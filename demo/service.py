"""A thin client of the signing service: it asks, and turns whatever goes wrong into one plain error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests

from demo.errors import ServiceFailed

TIMEOUT_S = 10
_OK = 200


@dataclass(frozen=True, kw_only=True)
class SignedAction:
    """What the service signed, to be posted to the exchange exactly so."""

    address: str
    action: Mapping[str, Any]
    nonce: int
    signature: Mapping[str, Any]
    """r and s (0x and 64 hex digits), v (27 or 28)."""
    vault_address: str | None = None
    expires_after: int | None = None

    def post(self) -> dict[str, Any]:
        """The body of POST /exchange."""
        return {
            "action": self.action,
            "nonce": self.nonce,
            "signature": self.signature,
            "vaultAddress": self.vault_address,
            "expiresAfter": self.expires_after,
        }


class Service:
    """The signing service at a URL, with an API key that is never shown.

    Every call raises ServiceFailed with the service's own sentence, or with one that says how it could not be
    reached. One object is for one thread.
    """

    def __init__(self, url: str, api_key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.headers["X-API-Key"] = api_key

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def public_key(self, wallet: str) -> Any:
        """The wallet's `publicKey`, `keyType` and `address`."""
        return self._ask("GET", f"/wallets/{wallet}/public-key")

    def generate(self, wallet: str) -> Any:
        """A new wallet that can trade on testnet; the service never replaces one that exists."""
        asked = {"walletId": wallet, "keyType": "secp256k1", "network": "testnet"}
        return self._ask("POST", "/wallets/generate", asked)["wallet"]

    def sign_order(self, wallet: str, payload: Mapping[str, Any]) -> Any:
        """`action`, `nonce` and `signature` (0x and 130 hex digits) of an order of the first system's form."""
        return self._ask("POST", "/wallets/sign-order", {"walletId": wallet, "orderPayload": payload})

    def sign_action(self, request: Mapping[str, Any]) -> SignedAction:
        """A Hyperliquid action, signed; `request` is the body of POST /hyperliquid/sign."""
        answer = self._ask("POST", "/hyperliquid/sign", request)
        return SignedAction(
            address=answer["address"],
            action=answer["action"],
            nonce=answer["nonce"],
            signature=answer["signature"],
            vault_address=answer["vaultAddress"],
            expires_after=answer["expiresAfter"],
        )

    def _ask(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            # A redirect would carry the API key to wherever it points.
            answer = self._session.request(
                method, self.url + path, json=body, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.Timeout as error:
            raise ServiceFailed(
                f"the signing service at {self.url} did not answer within {self._timeout_s} s"
            ) from error
        except requests.RequestException as error:
            raise ServiceFailed(f"the signing service at {self.url} cannot be reached") from error
        read = _json_object(answer)
        if answer.status_code != _OK:
            raise _refusal(answer.status_code, read)
        if not read:
            raise ServiceFailed(f"{self.url} does not answer as the signing service does", status=_OK)
        return read


def _json_object(answer: requests.Response) -> dict[str, Any]:
    try:
        read = answer.json()
    except requests.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _refusal(status: int, problem: Mapping[str, Any]) -> ServiceFailed:
    sentence = problem.get("error") or "no reason given"
    words = f"the signing service answered {status}: {sentence}"
    return ServiceFailed(words, status=status, code=str(problem.get("code", "")))
