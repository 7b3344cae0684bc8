"""Every request the library makes, and how its answer is read (pure); both clients send these."""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from hyperkms.client.errors import ServiceError, UnexpectedAnswer, service_error
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
    WalletPage,
)
from hyperkms.client.wire import Call, checked_key

T = TypeVar("T")
PAGE = 1000
_OK = 200
_PATH = re.compile(r"/[!-~]*", re.ASCII)
_encode = msgspec.json.Encoder().encode


class Idempotency(Enum):
    """Which requests get an Idempotency-Key of their own; a key that a call names is sent in any case."""

    AUTOMATIC = "automatic"
    """Those that would do something twice: generate, rotate, activate, retire, and an action with a nonce of its own.

    Other signatures are asked for again without a key: one whose answer was lost has reached nobody, and the next
    one is the only one to be posted. A key costs each of them a look into the service's database.
    """
    EVERY = "every"
    """Orders, actions and batches of actions too: each is signed once and has one receipt."""
    ON_REQUEST = "on-request"
    """None but those that name one. A POST without a key is never sent twice, unless nothing was done."""


class _WalletMember(msgspec.Struct, frozen=True):
    wallet: Wallet


class _RotationMember(msgspec.Struct, frozen=True):
    rotation: Rotation


class _HistoryMember(msgspec.Struct, frozen=True):
    history: RotationHistory


class _Results(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]


class _Outcome(msgspec.Struct, frozen=True):
    success: bool
    problem: Json = {}


def _takes_for_good(request: ActionToSign) -> bool:
    """Whether a second try without a key would find its nonce or its approvals used."""
    return request.nonce is not None or bool(request.approvals)


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind).decode


class _Batch(Generic[T]):
    """Reads the answers of a batch: the single answer, or the error that a single request would have raised."""

    def __init__(self, kind: type[T]) -> None:
        self._one = _reader(kind)

    def __call__(self, body: bytes) -> list[T | ServiceError]:
        return [self._read(raw) for raw in _read_results(body).results]

    def _read(self, raw: msgspec.Raw) -> T | ServiceError:
        outcome = _read_outcome(raw)
        if outcome.success:
            return self._one(bytes(raw))
        status = outcome.problem.get("status")
        return service_error(status if isinstance(status, int) else 0, outcome.problem)


_read_results = _reader(_Results)
_read_outcome = msgspec.json.Decoder(_Outcome).decode
_read_wallet_member = _reader(_WalletMember)
_read_rotation_member = _reader(_RotationMember)
_read_history_member = _reader(_HistoryMember)
_read_retired = _reader(Retired)
_read_versions = _reader(Versions)
_read_signed_message = _reader(SignedMessage)
_read_signed_order = _reader(SignedOrder)
_read_signed_action = _reader(SignedAction)
_read_public_key = _reader(PublicKey)
_read_page = _reader(WalletPage)
_read_health = _reader(Health)
_read_object = _reader(Json)
_read_messages = _Batch(SignedMessage)
_read_actions = _Batch(SignedAction)


class Calls:
    """Makes the calls, with idempotency keys as this policy says."""

    def __init__(self, idempotency: Idempotency) -> None:
        self._changes = idempotency is not Idempotency.ON_REQUEST
        self._signatures = idempotency is Idempotency.EVERY

    def sign_message(self, request: MessageToSign, key: str | None) -> Call[SignedMessage]:
        """POST /wallets/sign. A message signed twice is signed alike, so no key is made for it."""
        return Call("/wallets/sign", _read_signed_message, _encode(request), _given(key), self._changes)

    def sign_order(
        self, wallet_id: str, payload: Mapping[str, Any], version: int | None, key: str | None
    ) -> Call[SignedOrder]:
        """POST /wallets/sign-order."""
        body: Json = {"walletId": wallet_id, "orderPayload": payload}
        if version is not None:
            body["version"] = version
        return self._signature("/wallets/sign-order", _read_signed_order, body, key)

    def sign_action(self, request: ActionToSign, key: str | None) -> Call[SignedAction]:
        """POST /hyperliquid/sign."""
        return self._signature("/hyperliquid/sign", _read_signed_action, request, key, once=_takes_for_good(request))

    def sign_messages(
        self, requests: Iterable[MessageToSign], key: str | None
    ) -> Call[list[SignedMessage | ServiceError]]:
        """POST /wallets/sign-batch."""
        body = _encode({"requests": list(requests)})
        return Call("/wallets/sign-batch", _read_messages, body, _given(key), self._changes)

    def sign_actions(
        self, requests: Iterable[ActionToSign], key: str | None
    ) -> Call[list[SignedAction | ServiceError]]:
        """POST /hyperliquid/sign-batch."""
        asked = list(requests)
        once = any(_takes_for_good(request) for request in asked)
        return self._signature("/hyperliquid/sign-batch", _read_actions, {"requests": asked}, key, once=once)

    def generate(self, members: Mapping[str, Any], key: str | None) -> Call[Wallet]:
        """POST /wallets/generate."""
        return Call("/wallets/generate", _wallet_member, _encode(_set(members)), self._key(key))

    def rotate(self, members: Mapping[str, Any], key: str | None) -> Call[Rotation]:
        """POST /wallets/rotate."""
        return Call("/wallets/rotate", _rotation_member, _encode(_set(members)), self._key(key))

    def activate(self, wallet_id: str, members: Mapping[str, Any], key: str | None) -> Call[Rotation]:
        """POST /wallets/:id/activate."""
        return Call(_path(wallet_id, "activate"), _rotation_member, _encode(_set(members)), self._key(key))

    def retire(self, wallet_id: str, members: Mapping[str, Any], key: str | None) -> Call[Retired]:
        """POST /wallets/:id/retire."""
        return Call(_path(wallet_id, "retire"), _read_retired, _encode(_set(members)), self._key(key))

    @staticmethod
    def public_key(wallet_id: str) -> Call[PublicKey]:
        """GET /wallets/:id/public-key."""
        return Call(_path(wallet_id, "public-key"), _read_public_key)

    @staticmethod
    def wallet(wallet_id: str) -> Call[Wallet]:
        """GET /wallets/:id."""
        return Call(_path(wallet_id), _wallet_member)

    @staticmethod
    def wallets(after: str, limit: int) -> Call[WalletPage]:
        """GET /wallets, one page."""
        return Call(f"/wallets?limit={limit}&after={quote(after, safe='')}", _read_page)

    @staticmethod
    def versions(wallet_id: str) -> Call[Versions]:
        """GET /wallets/:id/versions."""
        return Call(_path(wallet_id, "versions"), _read_versions)

    @staticmethod
    def rotation_history(wallet_id: str) -> Call[RotationHistory]:
        """GET /wallets/:id/rotation-history."""
        return Call(_path(wallet_id, "rotation-history"), _history_member)

    @staticmethod
    def health() -> Call[Health]:
        """GET /health."""
        return Call("/health", _read_health)

    @staticmethod
    def ready() -> Call[Health]:
        """GET /ready."""
        return Call("/ready", _read_health)

    @staticmethod
    def get(path: str) -> Call[Json]:
        """GET any route."""
        return Call(_checked_path(path), _read_object)

    @staticmethod
    def post(path: str, body: Mapping[str, Any], key: str | None) -> Call[Json]:
        """POST to any route."""
        return Call(_checked_path(path), _read_object, _encode(body), _given(key))

    def _signature(
        self, path: str, read: Callable[[bytes], T], body: object, key: str | None, *, once: bool = False
    ) -> Call[T]:
        """`once`: asked for again it would be refused, because its nonce is used."""
        if key is None and (self._signatures or (once and self._changes)):
            key = secrets.token_hex(16)
        return Call(path, read, _encode(body), _given(key), self._changes and not once)

    def _key(self, given: str | None) -> str | None:
        if given is None and self._changes:
            return secrets.token_hex(16)
        return _given(given)


def result_of(call: Call[T], answer: Answer) -> T:
    """What the call asked for; ServiceError for a problem, UnexpectedAnswer if the service did not write this."""
    if answer.status == _OK:
        try:
            return call.read(answer.body)
        except msgspec.MsgspecError as error:
            words = "what answered 200 does not answer as the signing service does"
            raise UnexpectedAnswer(words, status=_OK, idempotency_key=call.key) from error
    problem = _problem(answer.body)
    if problem is None:
        words = f"what answered {answer.status} gave no reason, and is not the signing service"
        raise UnexpectedAnswer(words, status=answer.status, idempotency_key=call.key)
    wait = answer.headers.get(b"retry-after", b"")
    retry_after_s = float(wait) if wait.isdigit() else None
    raise service_error(answer.status, problem, retry_after_s=retry_after_s, idempotency_key=call.key)


def _problem(body: bytes) -> Json | None:
    try:
        members = _read_object(body)
    except msgspec.MsgspecError:
        return None
    return members if isinstance(members.get("error"), str) else None


def _wallet_member(body: bytes) -> Wallet:
    return _read_wallet_member(body).wallet


def _rotation_member(body: bytes) -> Rotation:
    return _read_rotation_member(body).rotation


def _history_member(body: bytes) -> RotationHistory:
    return _read_history_member(body).history


def _given(key: str | None) -> str | None:
    return None if key is None else checked_key(key)


def _path(wallet_id: str, *rest: str) -> str:
    return "/".join(["/wallets", quote(wallet_id, safe=""), *rest])


def _checked_path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError("a path begins with a slash and has only characters that a URL has")
    return path


def _set(members: Mapping[str, Any]) -> Json:
    return {name: value for name, value in members.items() if value is not None}
