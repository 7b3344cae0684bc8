"""The first system's `sign-order`: opaque bytes of an Ed25519 wallet, a real order of a secp256k1 one."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from hyperkms.errors import Malformed, shown
from hyperkms.hyperliquid.market import Market
from hyperkms.hyperliquid.members import cloid, flag
from hyperkms.hyperliquid.orders import TIME_IN_FORCE, price_decimals
from hyperkms.hyperliquid.wire import Numbers, canonical, require_decimals, require_price
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import SignedAction, SignedMessage, sign_action, sign_bytes
from hyperkms.operations.signer import resolve
from hyperkms.strict_json import ecmascript
from hyperkms.wallet import KeyType, Wallet, WalletId

MAX_SKEW_MS = 60_000
_MAX_TEXT = 40
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_REQUIRED = ("action", "coin", "isBuy", "sz", "limitPx", "timestamp")
_OPTIONAL = ("tif", "reduceOnly", "cloid")


def sign_order(
    parts: Parts, caller: Caller, wallet_id: WalletId, payload: dict[str, object], version: int | None = None
) -> Pending[SignedMessage] | Pending[SignedAction]:
    """Sign an order payload.

    Ed25519: the compact JSON text of the payload as JavaScript prints it. secp256k1: a Hyperliquid
    order made of {action: "order", coin, isBuy, sz, limitPx, timestamp} and optional tif (Gtc),
    reduceOnly (false), cloid; `sz` and `limitPx` are exact decimals, `timestamp` is only checked to be
    within 60 s, and the nonce is allocated.
    """
    signer = resolve(parts, caller.client, wallet_id, version, operation="sign-order")
    if signer.wallet.key_type is KeyType.ED25519:
        message = ecmascript(payload).encode()
        return sign_bytes(parts, caller, signer, message, operation="sign-order")
    return sign_action(parts, caller, order_request(parts, signer, payload), known=signer)


def order_request(parts: Parts, signer: Signer, payload: dict[str, object]) -> ActionRequest:
    """The Hyperliquid order that a payload asks for."""
    action = order_action(payload, partial(_market, parts, signer.wallet), parts.clock())
    return ActionRequest(wallet=signer.wallet.id, action=action, operation="sign-order")


def order_action(payload: dict[str, object], market_of: Callable[[], Market], now: int) -> dict[str, object]:
    """The order action that a payload asks for; `market_of` is called once the payload is known to be one."""
    _check_members(payload)
    _check_time(payload["timestamp"], now)
    if not isinstance(payload["coin"], str):
        raise Malformed.at("orderPayload.coin", "a coin name is due, e.g. BTC")
    price, size = _decimal(payload["limitPx"], "limitPx"), _decimal(payload["sz"], "sz")
    order: dict[str, Any] = {
        "a": 0,
        "b": flag(payload["isBuy"], "orderPayload.isBuy", Numbers.CANONICAL),
        "p": canonical(price),
        "s": canonical(size),
        "r": flag(payload.get("reduceOnly", False), "orderPayload.reduceOnly", Numbers.CANONICAL),
        "t": {"limit": {"tif": TIME_IN_FORCE(payload.get("tif", "Gtc"), "orderPayload.tif", Numbers.CANONICAL)}},
    }
    if "cloid" in payload:
        order["c"] = cloid(payload["cloid"], "orderPayload.cloid", Numbers.CANONICAL)
    asset = market_of().asset(payload["coin"], "orderPayload.coin")
    require_price(price, "orderPayload.limitPx", price_decimals(asset.index, asset.size_decimals))
    require_decimals(size, "orderPayload.sz", asset.size_decimals)
    order["a"] = asset.index
    return {"type": "order", "orders": [order], "grouping": "na"}


def _check_members(payload: dict[str, object]) -> None:
    for name in _REQUIRED:
        if name not in payload:
            raise Malformed.at(f"orderPayload.{name}", "is missing", "missing-field")
    for name in payload:
        if name not in _REQUIRED + _OPTIONAL:
            raise Malformed.at(f"orderPayload.{shown(name)}", "is not a member of an order payload", "unknown-field")
    if payload["action"] != "order":
        words = '"order" is the only action here; others are signed by POST /hyperliquid/sign'
        raise Malformed.at("orderPayload.action", words, "unknown-action")


def _check_time(timestamp: object, now: int) -> None:
    if type(timestamp) is not int:
        raise Malformed.at("orderPayload.timestamp", "milliseconds since 1970 are due, as an integer")
    if abs(now - timestamp) > MAX_SKEW_MS:
        words = f"{timestamp} is more than 60 s away from now, {now}, in milliseconds"
        raise Malformed.at("orderPayload.timestamp", words, "stale-timestamp")


def _market(parts: Parts, wallet: Wallet) -> Market:
    market = None if wallet.network is None else parts.markets.get(wallet.network)
    if market is None:
        words = f"wallet {wallet.id} is bound to no one network, so coin names have no meaning; use /hyperliquid/sign"
        raise Malformed.at("walletId", words, "network-required")
    return market


def _decimal(value: object, name: str) -> Decimal:
    """A JSON number or string as an exact decimal."""
    path = f"orderPayload.{name}"
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str) or len(str(value)) > _MAX_TEXT:
        raise Malformed.at(path, "a number or a decimal string is due")
    if isinstance(value, str) and not _JSON_NUMBER.fullmatch(value):
        raise Malformed.at(path, 'a number or a decimal string is due, written as JSON writes numbers, e.g. "0.5"')
    number = Decimal(value)
    if number <= 0 or abs(number.adjusted()) > _MAX_TEXT:
        raise Malformed.at(path, "a number above 0 is due")
    return number
