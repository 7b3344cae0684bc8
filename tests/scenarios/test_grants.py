"""What bots are granted, over HTTP and by command: for which wallet, which actions, how much, from where, how long."""

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from support.keep_alive import line_to
from support.places import PLACES, Place
from support.service import START_S, Answer, Service

NOOP = {"type": "noop"}
LEVERAGE = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 3}
SMALL = {"format": 1, "rules": [{"name": "small", "max_order_notional": 100}]}


def order(price: str = "100", size: str = "1") -> dict[str, Any]:
    """A buy, whose worth needs no mark."""
    one = {"a": 0, "b": True, "p": price, "s": size, "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {"type": "order", "orders": [one], "grouping": "na"}


@pytest.fixture(params=PLACES)
def desk(request: pytest.FixtureRequest, shared_service: Service) -> Place:
    return Place(shared_service, request.param, ("client",))


def make(service: Service, name: str, **members: object) -> dict[str, str]:
    """The header of a new client."""
    answer = service.post("/clients", {"name": name, **members})
    assert answer.status == 200, answer.body
    return {"X-API-Key": answer.json["apiKey"]}


def sign(service: Service, wallet: str, action: Mapping[str, Any], key: Mapping[str, str]) -> Answer:
    return service.post("/hyperliquid/sign", {"walletId": wallet, "action": action}, headers=key)


def code(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.json.get("code")


# ---- classes of actions -------------------------------------------------------------------------------


def test_a_class_of_actions_that_is_not_granted_is_refused(shared_service: Service) -> None:
    shared_service.generate("classes", keyType="secp256k1")
    cancels = make(shared_service, "cancels", wallets=["classes"], allow=["trade"], actions=["cancel"])
    assert sign(shared_service, "classes", NOOP, cancels).status == 200
    for action, kind in ((order(), "order"), (LEVERAGE, "leverage")):
        refused = sign(shared_service, "classes", action, cancels)
        assert code(refused) == (403, "action-not-granted")
        assert refused.json["actionClass"] == kind
        assert f"cancels is granted no {kind} actions with wallet classes" in refused.json["detail"]
    batch = {"requests": [{"walletId": "classes", "action": one} for one in (NOOP, LEVERAGE)]}
    told = shared_service.post("/hyperliquid/sign-batch", batch, headers=cancels).json["results"]
    assert [one.get("problem", {}).get("code") for one in told] == [None, "action-not-granted"]


def test_both_routes_of_orders_are_held_to_the_same_grant(shared_service: Service) -> None:
    shared_service.generate("routes", keyType="secp256k1")
    cancels = make(shared_service, "routes", wallets=["routes"], allow=["trade"], actions=["cancel"])
    payload = {"action": "order", "coin": "BTC", "isBuy": True, "sz": "1", "limitPx": "1", "timestamp": 0}
    answer = shared_service.post(
        "/wallets/sign-order", {"walletId": "routes", "orderPayload": payload}, headers=cancels
    )
    assert answer.status != 200
    shown = shared_service.get("/clients/routes").json["client"]
    assert [grant["operation"] for grant in shown["grants"]] == ["trade"]
    assert shown["may"] == ["read", "sign-order", "trade"]


# ---- given and ended ----------------------------------------------------------------------------------


def test_a_grant_is_given_and_ended_by_command(shared_service: Service, desk: Place, tmp_path: Path) -> None:
    name, wallet = f"bot-{desk.where}", f"given-{desk.where}"
    shared_service.generate(wallet, keyType="secp256k1")
    bot = make(shared_service, name)
    assert code(sign(shared_service, wallet, NOOP, bot)) == (403, "scope-missing")
    (tmp_path / "limits.json").write_text(json.dumps(SMALL))
    limits = ("--limits", str(tmp_path / "limits.json"), "--actions", "order", "--expires", "7d")
    (given,) = desk.json("grant", name, "--wallet", wallet, "--allow", "trade", *limits)["grants"]
    assert (given["wallet"], given["actions"], given["limits"]["rules"]) == (wallet, ["order"], SMALL["rules"])
    assert "expiresAt" in given
    assert code(sign(shared_service, wallet, NOOP, bot)) == (403, "action-not-granted")
    (second, _) = desk.json("grant", name, "--wallet", wallet, "--allow", "trade", "--actions", "cancel")["grants"]
    assert sign(shared_service, wallet, NOOP, bot).status == 200
    lines = desk.text("grant", name, "--allow", "metrics").splitlines()
    assert len(lines) == 3
    assert any("actions order; limits" in line and "until" in line for line in lines)
    assert any("every wallet" in line for line in lines)
    listed = shared_service.get(f"/clients/{name}").json["client"]["grants"]
    cancels = next(one["id"] for one in listed if one.get("actions") == ["cancel"])
    assert second["id"] in {given["id"], cancels}
    assert cancels not in desk.text("end-grant", name, cancels)
    assert code(sign(shared_service, wallet, NOOP, bot)) == (403, "action-not-granted")
    assert desk.refusal("end-grant", name, cancels).endswith("[grant-not-found]\n")
    assert desk.refusal("end-grant", name, "nonsense").endswith("[malformed]\n")
    assert desk.refusal("grant", "administrator", "--allow", "trade").endswith("[client-has-role]\n")
    assert desk.refusal("grant", name, "--allow", "read", "--actions", "order").endswith("[malformed]\n")


def test_grants_hold_in_every_worker_from_the_next_request_on(tmp_path: Path) -> None:
    with ExitStack() as ends:
        service = ends.enter_context(Service.start(tmp_path / "data", "--workers", "2"))
        service.generate("w", keyType="secp256k1")
        bot = make(service, "bot", wallets=["w"], allow=["read"])
        lines = [ends.enter_context(line_to(service)) for _ in range(8)]
        content = json.dumps({"walletId": "w", "action": NOOP}).encode()

        def statuses() -> set[int]:
            return {line.request("POST", "/hyperliquid/sign", content, bot).status for line in lines}

        assert statuses() == {403}
        for _ in range(5):
            given = service.post("/clients/bot/grants", {"wallets": ["w"], "allow": ["trade"], "actions": ["cancel"]})
            assert statuses() == {200}
            (trade,) = (one for one in given.json["client"]["grants"] if one["operation"] == "trade")
            assert service.post(f"/clients/bot/grants/{trade['id']}/end", {}).status == 200
            assert statuses() == {403}
        logs = {json.loads(line.post_raw("/hyperliquid/sign", content).body)["receipt"]["log"] for line in lines}
        assert len(logs) == 2, "both workers were asked"


def test_a_grant_is_given_once_under_a_key(shared_service: Service) -> None:
    make(shared_service, "once")
    headers = {"X-API-Key": shared_service.key, "Idempotency-Key": "one-grant"}
    first, again = (
        shared_service.post("/clients/once/grants", {"allow": ["metrics"]}, headers=headers) for _ in range(2)
    )
    assert (first.status, again.body) == (200, first.body)
    assert len(shared_service.get("/clients/once").json["client"]["grants"]) == 1


# ---- limits -------------------------------------------------------------------------------------------


def test_the_limits_of_a_bot_are_its_own(shared_service: Service) -> None:
    shared_service.generate("limits", keyType="secp256k1")
    count = {"format": 1, "rules": [{"name": "three", "max_orders": {"24h": 3}}]}
    first, second = (
        make(shared_service, name, wallets=["limits"], allow=["trade"], limits=count) for name in ("first", "second")
    )
    for bot, name in ((first, "first"), (second, "second")):
        statuses = [sign(shared_service, "limits", order(), bot).status for _ in range(5)]
        assert statuses == [200] * 3 + [403] * 2
        refused = sign(shared_service, "limits", order(), bot).json
        (grant,) = shared_service.get(f"/clients/{name}").json["client"]["grants"]
        told = (refused["grant"], refused["rule"], refused["limit"], refused["left"])
        assert told == (grant["id"], "three", "3", "0")
    assert sign(shared_service, "limits", order(), {"X-API-Key": shared_service.key}).status == 200


@pytest.mark.parametrize(
    "members",
    [
        {"allow": ["administer"]},
        {"allow": ["read"], "limits": SMALL},
        {"allow": ["trade"], "actions": []},
        {"allow": ["trade"], "actions": ["everything"]},
        {"allow": ["trade"], "wallets": []},
        {"allow": ["trade"], "limits": {}},
        {"allow": ["trade"], "limits": {"format": 1, "rules": [{"name": "x"}]}},
        {"allow": ["trade"], "expiresInDays": 0},
        {"allow": "trade"},
        {},
    ],
)
def test_a_grant_that_is_none_is_refused(shared_service: Service, members: Mapping[str, Any]) -> None:
    if shared_service.get("/clients/nothing").status == 404:
        make(shared_service, "nothing")
    assert shared_service.post("/clients/nothing/grants", members).status == 400
    assert shared_service.get("/clients/nothing").json["client"]["grants"] == []


def test_bots_grant_nothing(shared_service: Service) -> None:
    bot = make(shared_service, "greedy", allow=["trade", "generate"])
    (mine, *_) = shared_service.get("/clients/greedy").json["client"]["grants"]
    for path, body in (("grants", {"allow": ["retire"]}), (f"grants/{mine['id']}/end", {})):
        answer = shared_service.post(f"/clients/greedy/{path}", body, headers=bot)
        assert code(answer) == (403, "scope-missing")


# ---- where they ask from ------------------------------------------------------------------------------


def test_a_client_asks_from_its_networks_alone(shared_service: Service) -> None:
    shared_service.generate("networks", keyType="secp256k1")
    allowed = {"wallets": ["networks"], "allow": ["trade"]}
    near = make(shared_service, "near", networks=["127.0.0.0/8"], **allowed)
    far = make(shared_service, "far", networks=["203.0.113.0/24", "unix"], **allowed)
    for _ in range(2):
        assert sign(shared_service, "networks", NOOP, near).status == 200
        refused = sign(shared_service, "networks", NOOP, far)
        assert code(refused) == (403, "address-not-allowed")
        assert "far may not ask from 127.0.0.1; it may from: 203.0.113.0/24, unix" in refused.json["detail"]
    claimed = {**far, "X-Forwarded-For": "203.0.113.5"}
    assert code(sign(shared_service, "networks", NOOP, claimed)) == (403, "address-not-allowed")
    assert code(shared_service.get("/wallets/networks", headers=far)) == (403, "address-not-allowed")
    batch = {"requests": [{"walletId": "networks", "action": NOOP}]}
    assert code(shared_service.post("/hyperliquid/sign-batch", batch, headers=far)) == (403, "address-not-allowed")
    assert shared_service.get("/clients/far").json["client"]["networks"] == ["203.0.113.0/24", "unix"]


def test_behind_a_trusted_proxy_the_address_is_the_one_it_names(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_TRUSTED_PROXIES="127.0.0.1") as service:
        service.generate("w", keyType="secp256k1")
        bot = make(service, "bot", networks=["203.0.113.0/24"], allow=["trade"])
        outcomes = {
            address: sign(service, "w", NOOP, {**bot, "X-Forwarded-For": address}).status
            for address in (
                "203.0.113.5",
                "::ffff:203.0.113.5",
                "198.51.100.1",
                "203.0.113.5, 198.51.100.1",
                "198.51.100.1, 203.0.113.5",
                "nonsense",
            )
        }
        assert list(outcomes.values()) == [200, 200, 403, 403, 200, 403]
        assert sign(service, "w", NOOP, bot).status == 403


def test_the_unix_socket_is_a_place_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        service.generate("w", keyType="secp256k1")
        here = make(service, "here", networks=["unix"], allow=["trade"])
        there = make(service, "there", networks=["127.0.0.1"], allow=["trade"])
        by_address = [sign(service, "w", NOOP, key).status for key in (here, there)]
        by_socket = [_sign_by_socket(path, key) for key in (here, there)]
    assert (by_address, by_socket) == ([403, 200], [200, 403])


def _sign_by_socket(path: Path, key: Mapping[str, str]) -> int:
    with closing(http.client.HTTPConnection("localhost", timeout=START_S)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("POST", "/hyperliquid/sign", json.dumps({"walletId": "w", "action": NOOP}), dict(key))
        return connection.getresponse().status
