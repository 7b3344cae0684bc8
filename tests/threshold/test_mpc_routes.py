"""The routes of wallets in shares, over HTTP, with cosigners in processes of their own; the sandbox takes orders."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hyperkms._core import verify_ed25519
from support.approving import Approver
from support.commands import run
from support.keep_alive import line_to
from support.mpc import check_message, generate, post_to_exchange, service_in_shares, sign
from support.naughty import naughty_names
from support.sandbox import sandbox
from support.service import Service
from support.signed import ask, registered

ORDER = {"a": 1, "b": True, "p": "2900.5", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTION = {"type": "order", "orders": [ORDER], "grouping": "na"}
KEY_TYPES = ("ed25519", "secp256k1")


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with sandbox("--allow-any") as running:
        yield running.url


@pytest.fixture(scope="module")
def service(exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With a wallet in shares of each key type, `ed25519` and `secp256k1`, and `single`, which has a key."""
    with service_in_shares(tmp_path_factory.mktemp("mpc"), HYPERKMS_TESTNET_URL=exchange) as running:
        for key_type in KEY_TYPES:
            generate(running, key_type, keyType=key_type)
        running.generate("single", keyType="secp256k1")
        yield running


def test_the_status_has_the_first_systems_members_and_says_what_protects(service: Service) -> None:
    answer = service.get("/mpc/status", headers={})
    assert answer.status == 200
    body = answer.json
    assert body["mpcEnabled"] is True
    assert (body["threshold"], body["totalShares"]) == ("2", "3")
    assert body["description"] == "2-of-3 threshold signature scheme"
    assert body["algorithm"]
    assert body["deployment"] == "embedded"
    assert body["protects"] == "protects against one process, not against this machine"
    assert [one["alive"] for one in body["cosigners"]] == [True, True, True]
    assert body["quorumLeft"] == 1
    assert body["audited"]["secp256k1"] is False
    assert body["protocol"] == {"ed25519": "FROST(Ed25519, SHA-512)", "secp256k1": "DKLs23"}


def test_it_says_at_start_what_the_cosigners_on_one_machine_protect_against(service: Service) -> None:
    [said] = [json.loads(line) for line in service.lines if "embedded-cosigners" in line]
    assert said["words"] == "protects against one process, not against this machine"


def test_a_wallet_is_made_with_the_first_systems_members(service: Service) -> None:
    answer = service.post("/mpc/wallets/generate", {"walletId": "made", "metadata": {"desk": "a"}})
    assert answer.status == 200, answer.body
    assert answer.json["success"] is True
    wallet = answer.json["wallet"]
    assert wallet["walletId"] == "made"
    assert len(bytes.fromhex(wallet["publicKey"].removeprefix("0x"))) == 32
    assert wallet["createdAt"].endswith("Z")
    assert wallet["mpcEnabled"] is True
    assert wallet["metadata"] == {"desk": "a", "mpcEnabled": True, "threshold": "2-of-3", "shareCount": 3}
    assert "ed25519" in answer.json["note"]
    shown = service.get("/wallets/made").json["wallet"]
    assert (shown["publicKey"], shown["custody"]) == (wallet["publicKey"], "mpc")


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("route", ["/mpc/wallets/sign", "/wallets/sign"])
def test_a_message_is_signed_as_independent_libraries_verify(service: Service, key_type: str, route: str) -> None:
    answer = service.post(route, {"walletId": key_type, "message": "hello"})
    assert answer.status == 200, answer.body
    check_message(answer.json, "hello")
    assert answer.json["mpcSigning"] is True


@pytest.mark.parametrize(
    ("key_type", "protocol", "audited"),
    [
        ("ed25519", "FROST(Ed25519, SHA-512)", "key generation and signing of an earlier release"),
        ("secp256k1", "DKLs23", False),
    ],
)
def test_receipt_and_record_say_who_cosigned_and_how(
    service: Service, key_type: str, protocol: str, audited: object
) -> None:
    signed = sign(service, key_type)
    cosigned = signed["receipt"]["cosigned"]
    assert (cosigned["protocol"], cosigned["deployment"], cosigned["audited"]) == (protocol, "embedded", audited)
    assert len(cosigned["signers"]) == 2
    assert set(cosigned["signers"]) < {1, 2, 3}
    log, index = signed["receipt"]["log"], signed["receipt"]["index"]
    record = _line(service.data / "records", log, index)
    assert record["cosigned"] == cosigned
    others = [_cosigner_lines(service.data, member) for member in cosigned["signers"]]
    assert all(any(line.get("session") == cosigned["session"] for line in lines) for lines in others)


def _line(records: Path, log: str, index: int) -> Any:
    return json.loads(_lines(records, log)[index])["record"]


def _lines(records: Path, log: str) -> list[bytes]:
    return [line for path in sorted(records.glob(f"*{log}*")) for line in path.read_bytes().splitlines() if line]


def _cosigner_lines(data: Path, member: int) -> list[Any]:
    found = []
    for path in (data / "cosigners" / str(member) / "records").glob("**/*"):
        for line in path.read_bytes().splitlines() if path.is_file() else []:
            try:
                found.append(json.loads(line)["record"])
            except (ValueError, KeyError, TypeError):
                continue
    return found


def test_an_ed25519_order_is_the_compact_text_of_its_payload(service: Service) -> None:
    body = {"walletId": "ed25519", "orderPayload": {"coin": "BTC", "sz": 0.1, "isBuy": True}}
    answer = service.post("/mpc/wallets/sign-order", body)
    assert answer.status == 200, answer.body
    assert answer.json["mpcSigning"] is True
    key, signature = (bytes.fromhex(answer.json[name].removeprefix("0x")) for name in ("publicKey", "signature"))
    verify_ed25519(key, b'{"coin":"BTC","sz":0.1,"isBuy":true}', signature)


def test_the_exchange_accepts_the_order_of_a_sign_order(service: Service, exchange: str) -> None:
    now = time.time_ns() // 1_000_000
    payload = {"action": "order", "coin": "ETH", "isBuy": True, "sz": "0.1", "limitPx": "2900.5", "timestamp": now}
    answer = service.post("/mpc/wallets/sign-order", {"walletId": "secp256k1", "orderPayload": payload})
    assert answer.status == 200, answer.body
    assert answer.json["expiresAfter"] > now
    [status] = post_to_exchange(exchange, answer.json)["response"]["data"]["statuses"]
    assert status["resting"]["oid"]


def test_the_exchange_accepts_an_action_that_ends_in_ten_seconds_by_default(service: Service, exchange: str) -> None:
    before = time.time_ns() // 1_000_000
    answer = service.post("/hyperliquid/sign", {"walletId": "secp256k1", "action": ACTION})
    assert answer.status == 200, answer.body
    assert before + 10_000 <= answer.json["expiresAfter"] <= time.time_ns() // 1_000_000 + 10_000
    [status] = post_to_exchange(exchange, answer.json)["response"]["data"]["statuses"]
    assert status["resting"]["oid"]


def test_an_expiry_of_the_callers_own_is_the_one_that_is_signed(service: Service, exchange: str) -> None:
    ends = time.time_ns() // 1_000_000 + 5_000
    answer = service.post("/hyperliquid/sign", {"walletId": "secp256k1", "action": ACTION, "expiresAfter": ends})
    assert answer.json["expiresAfter"] == ends
    assert post_to_exchange(exchange, answer.json)["status"] == "ok"


def test_a_batch_is_signed_one_by_one_and_bounded(service: Service, exchange: str) -> None:
    body = {"walletId": "secp256k1", "action": ACTION}
    refused = {"walletId": "secp256k1", "action": {"type": "withdraw3", "destination": "0x" + "1" * 40, "amount": "1"}}
    answer = service.post("/hyperliquid/sign-batch", {"requests": [body, refused, body]})
    assert answer.status == 200, answer.body
    first, second, third = answer.json["results"]
    assert second["problem"]["code"] == "action-not-granted" or second["problem"]["status"] == 403
    assert post_to_exchange(exchange, first)["status"] == post_to_exchange(exchange, third)["status"] == "ok"
    assert first["nonce"] < third["nonce"]
    many = service.post("/hyperliquid/sign-batch", {"requests": [body] * 51})
    assert (many.status, many.json["code"]) == (400, "batch-too-large")


def test_an_action_is_explained_and_nothing_is_signed(service: Service) -> None:
    answer = service.post("/hyperliquid/explain", {"walletId": "secp256k1", "action": ACTION})
    assert answer.status == 200, answer.body
    assert "2900.5" in json.dumps(answer.json)


def test_what_the_policy_refuses_no_cosigner_is_asked_for(service: Service) -> None:
    action = {"type": "withdraw3", "destination": "0x" + "1" * 40, "amount": "1"}
    answer = service.post("/hyperliquid/sign", {"walletId": "secp256k1", "action": action})
    assert answer.status == 403, answer.body


def test_a_cosigner_refuses_by_a_policy_of_its_own_and_says_so(service: Service, tmp_path: Path) -> None:
    generate(service, "ruled", keyType="secp256k1")
    policy = tmp_path / "policy.toml"
    policy.write_text('format = 1\nallow = ["trade-only"]\n[[rules]]\nname = "small"\nmax_order_notional = 1\n')
    for member in (1, 2):
        data = str(service.data / "cosigners" / str(member))
        done = run("policy", "apply", str(policy), "--wallet", "ruled", "--data", data, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    answer = service.post("/hyperliquid/sign", {"walletId": "ruled", "action": ACTION})
    assert answer.status == 403, answer.body
    assert answer.json["error"].startswith("cosigner-")
    assert answer.json["rule"] == "small"


def test_one_cosigner_that_refuses_keeps_no_other_quorum_from_signing(
    service: Service, exchange: str, tmp_path: Path
) -> None:
    generate(service, "ruled-at-one", keyType="secp256k1")
    policy = tmp_path / "policy.toml"
    policy.write_text('format = 1\nallow = ["trade-only"]\n[[rules]]\nname = "small"\nmax_order_notional = 1\n')
    data = str(service.data / "cosigners" / "1")
    assert run("policy", "apply", str(policy), "--wallet", "ruled-at-one", "--data", data, cwd=tmp_path).returncode == 0
    answer = service.post("/hyperliquid/sign", {"walletId": "ruled-at-one", "action": ACTION})
    assert answer.status == 200, answer.body
    assert answer.json["receipt"]["cosigned"]["signers"] == [2, 3]
    assert post_to_exchange(exchange, answer.json)["status"] == "ok"


def test_a_clients_signed_request_is_shown_to_the_cosigners(service: Service, tmp_path: Path) -> None:
    signer = registered(service, "bot", "trade", "sign-bytes", wallets=["ed25519", "secp256k1"])
    body = {"walletId": "ed25519", "message": "by a client that the cosigners know"}
    refused = ask(service, signer, "POST", "/mpc/wallets/sign", body)
    assert refused.status == 403, refused.body
    assert refused.json["error"].startswith("cosigner-")
    for member in (1, 2, 3):
        data = str(service.data / "cosigners" / str(member))
        words = ("--public-key", signer.text, "--wallet", "ed25519", "--wallet", "secp256k1")
        allowed = ("--allow", "trade", "--allow", "sign-bytes")
        done = run("client", "create", "bot", *words, *allowed, "--data", data, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    answer = ask(service, signer, "POST", "/mpc/wallets/sign", body)
    assert answer.status == 200, answer.body
    check_message(answer.json, body["message"])
    batch = {"requests": [{"walletId": "secp256k1", "action": ACTION}] * 3}
    answer = ask(service, signer, "POST", "/hyperliquid/sign-batch", batch)
    assert [one["success"] for one in answer.json["results"]] == [True, True, True], answer.body


def test_a_wallet_with_a_single_key_is_none_here(service: Service) -> None:
    for path, body in (
        ("/mpc/wallets/sign", {"walletId": "single", "message": "hello"}),
        ("/mpc/wallets/sign-order", {"walletId": "single", "orderPayload": {"a": 1}}),
        ("/mpc/wallets/rotate", {"walletId": "single"}),
        ("/mpc/wallets/single/retire", {}),
        ("/mpc/wallets/single/refresh", {}),
    ):
        answer = service.post(path, body)
        assert (answer.status, answer.json["code"]) == (404, "wallet-not-found"), (path, answer.body)
        assert "single key" in answer.json["error"]
    assert service.get("/mpc/wallets/single/public-key").status == 404
    assert service.get("/mpc/wallets/nobody/public-key").status == 404
    assert service.post("/mpc/wallets/sign", {"walletId": "nobody", "message": "hello"}).status == 404


@pytest.mark.parametrize(
    ("route", "rest"),
    [
        ("generate", {}),
        ("sign", {"message": "hello"}),
        ("sign-order", {"orderPayload": {"a": 1}}),
        ("rotate", {}),
    ],
)
def test_a_wallet_name_that_is_none_is_refused_with_the_member_that_has_it(
    service: Service, route: str, rest: dict[str, Any]
) -> None:
    with line_to(service) as line:
        for text in naughty_names():
            answer = line.post(f"/mpc/wallets/{route}", {"walletId": text, **rest})
            assert (answer.status, answer.json.get("field")) == (400, "walletId"), (text, answer.body)


@pytest.mark.parametrize(
    ("route", "body", "sentence"),
    [
        ("generate", {}, "walletId is required"),
        ("sign", {"walletId": "ed25519"}, "walletId and message are required"),
        ("sign-order", {"walletId": "ed25519"}, "walletId and orderPayload are required"),
        ("rotate", {}, "walletId is required"),
    ],
)
def test_a_body_that_lacks_something_is_refused_in_the_first_systems_words(
    service: Service, route: str, body: dict[str, str], sentence: str
) -> None:
    answer = service.post(f"/mpc/wallets/{route}", body)
    assert (answer.status, answer.json["error"]) == (400, sentence)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_public_key_is_read_from_the_record(service: Service, key_type: str) -> None:
    answer = service.get(f"/mpc/wallets/{key_type}/public-key")
    assert answer.status == 200
    assert answer.json["success"] is True
    assert answer.json["mpcEnabled"] is True
    assert answer.json["publicKey"] == sign(service, key_type)["publicKey"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_request_with_a_key_is_signed_once(service: Service, key_type: str) -> None:
    body = {"walletId": key_type, "message": f"once by {key_type}"}
    headers = {"X-API-Key": service.key, "Idempotency-Key": f"once-{key_type}"}
    first = service.post("/mpc/wallets/sign", body, headers=headers)
    second = service.post("/mpc/wallets/sign", body, headers=headers)
    assert first.status == 200, first.body
    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"


def test_an_action_with_a_nonce_of_its_own_and_a_key_is_signed_once(service: Service, exchange: str) -> None:
    body = {"walletId": "secp256k1", "action": ACTION, "nonce": time.time_ns() // 1_000_000 + 30_000}
    headers = {"X-API-Key": service.key, "Idempotency-Key": "own-nonce"}
    first = service.post("/hyperliquid/sign", body, headers=headers)
    assert first.status == 200, first.body
    assert first.json["nonce"] == body["nonce"]
    assert service.post("/hyperliquid/sign", body, headers=headers).body == first.body
    assert post_to_exchange(exchange, first.json)["status"] == "ok"


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_rotated_wallet_has_another_key_and_the_one_before_in_grace(service: Service, key_type: str) -> None:
    before = generate(service, f"turned-{key_type}", keyType=key_type)
    body = {"walletId": before["walletId"], "activate": True, "reason": "quarterly"}
    answer = service.post("/mpc/wallets/rotate", body)
    assert answer.status == 200, answer.body
    rotation = answer.json["rotation"]
    assert (rotation["oldVersion"], rotation["newVersion"]) == (1, 2)
    assert rotation["oldPublicKey"] == before["publicKey"] != rotation["newPublicKey"]
    assert sign(service, before["walletId"])["publicKey"] == rotation["newPublicKey"]
    assert sign(service, before["walletId"], version=1)["publicKey"] == before["publicKey"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_refreshed_wallet_has_the_same_key_and_signs_on(service: Service, key_type: str) -> None:
    before = generate(service, f"fresh-{key_type}", keyType=key_type)
    for epoch in (1, 2):
        answer = service.post(f"/mpc/wallets/{before['walletId']}/refresh", {})
        assert answer.status == 200, answer.body
        assert (answer.json["epoch"], answer.json["publicKey"]) == (epoch, before["publicKey"])
        assert sign(service, before["walletId"])["publicKey"] == before["publicKey"]


def test_a_retired_wallet_signs_no_more_and_its_shares_are_destroyed(service: Service) -> None:
    wallet = generate(service, "ended")["walletId"]
    answer = service.post(f"/mpc/wallets/{wallet}/retire", {"destroy": True})
    assert answer.status == 200, answer.body
    [version] = answer.json["versions"]
    assert (version["state"], "destroyedAt" in version) == ("retired", True)
    refused = service.post("/mpc/wallets/sign", {"walletId": wallet, "message": "hello"})
    assert (refused.status, refused.json["code"]) == (403, "wallet-retired")
    for member in (1, 2, 3):
        data = str(service.data / "cosigners" / str(member))
        done = run("cosigner", "shares", "--json", "--data", data, cwd=service.data)
        [share] = [one for one in json.loads(done.stdout) if one["walletId"] == wallet]
        assert share["state"] == "retired"


def test_of_callers_that_make_the_same_wallet_at_once_one_does(service: Service) -> None:
    body = {"walletId": "raced"}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: service.post("/mpc/wallets/generate", body), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    [made] = [answer.json["wallet"] for answer in answers if answer.status == 200]
    assert sign(service, "raced")["publicKey"] == made["publicKey"]


def test_wallets_that_are_made_at_once_all_sign(service: Service) -> None:
    names = [f"beside-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda name: generate(service, name), names))
    assert len({wallet["publicKey"] for wallet in made}) == len(names)
    for wallet in made:
        assert sign(service, wallet["walletId"])["publicKey"] == wallet["publicKey"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_many_signatures_at_once_all_come(service: Service, key_type: str) -> None:
    with ThreadPoolExecutor(16) as threads:
        signed = list(threads.map(lambda number: sign(service, key_type, f"message {number}"), range(48)))
    assert len({one["signature"] for one in signed}) == len(signed)


def test_an_id_is_never_used_twice_by_either_kind(service: Service) -> None:
    again = service.post("/mpc/wallets/generate", {"walletId": "single"})
    assert (again.status, again.json["code"]) == (409, "wallet-exists")
    again = service.post("/wallets/generate", {"walletId": "ed25519"})
    assert (again.status, again.json["code"]) == (409, "wallet-exists")


def test_cosigners_count_the_approvals_that_a_client_brings_by_their_own_policy(
    service: Service, tmp_path: Path
) -> None:
    """The service asks for nobody's here, so it is the cosigners that decide; both kinds of clients bring them."""
    generate(service, "desk", keyType="secp256k1")
    anna, ben = Approver(), Approver()
    people = f'approvals = 2\napprovers = {{ anna = "{anna.text}", ben = "{ben.text}" }}'
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f'format = 1\nallow = ["trade-only"]\n[[rules]]\nname = "large"\nwhen = {{ above = 1000 }}\n{people}\n'
    )
    for member in (1, 2, 3):
        data = str(service.data / "cosigners" / str(member))
        assert run("policy", "apply", str(policy), "--wallet", "desk", "--data", data, cwd=tmp_path).returncode == 0
    small = {"walletId": "desk", "action": ACTION}
    assert service.post("/hyperliquid/sign", small).status == 200
    large = {"type": "order", "orders": [{**ORDER, "s": "1"}], "grouping": "na"}
    annas = anna.approve("desk", large)
    body = {"walletId": "desk", "action": large, "approvals": [annas]}
    missing = service.post("/hyperliquid/sign", body)
    assert (missing.status, missing.json["code"]) == (403, "approval-required")
    assert "needs 2 approvals of anna or ben; 1 counts (anna)" in missing.json["detail"]
    body["approvals"] = [annas, ben.approve("desk", large)]
    keyed = {"X-API-Key": service.key, "Idempotency-Key": "large"}
    signed = service.post("/hyperliquid/sign", body, headers=keyed)
    assert signed.status == 200, signed.body
    assert service.post("/hyperliquid/sign", body, headers=keyed).body == signed.body
    again = service.post("/hyperliquid/sign", body)
    assert again.json["code"] == "approval-required"
    assert "of anna was used before" in again.json["detail"]
    body["approvals"] = [one.approve("desk", large) for one in (anna, ben)]
    trader = registered(service, "trader-with-approvals", "trade", wallets=["desk"])
    for member in (1, 2, 3):
        data = str(service.data / "cosigners" / str(member))
        words = ("client", "create", "trader", "--public-key", trader.text, "--allow", "trade", "--data", data)
        assert run(*words, cwd=tmp_path).returncode == 0
    assert ask(service, trader, "POST", "/hyperliquid/sign", body).status == 200
    (line,) = [
        one
        for one in _cosigner_lines(service.data, signed.json["receipt"]["cosigned"]["signers"][0])
        if one.get("digest") == signed.json["receipt"]["digest"] and "session" in one
    ]
    assert [one["name"] for one in line["approvals"]] == ["anna", "ben"]
