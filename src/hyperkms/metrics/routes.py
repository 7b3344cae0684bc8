"""The routes by which requests are counted, and the group of each: a new route is one line here.

A request to anything else is counted under `other`, so that no caller can make a series.
"""

from collections.abc import Mapping

OTHER = "other"
GROUPS = ("sign", "order", "batch", "read", "manage", OTHER)

ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/wallets/sign"): "sign",
    ("POST", "/mpc/wallets/sign"): "sign",
    ("POST", "/wallets/sign-order"): "order",
    ("POST", "/mpc/wallets/sign-order"): "order",
    ("POST", "/hyperliquid/sign"): "order",
    ("POST", "/wallets/sign-batch"): "batch",
    ("POST", "/hyperliquid/sign-batch"): "batch",
    ("GET", "/wallets"): "read",
    ("GET", "/wallets/{wallet_id}"): "read",
    ("GET", "/wallets/{wallet_id}/public-key"): "read",
    ("GET", "/wallets/{wallet_id}/rotation-history"): "read",
    ("GET", "/wallets/{wallet_id}/versions"): "read",
    ("GET", "/mpc/wallets/{wallet_id}/public-key"): "read",
    ("GET", "/mpc/status"): "read",
    ("GET", "/clients"): "read",
    ("GET", "/clients/{name}"): "read",
    ("GET", "/audit/heads"): "read",
    ("GET", "/audit/proof"): "read",
    ("GET", "/audit/records"): "read",
    ("POST", "/wallets/generate"): "manage",
    ("POST", "/wallets/rotate"): "manage",
    ("POST", "/wallets/migrate"): "manage",
    ("POST", "/wallets/{wallet_id}/activate"): "manage",
    ("POST", "/wallets/{wallet_id}/retire"): "manage",
    ("POST", "/mpc/wallets/generate"): "manage",
    ("POST", "/mpc/wallets/rotate"): "manage",
    ("POST", "/mpc/wallets/{wallet_id}/retire"): "manage",
    ("POST", "/mpc/wallets/{wallet_id}/refresh"): "manage",
    ("POST", "/mpc/replace"): "manage",
    ("GET", "/mpc/cosigners"): "read",
    ("POST", "/clients"): "manage",
    ("POST", "/clients/{name}/revoke"): "manage",
    ("POST", "/clients/{name}/rotate"): "manage",
    ("POST", "/clients/{name}/grants"): "manage",
    ("POST", "/clients/{name}/grants/{grant_id}/end"): "manage",
    ("GET", "/wallets/{wallet_id}/policy"): "read",
    ("POST", "/hyperliquid/explain"): "read",
    ("POST", "/wallets/{wallet_id}/policy"): "manage",
    ("POST", "/wallets/{wallet_id}/policy-version"): "manage",
    ("POST", "/wallets/{wallet_id}/policy-notes"): "read",
    ("POST", "/clients/{name}/keys"): "manage",
    ("GET", "/health"): OTHER,
    ("GET", "/ready"): OTHER,
    ("GET", "/status"): "read",
    ("GET", "/metrics"): OTHER,
    ("GET", "/problems"): OTHER,
    ("GET", "/problems/{code}"): OTHER,
}
"""Method and template, and the group whose duration it counts in."""
