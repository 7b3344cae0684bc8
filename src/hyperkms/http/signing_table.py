"""What the signing routes take and answer: handlers and the OpenAPI document are made of this table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from hyperkms.access.clients import Operation
from hyperkms.http.schemas import (
    SignActionAnswer,
    SignActionBatchAnswer,
    SignActionBatchRequest,
    SignActionRequest,
    SignAnswer,
    SignBatchAnswer,
    SignBatchRequest,
    SignOrderRequest,
    SignRequest,
)
from hyperkms.http.views import action_view, signed_view
from hyperkms.hyperliquid.members import parse_address
from hyperkms.operations.refusals import ACTION, MESSAGE, ORDER, Asked, Kind
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import sign_action, sign_message
from hyperkms.operations.sign_in_shares import plan_order_in_shares, sign_message_in_shares, sign_order_in_shares
from hyperkms.operations.sign_once import Planned, plan_action, plan_order
from hyperkms.operations.sign_order import sign_order
from hyperkms.wallet import Network, parse_wallet_id

View: TypeAlias = Callable[[Any], msgspec.Struct]
"""Makes the body of an answer of what an operation came to."""


class Work(Asked, frozen=True):
    """What a body asks for, and how its result is shown."""

    view: View
    plan: Callable[..., Planned | None] | None = None
    """Settles what is signed before it is; None where that is settled by the body alone."""
    takes_for_good: bool = False
    """Its caller chose the nonce, or it brings approvals: neither could be taken a second time."""


@dataclass(frozen=True)
class SigningRoute:
    """What one of the routes takes and answers; all are POST."""

    path: str
    kind: Kind
    """As the record calls it."""
    tag: str
    summary: str
    description: str
    operations: tuple[Operation, ...]
    """One of them is needed; which one, the wallet says."""
    body: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    required: str
    """The first system's sentence for a body that lacks what it needs."""
    work: Callable[[Any], Work]
    each: "SigningRoute | None" = None
    """For a batch: the route whose bodies stand in its `requests`."""
    in_shares: bool = False
    """For wallets in shares alone; refused where there are no cosigners."""


_wallet_id = lru_cache(maxsize=4096)(parse_wallet_id)
"""The same, at hand for ids that were read before; a refusal is not kept."""


def _message(body: SignRequest) -> Work:
    wallet = _wallet_id(body.wallet_id)
    return Work(wallet, sign_message, (wallet, body.message.encode(), body.version), signed_view)


def _order(body: SignOrderRequest) -> Work:
    wallet = _wallet_id(body.wallet_id)
    return Work(wallet, sign_order, (wallet, body.order_payload, body.version), signed_view, plan_order)


def _mpc_message(body: SignRequest) -> Work:
    wallet = _wallet_id(body.wallet_id)
    return Work(wallet, sign_message_in_shares, (wallet, body.message.encode(), body.version), signed_view)


def _mpc_order(body: SignOrderRequest) -> Work:
    wallet = _wallet_id(body.wallet_id)
    return Work(
        wallet, sign_order_in_shares, (wallet, body.order_payload, body.version), signed_view, plan_order_in_shares
    )


def _action(body: SignActionRequest) -> Work:
    wanted = ActionRequest(
        wallet=_wallet_id(body.wallet_id),
        action=body.action,
        nonce=body.nonce,
        vault_address=None if body.vault_address is None else parse_address(body.vault_address, "vaultAddress"),
        expires_after=body.expires_after,
        network=Network(body.network) if body.network else None,
        version=body.version,
        approvals=tuple(body.approvals or ()),
    )
    takes_for_good = body.nonce is not None or bool(body.approvals)
    return Work(wanted.wallet, sign_action, (wanted,), action_view, plan_action, takes_for_good=takes_for_good)


_MESSAGE = SigningRoute(
    "/wallets/sign",
    MESSAGE,
    "wallets",
    "Sign a message",
    "Ed25519: the raw UTF-8 bytes. secp256k1: their EIP-191 form, which no action can have.",
    (Operation.SIGN_BYTES, Operation.SIGN_TEXT),
    SignRequest,
    SignAnswer,
    "walletId and message are required",
    _message,
)
_ORDER = SigningRoute(
    "/wallets/sign-order",
    ORDER,
    "wallets",
    "Sign an order payload",
    "Ed25519: the payload's compact JSON text. secp256k1: a real Hyperliquid order made of it.",
    (Operation.SIGN_BYTES, Operation.SIGN_ORDER),
    SignOrderRequest,
    SignAnswer,
    "walletId and orderPayload are required",
    _order,
)
_ACTION = SigningRoute(
    "/hyperliquid/sign",
    ACTION,
    "hyperliquid",
    "Sign an action",
    "Checked, numbered, signed and written down; the answer can be posted to the exchange as it is.",
    (Operation.TRADE,),
    SignActionRequest,
    SignActionAnswer,
    "walletId and action are required",
    _action,
)
_MESSAGES = SigningRoute(
    "/wallets/sign-batch",
    MESSAGE,
    "wallets",
    "Sign up to 200 messages",
    "Each as by /wallets/sign and answered for itself: a refusal of one keeps no other from being signed.",
    _MESSAGE.operations,
    SignBatchRequest,
    SignBatchAnswer,
    "requests is required",
    _message,
    each=_MESSAGE,
)
_ACTIONS = SigningRoute(
    "/hyperliquid/sign-batch",
    ACTION,
    "hyperliquid",
    "Sign up to 200 actions",
    "Each as by /hyperliquid/sign and answered for itself: a refusal of one keeps no other from being signed.",
    _ACTION.operations,
    SignActionBatchRequest,
    SignActionBatchAnswer,
    "requests is required",
    _action,
    each=_ACTION,
)

_MPC_MESSAGE = SigningRoute(
    "/mpc/wallets/sign",
    MESSAGE,
    "mpc",
    "Sign a message with a wallet in shares",
    "As /wallets/sign, by as many cosigners as the threshold says; a wallet with a single key is none here.",
    _MESSAGE.operations,
    SignRequest,
    SignAnswer,
    _MESSAGE.required,
    _mpc_message,
    in_shares=True,
)
_MPC_ORDER = SigningRoute(
    "/mpc/wallets/sign-order",
    ORDER,
    "mpc",
    "Sign an order payload with a wallet in shares",
    "As /wallets/sign-order, by as many cosigners as the threshold says; `expiresAfter` is posted with the order.",
    _ORDER.operations,
    SignOrderRequest,
    SignAnswer,
    _ORDER.required,
    _mpc_order,
    in_shares=True,
)

SIGNING_ROUTES = (_MESSAGE, _ORDER, _ACTION, _MESSAGES, _ACTIONS, _MPC_MESSAGE, _MPC_ORDER)
