"""Requests, made beforehand: the same bytes whoever answers them."""

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.rules import RULED
from bench.service import ED25519, SECP256K1

DIFFERENT = 512
"""Different requests of one kind, sent in turn."""
ONCE = 16_384
"""Requests of a run none of which is repeated; more than a worker answers in a run."""
BATCH = 100
MESSAGE_BYTES = 64


@dataclass(frozen=True)
class Route:
    """A kind of request, and how many signatures one answer carries."""

    name: str
    path: str
    make: Callable[[], Sequence[Mapping[str, Any] | None]] = field(repr=False)
    signatures: int = 1
    once: bool = False
    """Each request is sent once, under an Idempotency-Key of its own."""

    def requests(self, key: str) -> list[bytes]:
        """The bytes of each request; made anew for each run, because orders carry a time."""
        return [_request(self.path, body, key, secrets.token_hex(16) if self.once else None) for body in self.make()]


def sign_request(wallets: Sequence[str], count: int = DIFFERENT) -> list[dict[str, Any]]:
    """Bodies of /wallets/sign for these wallets in turn."""
    return [{"walletId": wallets[each % len(wallets)], "message": _message()} for each in range(count)]


def order_request(wallet: str) -> dict[str, Any]:
    """A body of /hyperliquid/sign: one limit order."""
    price, size = 50_000 + secrets.randbelow(9_999), f"0.{1 + secrets.randbelow(9)}"
    order = {"a": 0, "b": True, "p": str(price), "s": size, "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {"walletId": wallet, "action": {"type": "order", "orders": [order], "grouping": "na"}}


def _orders(count: int = DIFFERENT) -> list[dict[str, Any]]:
    return [order_request(SECP256K1[each % len(SECP256K1)]) for each in range(count)]


def _ruled_orders() -> list[dict[str, Any]]:
    return [order_request(RULED[each % len(RULED)]) for each in range(DIFFERENT)]


def _sign_orders() -> list[dict[str, Any]]:
    now = time.time_ns() // 1_000_000
    payload = {"action": "order", "coin": "BTC", "isBuy": True, "sz": 0.01, "limitPx": 50_000, "timestamp": now}
    return [
        {"walletId": SECP256K1[each % len(SECP256K1)], "orderPayload": {**payload, "limitPx": 50_000 + each}}
        for each in range(DIFFERENT)
    ]


def _batches(make: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"requests": [make(each) for each in range(BATCH)]} for _ in range(8)]


def _message() -> str:
    return secrets.token_hex(MESSAGE_BYTES // 2)


def _request(path: str, body: Mapping[str, Any] | None, key: str, idempotency_key: str | None) -> bytes:
    text = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    if idempotency_key is not None:
        head += f"Idempotency-Key: {idempotency_key}\r\n"
    return head.encode("ascii") + b"\r\n" + text


SIGN = Route("sign", "/wallets/sign", lambda: sign_request(ED25519))
ORDER = Route("order", "/hyperliquid/sign", _orders)
RULES = Route("rules", "/hyperliquid/sign", _ruled_orders)
KEYED = Route("keyed", "/hyperliquid/sign", lambda: _orders(ONCE), once=True)
SIGN_ORDER = Route("sign-order", "/wallets/sign-order", _sign_orders)
SIGN_BATCH = Route(
    "sign-batch",
    "/wallets/sign-batch",
    lambda: _batches(lambda each: {"walletId": ED25519[each % len(ED25519)], "message": _message()}),
    BATCH,
)
ORDER_BATCH = Route(
    "order-batch",
    "/hyperliquid/sign-batch",
    lambda: _batches(lambda each: order_request(SECP256K1[each % len(SECP256K1)])),
    BATCH,
)
PUBLIC_KEY = Route("public-key", f"/wallets/{ED25519[0]}/public-key", lambda: [None])
HEALTH = Route("health", "/health", lambda: [None])
