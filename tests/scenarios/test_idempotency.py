"""A request that is repeated under its Idempotency-Key is done once and answered the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperkms.cli.layout import DATABASE
from support import databases
from support.keyed import NOOP, REPLAYED, post, signatures
from support.service import Answer, Service
from support.signing_clients import ROOM

DAY_MS = 24 * 3600 * 1000
ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("idempotency") / "data", **ROOM) as running:
        running.generate("bytes")
        running.generate("trader", keyType="secp256k1")
        yield running


_COLUMNS = ("client", "key", "fingerprint", "request_id", "state", "plan", "answer", "created_at")


def rows(service: Service, key: str) -> list[dict[str, Any]]:
    """What the database has of a key."""
    found = databases.rows(service.data, f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE key = ?", key)  # noqa: S608
    return [dict(zip(_COLUMNS, row, strict=True)) for row in found]


def age(service: Service, key: str, milliseconds: int) -> None:
    """Let it have come earlier, once it has its row."""
    while not rows(service, key):
        pass
    older = "UPDATE requests SET created_at = created_at - ? WHERE key = ?"
    databases.rows(service.data, older, milliseconds, key)


def client_key(service: Service, name: str, operation: str) -> str:
    """The API key of a new client that may do this."""
    made = service.post("/clients", {"name": name, "allow": [operation]})
    assert made.status == 200, made.body
    return str(made.json["apiKey"])


def refusal(answer: Answer, status: int) -> str:
    """A problem document of this status; its code."""
    assert answer.status == status, answer.body
    assert REPLAYED not in answer.headers
    return str(answer.json["code"])


SIGNING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a message, ed25519": ("bytes", "/wallets/sign", {"message": "hello"}),
    "a message, secp256k1": ("trader", "/wallets/sign", {"message": "hello"}),
    "an order payload, ed25519": ("bytes", "/wallets/sign-order", {"orderPayload": {"a": 1.5}}),
    "an action": ("trader", "/hyperliquid/sign", {"action": NOOP}),
    "an order": ("trader", "/hyperliquid/sign", {"action": {"type": "order", "orders": [ORDER], "grouping": "na"}}),
}


@pytest.mark.parametrize("name", SIGNING)
def test_a_repeated_signing_request_gets_the_identical_answer_and_signs_nothing(service: Service, name: str) -> None:
    wallet, path, members = SIGNING[name]
    body = {"walletId": wallet, **members}
    first = post(service, path, body, name.replace(" ", "-"))
    assert first.status == 200, first.body
    lines = len(signatures(service.data, wallet))
    again = [post(service, path, body, name.replace(" ", "-")) for _ in range(3)]
    assert {(answer.status, answer.body) for answer in again} == {(200, first.body)}
    assert (first.headers.get(REPLAYED), {answer.headers[REPLAYED] for answer in again}) == (None, {"true"})
    assert {answer.headers["content-type"] for answer in again} == {"application/json"}
    assert len(signatures(service.data, wallet)) == lines


def test_two_keys_are_two_requests(service: Service) -> None:
    body = {"walletId": "trader", "action": NOOP}
    answers = [post(service, "/hyperliquid/sign", body, key).json for key in ("one", "two")]
    assert answers[0]["nonce"] < answers[1]["nonce"]


@pytest.mark.parametrize("change", ["body", "space", "route"])
def test_a_key_with_another_body_or_route_is_refused(service: Service, change: str) -> None:
    body = json.dumps({"walletId": "bytes", "message": "hello"}).encode()
    assert post(service, "/wallets/sign", body, f"reused-{change}").status == 200
    path = "/wallets/sign-order" if change == "route" else "/wallets/sign"
    other = {"body": body.replace(b"hello", b"hallo"), "space": body + b" ", "route": body}[change]
    assert refusal(post(service, path, other, f"reused-{change}"), 409) == "idempotency-key-reused"
    assert post(service, "/wallets/sign", body, f"reused-{change}").headers[REPLAYED] == "true"


def test_the_keys_of_two_clients_are_their_own(service: Service) -> None:
    other = client_key(service, "other", "trade")
    body = {"walletId": "trader", "action": NOOP}
    mine = post(service, "/hyperliquid/sign", body, "shared-by-chance")
    theirs = post(service, "/hyperliquid/sign", body, "shared-by-chance", api_key=other)
    assert REPLAYED not in theirs.headers
    assert mine.json["nonce"] != theirs.json["nonce"]


def test_a_client_that_is_revoked_gets_no_replay(service: Service) -> None:
    gone = client_key(service, "gone", "trade")
    body = {"walletId": "trader", "action": NOOP}
    assert post(service, "/hyperliquid/sign", body, "of-gone", api_key=gone).status == 200
    assert service.post("/clients/gone/revoke", {}).status == 200
    assert refusal(post(service, "/hyperliquid/sign", body, "of-gone", api_key=gone), 401) == "invalid-api-key"


def test_a_refusal_is_not_kept_and_its_key_may_be_tried_again(service: Service) -> None:
    body = {"walletId": "later", "message": "hello"}
    assert refusal(post(service, "/wallets/sign", body, "early"), 404) == "wallet-not-found"
    assert rows(service, "early") == []
    service.generate("later")
    assert REPLAYED not in post(service, "/wallets/sign", body, "early").headers
    assert post(service, "/wallets/sign", body, "early").headers[REPLAYED] == "true"


def test_a_nonce_that_a_caller_chose_is_taken_with_the_reservation_and_not_held_against_its_own_request(
    service: Service,
) -> None:
    nonce = post(service, "/hyperliquid/sign", {"walletId": "trader", "action": NOOP}, "before").json["nonce"] + 60_000
    body = {"walletId": "trader", "action": NOOP, "nonce": nonce}
    first = post(service, "/hyperliquid/sign", body, "chosen")
    assert (first.status, first.json["nonce"]) == (200, nonce)
    assert post(service, "/hyperliquid/sign", body, "chosen").body == first.body
    assert refusal(post(service, "/hyperliquid/sign", body, "chosen-again"), 409) == "nonce-reused"
    assert refusal(service.post("/hyperliquid/sign", body), 409) == "nonce-reused"
    assert rows(service, "chosen-again") == []
    assert len([line for line in signatures(service.data, "trader") if line["signed"].get("nonce") == nonce]) == 1


def test_without_a_key_nothing_is_deduplicated(service: Service) -> None:
    body = {"walletId": "trader", "action": NOOP}
    assert len({service.post("/hyperliquid/sign", body).json["nonce"] for _ in range(3)}) == 3


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "caf\xe9"])
@pytest.mark.parametrize("path", ["/wallets/sign", "/wallets/generate"])
def test_a_key_that_is_none_is_refused(service: Service, key: str, path: str) -> None:
    wallet = "bytes" if path == "/wallets/sign" else "never-made"
    body = {"walletId": wallet, **({"message": "hello"} if path == "/wallets/sign" else {})}
    assert refusal(post(service, path, body, key), 400) == "malformed-idempotency-key"


@pytest.mark.parametrize("key", ["!", "~" * 255, "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_the_longest_and_the_oddest_keys_are_taken(service: Service, key: str) -> None:
    body = {"walletId": "bytes", "message": "hello"}
    assert post(service, "/wallets/sign", body, key).status == 200
    assert post(service, "/wallets/sign", body, key).headers[REPLAYED] == "true"


def test_reading_takes_no_notice_of_a_key(service: Service) -> None:
    sent = {"X-API-Key": service.key, "Idempotency-Key": "for-reading"}
    assert service.get("/wallets", headers=sent).status == 200
    assert rows(service, "for-reading") == []


# ---- how long -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "code"), [(23, None), (25, "idempotency-key-expired"), (71, "idempotency-key-expired")]
)
def test_a_key_is_honoured_for_a_day_and_refused_until_it_is_forgotten(
    service: Service, hours: int, code: str | None
) -> None:
    body, key = {"walletId": "trader", "action": NOOP}, f"aged-{hours}"
    first = post(service, "/hyperliquid/sign", body, key)
    age(service, key, hours * DAY_MS // 24)
    again = post(service, "/hyperliquid/sign", body, key)
    if code is None:
        assert again.body == first.body
    else:
        assert refusal(again, 409) == code


# ---- what is not a signature --------------------------------------------------------------------------------


def test_a_wallet_is_generated_once(service: Service) -> None:
    body = {"walletId": "made-once", "keyType": "secp256k1"}
    first = post(service, "/wallets/generate", body, "generate")
    again = post(service, "/wallets/generate", body, "generate")
    assert (first.status, again.status, again.body, again.headers[REPLAYED]) == (200, 200, first.body, "true")
    assert refusal(post(service, "/wallets/generate", body, "generate-2"), 409) == "wallet-exists"
    assert refusal(post(service, "/wallets/generate", {"walletId": "x"}, "generate"), 409) == "idempotency-key-reused"


def test_a_wallet_is_rotated_once(service: Service) -> None:
    service.generate("rotated-once")
    body = {"walletId": "rotated-once"}
    answers = [post(service, "/wallets/rotate", body, "rotate") for _ in range(3)]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert service.get("/wallets/rotated-once").json["wallet"]["version"] == 2
    assert post(service, "/wallets/rotate", body, "rotate-2").json["rotation"]["newVersion"] == 3
    assert post(service, "/wallets/rotate", body, "rotate").body == answers[0].body


def test_a_pending_version_that_is_the_answer_is_the_answer_again(service: Service) -> None:
    service.generate("pending", keyType="secp256k1")
    made = service.post("/wallets/rotate", {"walletId": "pending"}).json["rotation"]
    first = post(service, "/wallets/rotate", {"walletId": "pending"}, "pending")
    assert (first.json["rotation"], REPLAYED in first.headers) == (made, False)
    assert post(service, "/wallets/rotate", {"walletId": "pending"}, "pending").headers[REPLAYED] == "true"


def test_an_activation_is_answered_again_after_a_later_rotation(service: Service) -> None:
    service.generate("activated", keyType="secp256k1")
    service.post("/wallets/rotate", {"walletId": "activated"})
    first = post(service, "/wallets/activated/activate", {"version": 2}, "activate")
    assert first.status == 200, first.body
    service.post("/wallets/rotate", {"walletId": "activated", "activate": True})
    assert post(service, "/wallets/activated/activate", {"version": 2}, "activate").body == first.body


@pytest.mark.parametrize("body", [{"destroy": True}, b""], ids=["with a body", "without a body"])
def test_a_retirement_is_answered_again(service: Service, body: object) -> None:
    wallet = f"retired-{len(str(body))}"
    service.generate(wallet)
    first = post(service, f"/wallets/{wallet}/retire", body, wallet)
    assert first.status == 200, first.body
    again = post(service, f"/wallets/{wallet}/retire", body, wallet)
    assert (again.body, again.headers[REPLAYED]) == (first.body, "true")
    signing = {"walletId": wallet, "message": "hello"}
    assert refusal(post(service, "/wallets/sign", signing, f"{wallet}-sign"), 403) == "wallet-retired"


def test_one_key_stands_for_one_wallet_of_a_path(service: Service) -> None:
    for wallet in ("path-1", "path-2"):
        service.generate(wallet)
    assert post(service, "/wallets/path-1/retire", {}, "by-path").status == 200
    assert refusal(post(service, "/wallets/path-2/retire", {}, "by-path"), 409) == "idempotency-key-reused"


def test_migration_is_answered_again(service: Service) -> None:
    first = post(service, "/wallets/migrate", {"walletId": "bytes"}, "migrate")
    again = post(service, "/wallets/migrate", {"walletId": "bytes"}, "migrate")
    assert (again.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true")


def test_a_client_is_made_once_and_its_key_is_neither_kept_nor_shown_again(service: Service) -> None:
    body = {"name": "once", "allow": ["read"]}
    first = post(service, "/clients", body, "client")
    assert first.status == 200, first.body
    assert refusal(post(service, "/clients", body, "client"), 409) == "answer-not-kept"
    assert rows(service, "client")[0]["answer"] is None
    if databases.kind() == databases.SQLITE:  # the pages of a server are not ours to read
        assert first.json["apiKey"].encode() not in (service.data / DATABASE).read_bytes()
    assert [client["name"] for client in service.get("/clients").json["clients"]].count("once") == 1


def test_the_key_of_a_client_is_rotated_once(service: Service) -> None:
    old = client_key(service, "rotates", "read")
    first = post(service, "/clients/rotates/rotate", {"overlapHours": 0}, "client-rotate")
    assert refusal(post(service, "/clients/rotates/rotate", {"overlapHours": 0}, "client-rotate"), 409) == (
        "answer-not-kept"
    )
    assert service.get("/wallets", headers={"X-API-Key": first.json["apiKey"]}).status == 200
    assert service.get("/wallets", headers={"X-API-Key": old}).status == 401


def test_a_revocation_is_answered_again(service: Service) -> None:
    client_key(service, "revoked", "read")
    first = post(service, "/clients/revoked/revoke", {}, "client-revoke")
    again = post(service, "/clients/revoked/revoke", {}, "client-revoke")
    assert (first.status, again.body, again.headers[REPLAYED]) == (200, first.body, "true")


@pytest.mark.parametrize("chosen", [False, True], ids=["allocated nonce", "nonce of the caller"])
def test_a_request_that_was_answered_503_is_signed_once_when_it_is_asked_for_again(
    tmp_path: Path,
    chosen: bool,  # noqa: FBT001 (pytest passes it)
) -> None:
    body: dict[str, object] = {"walletId": "w", "action": NOOP}
    records, away = tmp_path / "data" / "records", tmp_path / "data" / "away"
    with Service.start(tmp_path / "data") as service:
        service.generate("w", keyType="secp256k1")
        before = service.post("/hyperliquid/sign", body).json["nonce"]
        if chosen:
            body["nonce"] = before + 60_000
        records.rename(away)
        records.write_bytes(b"")
        for _ in range(2):
            assert refusal(post(service, "/hyperliquid/sign", body, "k"), 503) == "record-unwritable"
        records.unlink()
        away.rename(records)
        finished = post(service, "/hyperliquid/sign", body, "k")
        assert post(service, "/hyperliquid/sign", body, "k").body == finished.body
    assert finished.status == 200
    assert not chosen or finished.json["nonce"] == body["nonce"]
    nonces = [line["signed"]["nonce"] for line in signatures(tmp_path / "data", "w")]
    assert sorted(nonces) == [before, finished.json["nonce"]]
    assert rows(service, "k")[0]["state"] == "recorded"


# ---- across processes ---------------------------------------------------------------------------------------


def test_an_answer_is_given_again_after_a_restart_and_a_crash(tmp_path: Path) -> None:
    body = {"walletId": "w", "action": NOOP}
    with Service.start(tmp_path / "data") as first:
        first.generate("w", keyType="secp256k1")
        answer = post(first, "/hyperliquid/sign", body, "k")
        first.kill()
    with Service.start(tmp_path / "data") as second:
        again = post(second, "/hyperliquid/sign", body, "k")
    assert (again.body, again.headers[REPLAYED]) == (answer.body, "true")
    assert len(signatures(tmp_path / "data", "w")) == 1


def test_every_post_of_the_document_takes_a_key(service: Service) -> None:
    for _ in range(2):
        paths = service.get("/openapi.json").json["paths"]
    asking = {"/hyperliquid/explain", "/wallets/{wallet_id}/policy-notes"}
    operations = [found["post"] for path, found in paths.items() if "post" in found and path not in asking]
    assert len(operations) >= 12
    for operation in operations:
        assert [one["name"] for one in operation["parameters"]].count("Idempotency-Key") == 1
