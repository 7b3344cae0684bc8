"""The synchronous client."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from hyperkms.client.calls import PAGE, Calls, result_of
from hyperkms.client.connection import KeptConnections, connect
from hyperkms.client.credential import credential_of, named
from hyperkms.client.endpoint import parse_endpoint
from hyperkms.client.errors import ServiceError, SigningClientError
from hyperkms.client.options import DEFAULTS, Options
from hyperkms.client.response import Answer
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


class SigningClient:
    """The service at a URL (http://, https://, unix:/path/to.sock), with an API key that is never shown.

    Instead of an API key, `request_key` is the file of a key that signs every request, and `service` the id of the
    service for which it does.

    Safe for any number of threads: each request has a connection of its own, which is kept for the next one. A child
    process made by fork opens connections of its own. Every method raises SigningClientError, whose tree says what to
    do. `idempotency_key` names a request, so that it can be repeated later, by another process too: the service does
    it once. Redirects are not followed, and proxies that the environment names are not used.
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
        self._endpoint = endpoint
        self._wire = Wire(endpoint, credential_of(api_key, request_key, service))
        self._options = options
        self._tls = options.tls_for(endpoint)
        self._calls = Calls(options.idempotency)
        self._kept = KeptConnections(options.connections)

    @classmethod
    def from_environment(cls, *, options: Options = DEFAULTS) -> Self:
        """HYPERKMS_URL, and HYPERKMS_API_KEY or HYPERKMS_REQUEST_KEY with HYPERKMS_SERVICE; Misconfigured if not so."""
        found = named()
        return cls(found.url, found.api_key, request_key=found.request_key, service=found.service, options=options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept; the client can still be used, and opens new ones."""
        self._kept.close()

    # ---- signing

    def sign_message(
        self, wallet_id: str, message: str, *, version: int | None = None, idempotency_key: str | None = None
    ) -> SignedMessage:
        """The UTF-8 bytes of a message (Ed25519), or their EIP-191 form (secp256k1)."""
        return self._run(
            self._calls.sign_message(
                MessageToSign(wallet_id=wallet_id, message=message, version=version), idempotency_key
            )
        )

    def sign_order(
        self,
        wallet_id: str,
        payload: Mapping[str, Any],
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> SignedOrder:
        """An order of the first system's form; give sizes and prices as decimal text, so that nothing is lost."""
        return self._run(self._calls.sign_order(wallet_id, payload, version, idempotency_key))

    def sign_action(
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
        return self._run(self._calls.sign_action(request, idempotency_key))

    def sign_messages(
        self, requests: Iterable[MessageToSign], *, idempotency_key: str | None = None
    ) -> list[SignedMessage | ServiceError]:
        """At most 200 messages in one request; an answer or an error for each, in order."""
        return self._run(self._calls.sign_messages(requests, idempotency_key))

    def sign_actions(
        self, requests: Iterable[ActionToSign], *, idempotency_key: str | None = None
    ) -> list[SignedAction | ServiceError]:
        """At most 200 actions in one request; an answer or an error for each, in order."""
        return self._run(self._calls.sign_actions(requests, idempotency_key))

    # ---- wallets

    def public_key(self, wallet_id: str) -> PublicKey:
        """The public key and address; no key is touched."""
        return self._run(self._calls.public_key(wallet_id))

    def wallet(self, wallet_id: str) -> Wallet:
        """One wallet."""
        return self._run(self._calls.wallet(wallet_id))

    def wallets(self, *, page: int = PAGE) -> Iterator[Wallet]:
        """All wallets in order of id, asked for in pages of at most 1000."""
        after: str | None = ""
        while after is not None:
            answer = self._run(self._calls.wallets(after, page))
            yield from answer.wallets
            after = answer.next

    def generate(
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
        return self._run(self._calls.generate(members, idempotency_key))

    def rotate(
        self,
        wallet_id: str,
        *,
        reason: str | None = None,
        activate: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Rotation:
        """A new key version; `activate` makes a secp256k1 wallet's current before the exchange knows its address."""
        members = {"walletId": wallet_id, "reason": reason, "activate": activate}
        return self._run(self._calls.rotate(members, idempotency_key))

    def activate(
        self, wallet_id: str, version: int, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Rotation:
        """The pending version becomes the current one: do it once the exchange knows its address."""
        members = {"version": version, "reason": reason}
        return self._run(self._calls.activate(wallet_id, members, idempotency_key))

    def retire(
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
        return self._run(self._calls.retire(wallet_id, members, idempotency_key))

    def versions(self, wallet_id: str) -> Versions:
        """The key versions and their states."""
        return self._run(self._calls.versions(wallet_id))

    def rotation_history(self, wallet_id: str) -> RotationHistory:
        """What was rotated when and why."""
        return self._run(self._calls.rotation_history(wallet_id))

    # ---- state of the service

    def health(self) -> Health:
        """Whether the process lives."""
        return self._run(self._calls.health())

    def ready(self) -> Health:
        """Whether it can sign now; Unavailable if not."""
        return self._run(self._calls.ready())

    # ---- any other route

    def get(self, path: str) -> Json:
        """The body of any answer as JSON: for routes that have no method here."""
        return self._run(self._calls.get(path))

    def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Json:
        """The same with a body to send; without a key it is never sent twice, unless nothing was done."""
        return self._run(self._calls.post(path, body, idempotency_key))

    def _run(self, call: Call[T]) -> T:
        started, attempt = time.monotonic(), 1
        while True:
            try:
                return result_of(call, self._exchange(call))
            except SigningClientError as error:
                pause = self._options.retries.pause(
                    error,
                    attempt=attempt,
                    elapsed_s=time.monotonic() - started,
                    repeatable=call.repeatable,
                    random=random.random,
                )
                if pause is None:
                    raise
            time.sleep(pause)
            attempt += 1

    def _exchange(self, call: Call[Any]) -> Answer:
        connection = self._kept.take()
        if connection is None:
            options = self._options
            connection = connect(self._endpoint, self._tls, connect_s=options.connect_s, read_s=options.read_s)
        try:
            answer = connection.exchange(self._wire, call)
        except BaseException:
            connection.close()
            raise
        if answer.keeps:
            self._kept.give(connection)
        else:
            connection.close()
        return answer
