"""Bots under rules: each wallet with a policy of ten rules, asked by a client that was granted to trade with them."""

import http.client
from collections.abc import Mapping
from typing import Any

from bench.service import WALLETS, Service

RULED = tuple(f"ruled-{number:02d}" for number in range(WALLETS))
POLICY: Mapping[str, Any] = {
    "format": 1,
    "allow": ["trade-only"],
    "expires_after": {"default_ms": 10_000, "max_ms": 60_000},
    "rules": [
        {"name": "coins", "coins": ["BTC", "ETH"]},
        {"name": "size of an order", "max_order_notional": 100_000},
        {"name": "spent", "max_notional": {"1m": 10**11, "1h": 10**11, "24h": 10**11}},
        {"name": "rate", "max_orders": {"1s": 1_000_000, "1m": 10_000_000}},
        {"name": "price", "price_band_percent": 50},
        {"name": "leverage", "max_leverage": 10},
        {"name": "time in force", "tifs": ["Gtc", "Ioc", "Alo"], "triggers": False},
        {"name": "builders", "max_builder_fee": 0},
        {"name": "account", "vaults": ["own"]},
        {"name": "never", "when": {"hours": "00:00-00:01", "days": ["sun"], "zone": "Europe/Zurich"}, "refuse": True},
    ],
}
"""Ten rules with limits that no load meets: two with five limits over time, one for the clock, one for prices."""


def make_rules(made: Service) -> str:
    """The wallets, their policies and the client; its API key."""
    for name in RULED:
        _ask(made, "/wallets/generate", {"walletId": name, "keyType": "secp256k1", "network": "testnet"})
        _ask(made, f"/wallets/{name}/policy", {"policy": POLICY})
    bot = {"name": "bench-bot", "wallets": list(RULED), "allow": ["trade"], "actions": ["order", "cancel"]}
    key: str = _ask(made, "/clients", bot)["apiKey"]
    return key


def _ask(made: Service, path: str, body: Mapping[str, Any]) -> Any:
    status, answer = made.ask("POST", path, body)
    if status != http.client.OK:
        raise RuntimeError(f"{path}: {status} {answer}")
    return answer
