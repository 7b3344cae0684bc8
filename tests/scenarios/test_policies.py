"""Policies of wallets, over HTTP and by command: what they refuse, in which words, and from when on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from hyperkms.client import ServiceError, SigningClient
from support.approving import Approver
from support.commands import refusal as refusal_of
from support.commands import run
from support.databases import rows
from support.keep_alive import line_to
from support.keyed import signatures
from support.places import PLACES, Place
from support.sandbox import sandbox
from support.service import Answer, Service

BTC, ETH, SOL = 0, 1, 2
"""At 60000, 3000 and 150 USD in the sandbox."""
FOREIGN = "0x" + "b2" * 20
NOBODY = {"type": "noop"}


def hours(begin: int, end: int) -> str:
    """From and to, in hours from now."""
    now = datetime.now(UTC)
    return "-".join(f"{now + timedelta(hours=ahead):%H:%M}" for ahead in (begin, end))


def policy(**night: Any) -> str:
    """BTC and ETH, 10,000 USD an order, reduce-only at night, no withdrawals."""
    return f"""
format = 1
description = "what the desk allows bot-07"
allow = ["trade-only"]

[[rules]]
name = "BTC and ETH"
coins = ["BTC", "ETH"]

[[rules]]
name = "size of an order"
max_order_notional = 10000

[[rules]]
name = "reduce-only at night"
reduce_only = true
when = {{ hours = "{night.get("hours", hours(2, 3))}" }}
"""


def order(asset: int = BTC, price: str = "60000", size: str = "0.1", **members: Any) -> dict[str, Any]:
    """The action of one limit order."""
    one = {"a": asset, "b": True, "p": price, "s": size, "r": False, "t": {"limit": {"tif": "Gtc"}}, **members}
    return {"type": "order", "orders": [one], "grouping": "na"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    """The stand-in, for its list of assets and its prices."""
    with sandbox() as running:
        yield running.url


@pytest.fixture(scope="module")
def service(exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("policies") / "data", HYPERKMS_TESTNET_URL=exchange) as running:
        yield running


@pytest.fixture(params=PLACES)
def desk(request: pytest.FixtureRequest, service: Service) -> Place:
    return Place(service, request.param, ("policy",))


@pytest.fixture
def wallet(service: Service, request: pytest.FixtureRequest) -> str:
    """One of its own for each test."""
    name = f"w{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]}"
    service.generate(name, keyType="secp256k1")
    return name


def file(folder: Path, text: str) -> str:
    (folder / "policy.toml").write_text(text)
    return str(folder / "policy.toml")


def sign(service: Service, wallet: str, action: Mapping[str, Any], **members: Any) -> Answer:
    return service.post("/hyperliquid/sign", {"walletId": wallet, "action": action, **members})


def refusal(service: Service, wallet: str, action: Mapping[str, Any], **members: Any) -> Mapping[str, Any]:
    """Of a rule, with what a program needs to know of it."""
    answer = sign(service, wallet, action, **members)
    assert answer.status == 403, answer.body
    assert answer.json["code"] in {"policy-refused", "action-not-allowed"}
    told: Mapping[str, Any] = answer.json
    return told


def members(told: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(told.get(name) for name in names)


# ---- the desk's story ---------------------------------------------------------------------------------


def test_a_bot_is_held_to_two_coins_and_a_size_and_each_refusal_says_rule_value_and_limit(
    service: Service, wallet: str, tmp_path: Path, desk: Place
) -> None:
    told = desk.text("apply", file(tmp_path, policy()), "--wallet", wallet, "--reason", "first day")
    assert told == f"version 1 of the policy of {wallet} decides from now on\n"
    assert sign(service, wallet, order()).status == 200
    assert sign(service, wallet, order(size="0.16666")).status == 200
    assert sign(service, wallet, order(ETH, "3000", "3")).status == 200
    large = refusal(service, wallet, order(size="0.16667"))
    assert members(large, "policy", "rule", "value", "limit", "field") == (
        f"{wallet}/1",
        "size of an order",
        "10000.2",
        "10000",
        "action.orders[0]",
    )
    assert "action.orders[0] is worth 10000.2 USD; at most 10000 USD are allowed" in large["detail"]
    cheap_sale = refusal(service, wallet, order(price="1", size="0.2", b=False))
    assert members(cheap_sale, "rule", "value") == ("size of an order", "12000"), "a sale is done at the market's price"
    other = refusal(service, wallet, order(SOL, "150", "1"))
    assert members(other, "rule", "value", "limit") == ("BTC and ETH", "SOL", "BTC, ETH")
    unlisted = refusal(service, wallet, order(999, "1", "1"))
    assert members(unlisted, "rule", "value") == ("BTC and ETH", "unknown")
    leverage = {"type": "updateLeverage", "asset": SOL, "isCross": True, "leverage": 3}
    assert refusal(service, wallet, leverage)["rule"] == "BTC and ETH"
    assert sign(service, wallet, {**leverage, "asset": ETH}).status == 200
    several = order()
    several["orders"] += order(size="0.17")["orders"]
    assert refusal(service, wallet, several)["field"] == "action.orders[1]"
    modify = {"type": "modify", "oid": 1, "order": order(size="0.17")["orders"][0]}
    assert members(refusal(service, wallet, modify), "rule", "field") == ("size of an order", "action.order")


def test_at_night_it_may_only_reduce(service: Service, wallet: str, tmp_path: Path, desk: Place) -> None:
    desk.text("apply", file(tmp_path, policy(hours=hours(-1, 1))), "--wallet", wallet)
    told = refusal(service, wallet, order())
    assert members(told, "rule", "value", "limit") == ("reduce-only at night", "false", "true")
    assert sign(service, wallet, order(r=True)).status == 200
    assert sign(service, wallet, {"type": "cancel", "cancels": [{"a": BTC, "o": 1}]}).status == 200
    desk.text("apply", file(tmp_path, policy(hours=hours(1, 2))), "--wallet", wallet)
    assert sign(service, wallet, order()).status == 200


def test_without_a_policy_of_its_own_a_wallet_trades_and_moves_no_funds(service: Service, wallet: str) -> None:
    assert sign(service, wallet, NOBODY).status == 200
    withdrawal = {"type": "withdraw3", "destination": FOREIGN, "amount": "1"}
    answer = sign(service, wallet, withdrawal)
    assert (answer.status, answer.json["code"]) == (403, "action-not-allowed")
    shown = service.get(f"/wallets/{wallet}/policy").json
    assert (shown["versions"], shown["newest"], "enforced" in shown) == ([], 0, False)


def test_an_order_gets_the_default_end_of_its_policy_and_none_too_far(service: Service, wallet: str) -> None:
    document = {"format": 1, "allow": ["order"], "expires_after": {"default_ms": 20_000, "max_ms": 60_000}}
    assert service.post(f"/wallets/{wallet}/policy", {"policy": document}).status == 200
    signed = sign(service, wallet, order())
    now = datetime.now(UTC).timestamp() * 1000
    assert now < signed.json["expiresAfter"] <= now + 20_000
    far = refusal(service, wallet, order(), expiresAfter=int(now + 300_000))
    assert members(far, "rule", "limit", "field") == ("expires_after", "60000", "expiresAfter")
    assert refusal(service, wallet, NOBODY)["rule"] == "allow"


def test_a_limit_over_time_says_how_much_is_left_and_when_there_is_more(service: Service, wallet: str) -> None:
    rules = [{"name": "a day", "max_notional": {"24h": 10_000}}]
    document = {"format": 1, "allow": ["trade-only"], "rules": rules}
    assert service.post(f"/wallets/{wallet}/policy", {"policy": document}).status == 200
    assert sign(service, wallet, order()).status == 200
    told = refusal(service, wallet, order())
    assert members(told, "rule", "quantity", "value", "limit", "left") == (
        "a day",
        "max_notional",
        "6000",
        "10000",
        "4000",
    )
    assert 0 < told["retryAfterMs"] <= 24 * 3_600_000 * 61 / 60
    never = refusal(service, wallet, order(size="1"))
    assert "retryAfterMs" not in never
    first_system = {"coin": "BTC", "isBuy": True, "sz": "0.05", "limitPx": "60000", "action": "order"}
    payload = {**first_system, "timestamp": int(datetime.now(UTC).timestamp() * 1000)}
    both = [service.post("/wallets/sign-order", {"walletId": wallet, "orderPayload": payload}).status for _ in range(2)]
    assert both == [200, 403], "the first system's route spends of the same limit"
    assert sign(service, wallet, order(size="0.01")).status == 200


def test_vaults_are_traded_for_only_where_they_are_named(service: Service, wallet: str) -> None:
    document = {"format": 1, "allow": ["order"], "rules": [{"name": "own account", "vaults": ["own"]}]}
    assert service.post(f"/wallets/{wallet}/policy", {"policy": document}).status == 200
    assert sign(service, wallet, order()).status == 200
    told = refusal(service, wallet, order(), vaultAddress=FOREIGN)
    assert members(told, "rule", "value", "limit") == ("own account", FOREIGN, "own")


# ---- approvals ----------------------------------------------------------------------------------------


def desk_of(*approvers: Approver, needed: int = 1) -> dict[str, Any]:
    """Orders above 10,000 USD, and all transfers, need so many of them."""
    named = {name: one.text for name, one in zip(("anna", "ben", "carl"), approvers, strict=False)}
    people = {"approvals": needed, "approvers": named}
    rules = [
        {"name": "large", "when": {"above": 10_000}, **people},
        {"name": "funds", "when": {"actions": ["usdSend"]}, **people},
    ]
    return {"policy": {"format": 1, "allow": ["trade-only", "usdSend"], "rules": rules}}


def test_what_a_bot_must_not_do_alone_is_signed_once_for_each_approval(service: Service, wallet: str) -> None:
    anna, ben, carl = Approver(), Approver(), Approver()
    assert service.post(f"/wallets/{wallet}/policy", desk_of(anna, ben, needed=2)).status == 200
    assert sign(service, wallet, order(size="0.1")).status == 200
    large = order(size="0.2")
    missing = sign(service, wallet, large, approvals=[anna.approve(wallet, large), carl.approve(wallet, large)])
    assert (missing.status, missing.json["code"]) == (403, "approval-required")
    assert members(missing.json, "rule", "value", "limit", "field") == ("large", "1", "2", "approvals")
    for words in ("needs 2 approvals of anna or ben; 1 counts (anna)", "none of the approvers'", "`hyperkms approve"):
        assert words in missing.json["detail"]
    both = [one.approve(wallet, large) for one in (anna, ben)]
    for other in (order(size="0.20001"), {**large, "grouping": "normalTpsl"}):
        assert sign(service, wallet, other, approvals=both).json["code"] == "approval-required"
    assert sign(service, wallet, large, approvals=both, vaultAddress=FOREIGN).json["code"] == "approval-required"
    signed = sign(service, wallet, large, approvals=both)
    assert signed.status == 200, signed.body
    again = sign(service, wallet, large, approvals=both)
    assert "no. 1 of anna was used before; no. 2 of ben was used before" in again.json["detail"]
    (line,) = [one for one in signatures(service.data, wallet) if one.get("approvals")]
    assert [(one["name"], one["key"]) for one in line["approvals"]] == [
        ("anna", anna.fingerprint.hex()),
        ("ben", ben.fingerprint.hex()),
    ]
    assert line["digest"] == signed.json["receipt"]["digest"]


def test_who_explains_an_action_hears_which_approvals_are_missing(service: Service, wallet: str) -> None:
    anna = Approver()
    service.post(f"/wallets/{wallet}/policy", desk_of(anna))
    large = order(size="0.2")
    body = {"walletId": wallet, "action": large}
    (missing,) = service.post("/hyperliquid/explain", body).json["refusals"]
    assert (missing["rule"], missing["value"], missing["limit"]) == ("large", "0", "1")
    given = [anna.approve(wallet, large)]
    assert service.post("/hyperliquid/explain", {**body, "approvals": given}).json["allowed"] is True
    assert sign(service, wallet, large, approvals=given).status == 200, "asking uses nothing up"


def test_a_person_approves_by_command_what_the_client_library_then_has_signed(
    service: Service, wallet: str, tmp_path: Path
) -> None:
    made = run("identity", "create", "anna.key", cwd=tmp_path).stdout.decode().strip()
    people = {"approvals": 1, "approvers": {"anna": made}}
    document = {"format": 1, "allow": ["usdSend"], "rules": [{"name": "funds", **people}]}
    assert service.post(f"/wallets/{wallet}/policy", {"policy": document}).status == 200
    transfer = {"type": "usdSend", "destination": FOREIGN, "amount": "5"}
    (tmp_path / "send.json").write_text(json.dumps(transfer))
    words = ("approve", "send.json", "--wallet", wallet, "--network", "testnet", "--key", "anna.key")
    asked = run(*words, cwd=tmp_path)
    assert (asked.returncode, asked.stdout) == (1, b"")
    assert asked.stderr.decode().endswith("say --yes where no terminal can ask [not-confirmed]\n")
    approved = run(*words, "--yes", cwd=tmp_path)
    text, told = approved.stdout.decode().strip(), approved.stderr.decode()
    assert f"hyperkms: wallet {wallet} on testnet: send 5 USDC to {FOREIGN}" in told
    assert f'"destination":"{FOREIGN}"' in told
    assert (tmp_path / "anna.key").read_text().split()[1] not in text + told
    with SigningClient(service.url, service.key) as bot:
        with pytest.raises(ServiceError) as missing:
            bot.sign_action(wallet, transfer)
        assert missing.value.code == "approval-required"
        signed = bot.sign_action(wallet, transfer, approvals=[text])
        assert signed.action["amount"] == "5"
    for place in (("--data", str(service.data)), ("--url", service.url)):
        once_more = run(*words, "--yes", cwd=tmp_path).stdout.decode().strip()
        command = ("wallet", "sign-action", wallet, "--action", "send.json", "--approval", once_more, *place)
        first, second = (run(*command, cwd=tmp_path, HYPERKMS_API_KEY=service.key) for _ in range(2))
        assert first.returncode == 0, first.stderr
        assert second.stderr.decode().endswith("[approval-required]\n")
    shown = run("audit", "show", "--wallet", wallet, "--data", str(service.data), cwd=tmp_path).stdout.decode()
    assert f"send 5 USDC to {FOREIGN} (approved by anna)" in shown


def test_what_cannot_be_approved_is_refused_by_the_command(tmp_path: Path) -> None:
    run("identity", "create", "anna.key", cwd=tmp_path)
    flags = ("--network", "testnet", "--key", "anna.key", "--yes")
    send = json.dumps({"type": "usdSend", "destination": FOREIGN, "amount": "5"})
    action = json.dumps(order())
    shown = run("approve", "-", "--wallet", "w", *flags, "--for", "1h", "--json", cwd=tmp_path, stdin=action)
    approval = json.loads(shown.stdout)
    assert approval["approval"].startswith(f"v1 key={approval['approver']},ts=")
    assert approval["explained"].startswith("buy 0.1 asset 0 at 60000")
    for words, text, code in (
        (("--wallet", "w", "--for", "61m"), action, "malformed"),
        (("--wallet", "w"), json.dumps(NOBODY | {"x": 1}), "unknown-field"),
        (("--wallet", "w", "--vault", FOREIGN), send, "member-not-signed"),
        (("--wallet", "w", "--vault", "0x12"), action, "malformed"),
        (("--wallet", "w"), "[]", "malformed"),
    ):
        assert f"[{code}" in refusal_of("approve", "-", *words, *flags, cwd=tmp_path, stdin=text), words


# ---- versions and shadow ------------------------------------------------------------------------------


def test_a_policy_in_shadow_refuses_nothing(service: Service, wallet: str, tmp_path: Path, desk: Place) -> None:
    told = desk.text("apply", file(tmp_path, policy()), "--wallet", wallet, "--shadow")
    assert told == f"version 1 of the policy of {wallet} watches in shadow from now on\n"
    assert sign(service, wallet, order(SOL, "150", "1000")).status == 200
    assert "in shadow: version 1" in desk.text("show", "--wallet", wallet)
    shown = desk.json("use", "1", "--wallet", wallet)
    assert (shown["enforced"]["version"], "shadow" in shown) == (1, False)
    assert refusal(service, wallet, order(SOL, "150", "1000"))["rule"] == "BTC and ETH"


def test_an_earlier_version_holds_again_and_none_leaves_the_built_in_one(
    service: Service, wallet: str, tmp_path: Path, desk: Place
) -> None:
    cancels = file(tmp_path, 'format = 1\nallow = ["cancel"]')
    desk.text("apply", cancels, "--wallet", wallet, "--newest", "0", "--reason", "stop")
    assert desk.refusal("apply", cancels, "--wallet", wallet, "--newest", "0").endswith("[policy-changed]\n")
    desk.text("apply", file(tmp_path, policy()), "--wallet", wallet, "--newest", "1")
    assert sign(service, wallet, order()).status == 200
    assert desk.json("use", "1", "--wallet", wallet, "--reason", "again")["enforced"]["version"] == 1
    assert refusal(service, wallet, order())["policy"] == f"{wallet}/1"
    assert desk.refusal("use", "3", "--wallet", wallet).endswith("[policy-not-found]\n")
    assert "the built-in trade-only" in desk.text("use", "none", "--wallet", wallet)
    assert sign(service, wallet, order(SOL, "150", "1")).status == 200
    listed = desk.text("show", "--wallet", wallet, "--all").splitlines()
    assert [line.split()[0] for line in listed] == ["1", "2"]
    assert "stop" in listed[0]
    assert [one["version"] for one in desk.json("show", "--wallet", wallet, "--all")["versions"]] == [1, 2]
    assert json.loads(desk.text("show", "--wallet", wallet, "--version", "1"))["allow"] == ["cancel"]


def test_a_difference_is_shown_before_it_is_applied(wallet: str, tmp_path: Path, desk: Place) -> None:
    written = file(tmp_path, policy())
    assert f"--- {wallet}, built-in trade-only" in desk.text("diff", written, "--wallet", wallet)
    desk.text("apply", written, "--wallet", wallet)
    assert desk.text("diff", written, "--wallet", wallet) == ""
    changed = desk.text("diff", file(tmp_path, policy().replace("10000", "500")), "--wallet", wallet)
    assert '-      "max_order_notional": 10000' in changed
    assert '+      "max_order_notional": 500' in changed


def test_a_policy_for_several_wallets_is_applied_to_each(service: Service, tmp_path: Path, desk: Place) -> None:
    names = [f"several-{desk.where}-{number}" for number in range(2)]
    for name in names:
        service.generate(name, keyType="secp256k1")
    desk.text("apply", file(tmp_path, policy()), "--wallet", names[0], "--wallet", names[1])
    for name in names:
        assert refusal(service, name, order(SOL, "150", "1"))["policy"] == f"{name}/1"


def test_a_policy_is_checked_without_a_service_and_its_schema_takes_it(tmp_path: Path, service: Service) -> None:
    alone = Place(service, "nowhere", ("policy",))
    written = file(tmp_path, policy())
    told = alone.text("check", written)
    assert "a policy of 3 rules" in told
    assert 'size of an order: {"max_order_notional": 10000}' in told
    validator = jsonschema_rs.validator_for(json.loads(alone.text("schema")))
    assert validator.is_valid(alone.json("check", written))
    assert alone.text("check", "-", stdin=policy()).startswith("-: a policy of 3 rules")
    for wrong, place in (
        (policy().replace("coins", "coin"), "rules[0] ('BTC and ETH'): there is no member coin; coins is one"),
        (policy().replace("10000", '"ten"'), "rules[1].max_order_notional"),
        ("allow = 1 1", "the policy is no TOML"),
    ):
        refused = alone.refusal("check", file(tmp_path, wrong))
        assert place in refused
        assert refused.endswith("[malformed-policy]\n")
    missing = alone.refusal("check", str(tmp_path / "none.toml"))
    assert missing.count("none.toml") == 1
    assert missing.endswith("[malformed-policy]\n")
    one = alone.text("check", "-", stdin='format = 1\nallow = ["order"]\n[[rules]]\nname = "r"\nrefuse = true\n')
    assert one.startswith("-: a policy of 1 rule\n")


def test_a_coin_that_is_misspelt_is_warned_of_and_no_refusal(exchange: str, service: Service, wallet: str) -> None:
    text = """
format = 1
allow = ["order"]
[[rules]]
name = "no btc"
when = { coins = ["btc", "BTC", "QQQQ"] }
refuse = true
[[rules]]
name = "two"
coins = ["ETH", "eth"]
"""
    words = ("policy", "apply", "-", "--wallet", wallet, "--data", str(service.data))
    told = run(*words, cwd=service.data.parent, stdin=text, HYPERKMS_TESTNET_URL=exchange)
    assert told.returncode == 0
    first, second, third = told.stderr.decode().splitlines()
    assert first == "hyperkms: warning: rule 'no btc': no coin of testnet is called btc (BTC is)"
    assert second.startswith(
        "hyperkms: warning: rule 'no btc': no coin of testnet is called QQQQ (the nearest names are "
    )
    assert third == "hyperkms: warning: rule 'two': no coin of testnet is called eth (ETH is)"
    body = {"policy": {"format": 1, "allow": ["order"], "rules": [{"name": "r", "coins": ["btc"]}]}}
    answer = service.post(f"/wallets/{wallet}/policy", body)
    assert answer.json["notes"] == ["rule 'r': no coin of testnet is called btc (BTC is)"]
    body["policy"]["rules"] = [{"name": "r", "coins": ["BTC"]}]
    assert "notes" not in service.post(f"/wallets/{wallet}/policy", body).json


def test_a_difference_warns_of_coins_too(exchange: str, service: Service, wallet: str, tmp_path: Path) -> None:
    written = file(tmp_path, policy().replace('"BTC", ', '"btc", '))
    doubt = "rule 'BTC and ETH': no coin of testnet is called btc (BTC is)"
    words = ("policy", "diff", written, "--wallet", wallet)
    places = (
        (("--data", str(service.data)), {"HYPERKMS_TESTNET_URL": exchange}),
        (("--url", service.url), {"HYPERKMS_API_KEY": service.key}),
    )
    for flags, settings in places:
        told = run(*words, *flags, cwd=tmp_path, **settings)
        assert (told.returncode, told.stderr.decode()) == (0, f"hyperkms: warning: {doubt}\n")
        assert '+        "btc"' in told.stdout.decode()
        assert json.loads(run(*words, *flags, "--json", cwd=tmp_path, **settings).stdout)["notes"] == [doubt]
    assert service.get(f"/wallets/{wallet}/policy").json["newest"] == 0


def test_no_policy_is_shown_of_a_wallet_that_signs_bytes(service: Service, tmp_path: Path, desk: Place) -> None:
    name = f"bytes-{desk.where}"
    service.generate(name, keyType="ed25519")
    for words in ((), ("--all",)):
        assert desk.json("show", "--wallet", name, *words)["signs"] == "bytes"
        told = desk.text("show", "--wallet", name, *words)
        assert told == f"no policy applies: wallet {name} has an ed25519 key and signs bytes, not actions\n"
    assert desk.refusal("diff", file(tmp_path, policy()), "--wallet", name).endswith("[wrong-key-type]\n")


def test_the_same_policy_again_makes_no_version_and_says_so(wallet: str, tmp_path: Path, desk: Place) -> None:
    written = file(tmp_path, policy())
    for effect, flags in (("decides", ()), ("watches in shadow", ("--shadow",))):
        first = desk.json("apply", written, "--wallet", wallet, *flags)
        told = desk.text("apply", written, "--wallet", wallet, *flags)
        words = f"nothing changed since version {first['newest']} of the policy of {wallet}: it {effect} already\n"
        assert told == words
        again = desk.json("apply", written, "--wallet", wallet, *flags)
        assert (again["newest"], again["unchanged"], "unchanged" in first) == (first["newest"], True, False)
    ended = desk.json("apply", written, "--wallet", wallet)
    assert (ended["newest"], "shadow" in ended) == (3, False), "it ends the shadow, which is a change"


# ---- who may, and where -------------------------------------------------------------------------------


def test_administrators_alone_change_policies_and_readers_see_them(service: Service, wallet: str) -> None:
    made = service.post("/clients", {"name": f"reader-{wallet}", "wallets": [wallet], "allow": ["read"]})
    reader = {"X-API-Key": made.json["apiKey"]}
    document = {"format": 1, "allow": ["cancel"]}
    for path, body in (("policy", {"policy": document}), ("policy-version", {"version": None})):
        answer = service.post(f"/wallets/{wallet}/{path}", body, headers=reader)
        assert (answer.status, answer.json["code"]) == (403, "scope-missing")
    assert service.get(f"/wallets/{wallet}/policy", headers=reader).status == 200
    assert service.get("/wallets/other/policy", headers=reader).status == 404


def test_a_wallet_that_signs_bytes_has_no_policy(service: Service) -> None:
    service.generate("only-bytes", keyType="ed25519")
    answer = service.post("/wallets/only-bytes/policy", {"policy": {"format": 1, "allow": ["order"]}})
    assert (answer.status, answer.json["code"]) == (400, "wrong-key-type")
    missing = service.post("/wallets/nobody/policy", {"policy": {"format": 1, "allow": ["order"]}})
    assert (missing.status, missing.json["code"]) == (404, "wallet-not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"policy": "trade-only"},
        {"policy": {"format": 1, "allow": ["everything"]}},
        {"policy": {"format": 1, "allow": ["order"], "rules": [{"name": "r", "max_order_notional": 1.5}]}},
        {"policy": {"format": 1, "allow": ["order"]}, "effect": "both"},
        {"policy": {"format": 1, "allow": ["order"]}, "wallet": "other"},
    ],
)
def test_a_policy_that_is_none_changes_nothing(service: Service, wallet: str, body: Mapping[str, Any]) -> None:
    assert service.post(f"/wallets/{wallet}/policy", body).status == 400
    assert service.get(f"/wallets/{wallet}/policy").json["newest"] == 0


def test_a_change_holds_in_every_worker_from_the_next_request_on(exchange: str, tmp_path: Path) -> None:
    with ExitStack() as ends:
        service = ends.enter_context(Service.start(tmp_path / "data", "--workers", "2", HYPERKMS_TESTNET_URL=exchange))
        service.generate("w", keyType="secp256k1")
        lines = [ends.enter_context(line_to(service)) for _ in range(8)]
        ask = {"walletId": "w", "action": NOBODY}
        signed = [line.post("/hyperliquid/sign", ask) for line in lines]
        assert len({answer.json["receipt"]["log"] for answer in signed}) == 2
        for turn in range(10):
            allow = ["order"] if turn % 2 == 0 else ["noop"]
            changed = service.post("/wallets/w/policy", {"policy": {"format": 1, "allow": allow}})
            assert changed.json["newest"] == turn + 1
            expected = 403 if turn % 2 == 0 else 200
            assert {line.post("/hyperliquid/sign", ask).status for line in lines} == {expected}
        service.post("/wallets/w/policy-version", {"version": 1})
        assert {line.post("/hyperliquid/sign", ask).status for line in lines} == {403}


def test_a_damaged_policy_signs_nothing_until_there_is_another(service: Service, wallet: str) -> None:
    service.post(f"/wallets/{wallet}/policy", {"policy": {"format": 1, "allow": ["noop"]}})
    rows(service.data, "UPDATE policies SET document = '{}' WHERE wallet = ?", wallet)
    service.generate(f"{wallet}-2")  # a change, so that everything is read again
    answer = sign(service, wallet, NOBODY)
    assert (answer.status, answer.json["code"]) == (500, "policy-damaged")
    assert service.post(f"/wallets/{wallet}/policy", {"policy": {"format": 1, "allow": ["noop"]}}).status == 200
    assert sign(service, wallet, NOBODY).status == 200


def test_without_a_price_from_the_exchange_what_needs_one_is_refused(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        service.generate("w", keyType="secp256k1")
        rules = [{"name": "band", "price_band_percent": 5}]
        service.post("/wallets/w/policy", {"policy": {"format": 1, "allow": ["trade-only"], "rules": rules}})
        told = refusal(service, "w", order())
        assert members(told, "rule", "value") == ("band", "unknown")
        assert "there is no mark of asset 0" in told["detail"]
        assert sign(service, "w", NOBODY).status == 200
