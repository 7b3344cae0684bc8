"""The asynchronous client (asyncio)."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from hyperkms.client.async_connection import Connections
from hyperkms.client.calls import PAGE, Calls, result_of
from hyperkms.client.credential import credential_of, named
from hyperkms.client.endpoint import parse_endpoint
from hyperkms.client.errors import ServiceError, SigningClientError
from hyperkms.client.options import DEFAULTS, Options
from hyperkms.client.results import (
    ActionToSign,
    Health,
    Json,
    MessageToSign,
    PublicKey,
    Retired,
    Rotation,
    RotationHistory,
    SignedAction,
    SignedMessage,
    SignedOrder,
    Versions,
    Wallet,
)
from hyperkms.client.wire import Call, Wire

T = TypeVar("T")


class AsyncSigningClient:
    """As SigningClient, for asyncio; any number of tasks of one event loop may use it at once.

    At most `options.connections` requests are under way; the others wait for their turn. A task that is cancelled
    closes the connection of its request: whether that request was done is not known.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        request_key: str | PathLike[str] | None = None,
        service: str | None = None,
        options: Options = DEFAULTS,
    ) -> None:
        endpoint = parse_endpoint(url)
        self.url = endpoint.url
        self._wire = Wire(endpoint, credential_of(api_key, request_key, service))
        self._options = options
        self._calls = Calls(options.idempotency)
        self._connections = Connections(endpoint, options)

    @classmethod
    def from_environment(cls, *, options: Options = DEFAULTS) -> Self:
        """HYPERKMS_URL, and HYPERKMS_API_KEY or HYPERKMS_REQUEST_KEY with HYPERKMS_SERVICE; Misconfigured if not so."""
        found = named()
        return cls(found.url, found.api_key, request_key=found.request_key, service=found.service, options=options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are kept; the client can still be used, and opens new ones."""
        await self._connections.close()

    # ---- signing

    async def sign_message(
        self, wallet_id: str, message: str, *, version: int | None = None, idempotency_key: str | None = None
    ) -> SignedMessage:
        """The UTF-8 bytes of a message (Ed25519), or their EIP-191 form (secp256k1)."""
        return await self._run(
            self._calls.sign_message(
                MessageToSign(wallet_id=wallet_id, message=message, version=version), idempotency_key
            )
        )

    async def sign_order(
        self,
        wallet_id: str,
        payload: Mapping[str, Any],
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> SignedOrder:
        """An order of the first system's form; give sizes and prices as decimal text, so that nothing is lost."""
        return await self._run(self._calls.sign_order(wallet_id, payload, version, idempotency_key))

    async def sign_action(
        self,
        wallet_id: str,
        action: Json,
        *,
        nonce: int | None = None,
        vault_address: str | None = None,
        expires_after: int | None = None,
        network: str | None = None,
        version: int | None = None,
        approvals: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> SignedAction:
        """A Hyperliquid action; the service numbers it unless a nonce is given."""
        request = ActionToSign(
            wallet_id=wallet_id,
            action=action,
            nonce=nonce,
            vault_address=vault_address,
            expires_after=expires_after,
            network=network,
            version=version,
            approvals=tuple(approvals),
        )
        return await self._run(self._calls.sign_action(request, idempotency_key))

    async def sign_messages(
        self, requests: Iterable[MessageToSign], *, idempotency_key: str | None = None
    ) -> list[SignedMessage | ServiceError]:
        """At most 200 messages in one request; an answer or an error for each, in order."""
        return await self._run(self._calls.sign_messages(requests, idempotency_key))

    async def sign_actions(
        self, requests: Iterable[ActionToSign], *, idempotency_key: str | None = None
    ) -> list[SignedAction | ServiceError]:
        """At most 200 actions in one request; an answer or an error for each, in order."""
        return await self._run(self._calls.sign_actions(requests, idempotency_key))

    # ---- wallets

    async def public_key(self, wallet_id: str) -> PublicKey:
        """The public key and address; no key is touched."""
        return await self._run(self._calls.public_key(wallet_id))

    async def wallet(self, wallet_id: str) -> Wallet:
        """One wallet."""
        return await self._run(self._calls.wallet(wallet_id))

    async def wallets(self, *, page: int = PAGE) -> AsyncIterator[Wallet]:
        """All wallets in order of id, asked for in pages of at most 1000."""
        after: str | None = ""
        while after is not None:
            answer = await self._run(self._calls.wallets(after, page))
            for wallet in answer.wallets:
                yield wallet
            after = answer.next

    async def generate(
        self,
        wallet_id: str,
        *,
        key_type: str | None = None,
        network: str | None = None,
        metadata: Json | None = None,
        custody: str | None = None,
        idempotency_key: str | None = None,
    ) -> Wallet:
        """A new wallet; an id that exists is a Conflict. Hyperliquid verifies `key_type` secp256k1 only.

        `custody` kms-native: AWS KMS makes the key and keeps it.
        """
        members = {"walletId": wallet_id, "keyType": key_type, "network": network, "metadata": metadata}
        members["custody"] = custody
        return await self._run(self._calls.generate(members, idempotency_key))

    async def rotate(
        self,
        wallet_id: str,
        *,
        reason: str | None = None,
        activate: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Rotation:
        """A new key version; `activate` makes a secp256k1 wallet's current before the exchange knows its address."""
        members = {"walletId": wallet_id, "reason": reason, "activate": activate}
        return await self._run(self._calls.rotate(members, idempotency_key))

    async def activate(
        self, wallet_id: str, version: int, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Rotation:
        """The pending version becomes the current one: do it once the exchange knows its address."""
        members = {"version": version, "reason": reason}
        return await self._run(self._calls.activate(wallet_id, members, idempotency_key))

    async def retire(
        self,
        wallet_id: str,
        *,
        version: int | None = None,
        reason: str | None = None,
        destroy: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Retired:
        """End a wallet, or one key version; `destroy` does not wait for the end of the grace."""
        members = {"version": version, "reason": reason, "destroy": destroy}
        return await self._run(self._calls.retire(wallet_id, members, idempotency_key))

    async def versions(self, wallet_id: str) -> Versions:
        """The key versions and their states."""
        return await self._run(self._calls.versions(wallet_id))

    async def rotation_history(self, wallet_id: str) -> RotationHistory:
        """What was rotated when and why."""
        return await self._run(self._calls.rotation_history(wallet_id))

    # ---- state of the service

    async def health(self) -> Health:
        """Whether the process lives."""
        return await self._run(self._calls.health())

    async def ready(self) -> Health:
        """Whether it can sign now; Unavailable if not."""
        return await self._run(self._calls.ready())

    # ---- any other route

    async def get(self, path: str) -> Json:
        """The body of any answer as JSON: for routes that have no method here."""
        return await self._run(self._calls.get(path))

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Json:
        """The same with a body to send; without a key it is never sent twice, unless nothing was done."""
        return await self._run(self._calls.post(path, body, idempotency_key))

    async def _run(self, call: Call[T]) -> T:
        loop = asyncio.get_running_loop()
        started, attempt = loop.time(), 1
        while True:
            try:
                return result_of(call, await self._connections.exchange(self._wire, call))
            except SigningClientError as error:
                pause = self._options.retries.pause(
                    error,
                    attempt=attempt,
                    elapsed_s=loop.time() - started,
                    repeatable=call.repeatable,
                    random=random.random,
                )
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            attempt += 1
