"""Every route does its work once on each back end that CI has no whole run for, and a restart finds all again.

`make test-combinations` runs the whole of what speaks HTTP on each of them.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms._core import verify_ed25519
from support import custody, databases
from support.every_route import routes_of
from support.mpc import service_in_shares
from support.sandbox import sandbox
from support.service import Answer, Service
from support.until import until

COMBINATIONS = [
    (custody.SECRETS_MANAGER, databases.POSTGRESQL),
    (custody.AWS_KMS, databases.POSTGRESQL),
    (custody.FILE, databases.POSTGRESQL),
]
NOOP = {"type": "noop"}
POLICY = {"format": 1, "allow": ["trade-only"]}
REQUEST_KEY = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(params=COMBINATIONS, ids="+".join)
def _combination(request: pytest.FixtureRequest) -> Iterator[None]:
    keys, database = request.param
    with databases.on(database), custody.on(keys):
        yield


class Walk:
    """Asks one request after another, each of which must succeed, and keeps the routes that were asked."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.asked: set[tuple[str, str]] = set()

    def post(self, route: str, body: object, **names: str) -> Answer:
        """A path as the document has it, and what stands in its braces."""
        return self._ask("POST", route, body, names)

    def get(self, route: str, query: str = "", **names: str) -> Answer:
        return self._ask("GET", route, None, names, query)

    def _ask(self, method: str, route: str, body: object, names: dict[str, str], query: str = "") -> Answer:
        answer = self.service.request(method, route.format(**names) + query, body)
        assert answer.status == 200, (method, route, answer.body)
        self.asked.add((method, route))
        return answer


@pytest.mark.usefixtures("_combination")
def test_every_route_does_its_work_and_a_restart_finds_it(tmp_path: Path) -> None:
    with sandbox() as exchange:
        with service_in_shares(tmp_path, HYPERKMS_TESTNET_URL=exchange.url) as service:
            walk = Walk(service)
            keys_live_and_sign(walk)
            keys_in_shares_live_and_sign(walk)
            policies_and_clients_change(walk)
            what_is_known_is_read(walk)
            every = {(route.method, route.path) for route in routes_of(service.get("/openapi.json").json)}
            assert walk.asked == every
            kept = service.get("/wallets/bytes/public-key").json["publicKey"]
        with service_in_shares(tmp_path, HYPERKMS_TESTNET_URL=exchange.url) as service:
            assert signed_message(Walk(service)) == kept
            assert (service.data / "root.key").exists() == (custody.kind() == custody.FILE)
            assert (service.data / "hyperkms.db").exists() == (databases.kind() == databases.SQLITE)
            stored = len(custody.secrets_of(service.data)) if custody.kind() == custody.SECRETS_MANAGER else None
            assert stored is None or stored > 0


def order() -> dict[str, object]:
    now = time.time_ns() // 1_000_000
    return {"action": "order", "coin": "BTC", "isBuy": True, "sz": "0.001", "limitPx": "60000", "timestamp": now}


def signed_message(walk: Walk) -> str:
    """A signature that holds; the public key by which it does."""
    body = walk.post("/wallets/sign", {"walletId": "bytes", "message": "hello"}).json
    public_key, signature = (bytes.fromhex(body[name].removeprefix("0x")) for name in ("publicKey", "signature"))
    verify_ed25519(public_key, b"hello", signature)
    return str(body["publicKey"])


def keys_live_and_sign(walk: Walk) -> None:
    walk.post("/wallets/generate", {"walletId": "bot", "keyType": "secp256k1"})
    walk.post("/wallets/generate", {"walletId": "bytes"})
    signed_message(walk)
    walk.post("/wallets/sign-batch", {"requests": [{"walletId": "bytes", "message": text} for text in "ab"]})
    walk.post("/wallets/sign-order", {"walletId": "bot", "orderPayload": order()})
    walk.post("/hyperliquid/explain", {"walletId": "bot", "action": NOOP})
    walk.post("/hyperliquid/sign", {"walletId": "bot", "action": NOOP})
    walk.post("/hyperliquid/sign-batch", {"requests": [{"walletId": "bot", "action": NOOP}] * 2})
    walk.post("/wallets/migrate", {"walletId": "bot"})
    walk.post("/wallets/rotate", {"walletId": "bot"})
    walk.post("/wallets/{wallet_id}/activate", {"version": 2}, wallet_id="bot")
    walk.post("/wallets/{wallet_id}/retire", {"version": 1}, wallet_id="bot")


def keys_in_shares_live_and_sign(walk: Walk) -> None:
    walk.post("/mpc/wallets/generate", {"walletId": "shared", "keyType": "secp256k1"})
    walk.post("/mpc/wallets/sign", {"walletId": "shared", "message": "hello"})
    walk.post("/mpc/wallets/sign-order", {"walletId": "shared", "orderPayload": order()})
    walk.post("/mpc/wallets/{wallet_id}/refresh", {}, wallet_id="shared")
    walk.post("/mpc/wallets/rotate", {"walletId": "shared", "activate": True})
    walk.get("/mpc/wallets/{wallet_id}/public-key", wallet_id="shared")
    walk.get("/mpc/cosigners")
    walk.get("/mpc/status")
    walk.post("/mpc/replace", {})
    walk.post("/mpc/wallets/{wallet_id}/retire", {}, wallet_id="shared")


def policies_and_clients_change(walk: Walk) -> None:
    walk.post("/wallets/{wallet_id}/policy", {"policy": POLICY}, wallet_id="bot")
    walk.post("/wallets/{wallet_id}/policy-notes", {"policy": POLICY}, wallet_id="bot")
    walk.post("/wallets/{wallet_id}/policy-version", {"version": 1}, wallet_id="bot")
    walk.get("/wallets/{wallet_id}/policy", wallet_id="bot")
    walk.post("/clients", {"name": "desk", "allow": ["trade"], "wallets": ["bot"]})
    walk.post("/clients/{name}/keys", {"publicKey": REQUEST_KEY}, name="desk")
    walk.post("/clients/{name}/rotate", {"overlapHours": 24}, name="desk")
    given = walk.post("/clients/{name}/grants", {"allow": ["trade"], "wallets": ["bytes"]}, name="desk").json
    newest = given["client"]["grants"][-1]["id"]
    walk.post("/clients/{name}/grants/{grant_id}/end", {}, name="desk", grant_id=newest)
    walk.get("/clients/{name}", name="desk")
    walk.get("/clients")
    walk.post("/clients/{name}/revoke", {}, name="desk")


def what_is_known_is_read(walk: Walk) -> None:
    for route in ("", "/public-key", "/versions", "/rotation-history"):
        walk.get(f"/wallets/{{wallet_id}}{route}", wallet_id="bot")
    for route in (
        "/health",
        "/ready",
        "/status",
        "/wallets",
        "/problems",
        "/metrics",
        "/audit/records",
        "/audit/heads",
    ):
        walk.get(route)
    walk.get("/problems/{code}", code="wallet-exists")
    log = walk.get("/audit/heads").json["heads"][0]["log"]
    until(lambda: walk.service.get(f"/audit/proof?log={log}&index=0").status == 200)  # a head of the log is due
    walk.get("/audit/proof", f"?log={log}&index=0")
