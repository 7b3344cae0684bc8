"""The routes of the first system, with its bodies and its texts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from support.keep_alive import Line, line_to
from support.service import Answer, Service

MPC_IS_OFF = "MPC is not enabled. Set MPC_ENABLED=true in .env"


@pytest.fixture
def line(shared_service: Service) -> Iterator[Line]:
    with line_to(shared_service) as opened:
        yield opened


def _generated(line: Line, wallet: str, **members: object) -> Any:
    answer = line.post("/wallets/generate", {"walletId": wallet, **members})
    assert answer.status == 200, answer.body
    return answer.json["wallet"]


def _is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether it is an Ed25519 signature, in the first system's hex."""
    assert signature == "0x" + bytes.fromhex(signature[2:]).hex()
    assert len(signature) == 2 + 128
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key[2:])).verify(bytes.fromhex(signature[2:]), message)
    except InvalidSignature:
        return False
    return True


def _without_receipt(answer: Answer) -> Any:
    """The body; its receipt says where the signature is written down."""
    body = answer.json
    receipt = body.pop("receipt")
    members = {"log", "index", "requestId", "keyVersion", "digest", "leafHash", "durability", "head"}
    assert set(receipt) == members
    assert receipt["requestId"] == answer.headers["x-request-id"]
    return body


def test_health_answers_without_a_key(shared_service: Service) -> None:
    answer = shared_service.get("/health", headers={})
    assert (answer.status, answer.json) == (200, {"status": "ok", "service": "hyperliquid-kms"})


def test_readiness_answers_without_a_key(shared_service: Service) -> None:
    assert shared_service.get("/ready", headers={}).status == 200


def test_a_wallet_is_generated_with_the_members_of_the_first_system(line: Line) -> None:
    answer = line.post("/wallets/generate", {"walletId": "first", "metadata": {"bot": "grid", "desk": ["a", 1]}})
    assert answer.status == 200
    assert answer.json["success"] is True
    wallet = answer.json["wallet"]
    assert wallet["walletId"] == "first"
    assert len(bytes.fromhex(wallet["publicKey"].removeprefix("0x"))) == 32
    assert datetime.fromisoformat(wallet["createdAt"]).tzinfo is not None
    assert wallet["metadata"] == {"bot": "grid", "desk": ["a", 1]}
    assert "secp256k1" in answer.json["note"], "whoever wants to trade is told which key type does"


def test_a_trading_wallet_has_a_compressed_key_and_an_address(line: Line) -> None:
    wallet = _generated(line, "trading", keyType="secp256k1")
    assert len(bytes.fromhex(wallet["publicKey"].removeprefix("0x"))) == 33
    assert wallet["address"] == wallet["address"].lower()
    assert len(bytes.fromhex(wallet["address"].removeprefix("0x"))) == 20
    assert wallet["network"] == "testnet"


def test_metadata_is_answered_as_it_was_sent_and_listed_as_it_was_answered(line: Line) -> None:
    metadata = {"risk": 0.5, "limits": [1, 2.25, -3], "nested": {"on": True, "off": None}, "text": 'ü \u2028 "q"'}
    assert _generated(line, "described", metadata=metadata)["metadata"] == metadata
    assert _wallet(line, "described")["metadata"] == metadata


def test_a_large_number_in_metadata_is_answered_as_it_will_be_listed(line: Line) -> None:
    made = _generated(line, "large-number", metadata={"n": 123456789012345678901234567890})
    assert repr(made["metadata"]) == repr(_wallet(line, "large-number")["metadata"])


def test_a_whole_number_as_a_key_of_metadata_is_kept_or_refused_by_name(line: Line) -> None:
    answer = line.post("/wallets/generate", {"walletId": "numbered", "metadata": {"1": "x"}})
    assert answer.status == 200 or (answer.status, answer.json["field"].partition(".")[0]) == (400, "metadata")


def test_an_existing_id_is_never_generated_again(line: Line) -> None:
    before = _generated(line, "once")
    for members in ({}, {"keyType": "secp256k1"}, {"metadata": {"again": True}}):
        again = line.post("/wallets/generate", {"walletId": "once", **members})
        assert (again.status, again.json["code"]) == (409, "wallet-exists")
    shown = line.get("/wallets/once/public-key")
    assert shown.json["publicKey"] == before["publicKey"]


@pytest.mark.parametrize("message", ["hello", "ünï 😀 \u2028", "\0", '{"type":"noop"}', "x" * 60_000])
def test_an_ed25519_wallet_signs_the_raw_utf8_bytes(line: Line, message: str) -> None:
    wallet = _wallet(line, "raw-bytes")
    answer = line.post("/wallets/sign", {"walletId": "raw-bytes", "message": message})
    body = _without_receipt(answer)
    signature = body.pop("signature")
    assert body == {"success": True, "publicKey": wallet["publicKey"], "walletId": "raw-bytes"}
    assert _is_signed(wallet["publicKey"], signature, message.encode())
    assert not _is_signed(wallet["publicKey"], signature, message.encode() + b" ")


def _wallet(line: Line, wallet: str, **members: object) -> Any:
    """The wallet of that id; made if there is none."""
    answer = line.post("/wallets/generate", {"walletId": wallet, **members})
    if answer.status == 200:
        return answer.json["wallet"]
    [found] = [entry for entry in line.get("/wallets").json["wallets"] if entry["walletId"] == wallet]
    return found


@pytest.mark.parametrize("message", ["hello", "ünï 😀", "\x19\x01", "0x" + "ab" * 32, "x" * 5000])
def test_a_secp256k1_wallet_signs_the_eip_191_form(line: Line, message: str) -> None:
    wallet = _wallet(line, "eip-191", keyType="secp256k1")
    body = _without_receipt(line.post("/wallets/sign", {"walletId": "eip-191", "message": message}))
    assert len(body["signature"]) == 2 + 130
    signer = Account.recover_message(encode_defunct(text=message), signature=body["signature"])
    assert signer.lower() == wallet["address"] == body["address"]


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ('{"action":"order","coin":"BTC","sz":0.10,"limitPx":60000.0}', None),
        ('{ "b" : 1.0 , "a" : [ 1E21, 1e-7, -0, 0.000001 ] }', '{"b":1,"a":[1e+21,1e-7,0,0.000001]}'),
        ('{"big":123456789012345678901234567890,"tiny":5e-324}', '{"big":1.2345678901234568e+29,"tiny":5e-324}'),
        ('{"\\u00e9":"\\ud83d\\ude00","x":"\\u2028\\/\\u007f\\u001f"}', '{"é":"😀","x":"\u2028/\x7f\\u001f"}'),
        ('{"z":null,"y":true,"x":{"w":{},"v":[]}}', '{"z":null,"y":true,"x":{"w":{},"v":[]}}'),
        ("{}", "{}"),
    ],
)
def test_an_ed25519_wallet_signs_an_order_as_javascript_prints_it(line: Line, sent: str, signed: str | None) -> None:
    wallet = _wallet(line, "printed")
    text = signed or '{"action":"order","coin":"BTC","sz":0.1,"limitPx":60000}'
    answer = line.post_raw("/wallets/sign-order", f'{{"walletId":"printed","orderPayload":{sent}}}'.encode())
    body = _without_receipt(answer)
    signature = body.pop("signature")
    assert body == {"success": True, "publicKey": wallet["publicKey"], "walletId": "printed"}
    assert _is_signed(wallet["publicKey"], signature, text.encode())


def test_a_key_that_javascript_would_reorder_is_refused(line: Line) -> None:
    _wallet(line, "printed")
    answer = line.post("/wallets/sign-order", {"walletId": "printed", "orderPayload": {"a": 1, "7": 2}})
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "integer-key", "orderPayload")


def test_a_public_key_is_shown(line: Line) -> None:
    for kind in ("ed25519", "secp256k1"):
        wallet = _generated(line, f"shown-{kind}", keyType=kind)
        body = line.get(f"/wallets/shown-{kind}/public-key").json
        assert body.items() >= {"success": True, "walletId": f"shown-{kind}", "publicKey": wallet["publicKey"]}.items()
        assert body.get("address") == wallet.get("address")


def test_the_public_key_of_an_unknown_wallet_is_404(line: Line) -> None:
    answer = line.get("/wallets/nobody/public-key")
    assert (answer.status, answer.json["code"]) == (404, "wallet-not-found")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/wallets/sign", {"message": "m"}),
        ("/wallets/sign-order", {"orderPayload": {}}),
        ("/hyperliquid/sign", {"action": {"type": "noop"}}),
    ],
)
def test_nothing_is_signed_for_an_unknown_wallet(line: Line, route: str, body: dict[str, object]) -> None:
    answer = line.post(route, {"walletId": "nobody", **body})
    assert (answer.status, answer.json["code"]) == (404, "wallet-not-found")


def test_every_wallet_is_listed_in_pages(service: Service) -> None:
    none = service.get("/wallets")
    assert none.json.items() >= {"success": True, "wallets": [], "count": 0}.items()
    wanted = sorted(["b", "a", "C", "a-1", "a.b", "Z9", "0"])
    for wallet in reversed(wanted):
        service.generate(wallet)
    whole = service.get("/wallets").json
    assert whole["success"] is True
    assert whole["count"] == len(wanted)
    assert [entry["walletId"] for entry in whole["wallets"]] == wanted
    pages: list[str] = []
    after = ""
    while True:
        page = service.get(f"/wallets?limit=3&after={after}").json
        pages += [entry["walletId"] for entry in page["wallets"]]
        assert page["count"] == len(page["wallets"]) <= 3
        assert page["total"] == len(wanted)
        if "next" not in page:
            break
        after = page["next"]
    assert pages == wanted


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1001", "limit=x", "limit=", "after=" + "x" * 65])
def test_paging_that_makes_no_sense_is_refused(line: Line, query: str) -> None:
    answer = line.get(f"/wallets?{query}")
    assert (answer.status, answer.json["field"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("route", "body", "sentence"),
    [
        ("/wallets/generate", {}, "walletId is required"),
        ("/wallets/generate", {"walletId": ""}, "walletId is required"),
        ("/wallets/generate", {"walletId": None}, "walletId is required"),
        ("/wallets/sign", {}, "walletId and message are required"),
        ("/wallets/sign", {"walletId": "w"}, "walletId and message are required"),
        ("/wallets/sign", {"message": "m"}, "walletId and message are required"),
        ("/wallets/sign", {"walletId": "w", "message": ""}, "walletId and message are required"),
        ("/wallets/sign-order", {"walletId": "w"}, "walletId and orderPayload are required"),
        ("/wallets/sign-order", {"orderPayload": {}}, "walletId and orderPayload are required"),
    ],
)
def test_what_is_missing_is_named_in_the_first_systems_words(
    line: Line, route: str, body: dict[str, object], sentence: str
) -> None:
    answer = line.post(route, body)
    assert (answer.status, answer.json["error"]) == (400, sentence)


def test_the_mpc_status_is_open_and_says_off(shared_service: Service) -> None:
    answer = shared_service.get("/mpc/status", headers={})
    assert answer.status == 200
    body = answer.json
    assert body["mpcEnabled"] is False
    assert (body["threshold"], body["totalShares"]) == ("2", "3")
    assert set(body) == {"mpcEnabled", "threshold", "totalShares", "algorithm", "description"}


@pytest.mark.parametrize("name", ["generate", "sign", "sign-order", "rotate"])
@pytest.mark.parametrize("body", [{}, {"walletId": "w", "message": "m"}, {"walletId": "w"}])
def test_the_mpc_routes_say_that_mpc_is_off(line: Line, name: str, body: dict[str, object]) -> None:
    answer = line.post(f"/mpc/wallets/{name}", body)
    assert (answer.status, answer.json["error"]) == (400, MPC_IS_OFF)


def test_the_mpc_public_key_says_that_mpc_is_off(line: Line) -> None:
    answer = line.get("/mpc/wallets/w/public-key")
    assert (answer.status, answer.json["error"]) == (400, MPC_IS_OFF)
