"""Versions of a wallet through the door: each defect of the first system, and that it is none here."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from support.keep_alive import Line, line_to
from support.service import Answer, Service

MESSAGE = "hello"
KEY_TYPES = ("ed25519", "secp256k1")


@pytest.fixture
def line(shared_service: Service) -> Iterator[Line]:
    with line_to(shared_service) as opened:
        yield opened


def made(line: Line, wallet: str, key_type: str) -> Any:
    answer = line.post("/wallets/generate", {"walletId": wallet, "keyType": key_type})
    assert answer.status == 200, answer.body
    return answer.json["wallet"]


def rotated(line: Line, wallet: str, **members: object) -> Any:
    answer = line.post("/wallets/rotate", {"walletId": wallet, **members})
    assert answer.status == 200, answer.body
    return answer.json["rotation"]


def signed(line: Line, wallet: str, version: int | None = None) -> Answer:
    chosen = {} if version is None else {"version": version}
    return line.post("/wallets/sign", {"walletId": wallet, "message": MESSAGE, **chosen})


def assert_signed_by(answer: Answer, version: Any) -> None:
    """The signature is that of the version's public key, says another implementation."""
    assert answer.status == 200, answer.body
    signature = bytes.fromhex(answer.json["signature"][2:])
    assert answer.json["publicKey"] == version["publicKey"]
    assert answer.json["receipt"]["keyVersion"] == version["version"]
    if "address" in version:
        assert answer.json["address"] == version["address"]
        signer = Account.recover_message(encode_defunct(text=MESSAGE), signature=signature)
        assert signer.lower() == version["address"]
    else:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(version["publicKey"][2:])).verify(signature, MESSAGE.encode())


def versions(line: Line, wallet: str) -> Any:
    answer = line.get(f"/wallets/{wallet}/versions")
    assert answer.status == 200, answer.body
    return answer.json["versions"]


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


# ---- rotation ------------------------------------------------------------------------------------------


def test_a_rotation_is_answered_with_the_members_of_the_first_system(line: Line) -> None:
    before = made(line, "answered", "ed25519")
    rotation = rotated(line, "answered", reason="quarterly")
    assert (
        rotation.items()
        >= {
            "walletId": "answered",
            "newVersion": 2,
            "oldVersion": 1,
            "oldPublicKey": before["publicKey"],
            "gracePeriodDays": 30,
            "state": "active",
        }.items()
    )
    assert rotation["newPublicKey"] != before["publicKey"]
    assert line.get("/wallets/answered/public-key").json["publicKey"] == rotation["newPublicKey"]


def test_the_history_has_the_members_of_the_first_system(line: Line) -> None:
    before = made(line, "told", "ed25519")
    rotation = rotated(line, "told", reason="quarterly")
    body = line.get("/wallets/told/rotation-history").json
    history = body.pop("history")
    assert body == {"success": True, "walletId": "told"}
    assert (history["walletId"], history["currentVersion"], set(history["versions"])) == ("told", 2, {"1", "2"})
    first, second = history["versions"]["1"], history["versions"]["2"]
    assert (first["publicKey"], first["status"]) == (before["publicKey"], "retiring")
    assert (second["publicKey"], second["status"]) == (rotation["newPublicKey"], "active")
    assert first["rotatedAt"] < first["expiresAt"] == rotation["expiresAt"]
    assert "rotatedAt" not in second
    [entry] = history["rotationHistory"]
    assert entry == {"fromVersion": 1, "toVersion": 2, "rotatedAt": first["rotatedAt"], "reason": "quarterly"}


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_concurrent_rotations_answered_one_version_with_many_keys_and_here_each_version_has_one(
    line: Line, shared_service: Service, key_type: str
) -> None:
    """Defect 5: four concurrent rotations all answered v2 with four keys; three were lost."""
    wallet, start = f"raced-{key_type}", threading.Barrier(8)
    made(line, wallet, key_type)

    def race(_number: int) -> Answer:
        start.wait()
        return shared_service.post("/wallets/rotate", {"walletId": wallet, "activate": True})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(8)))
    won = [answer.json["rotation"] for answer in answers if answer.status == 200]
    assert won
    assert {code(answer) for answer in answers if answer.status != 200} <= {(409, "wallet-changed")}
    listed = versions(line, wallet)
    assert [version["version"] for version in listed] == list(range(1, len(listed) + 1))
    assert [version["state"] for version in listed].count("active") == 1
    assert len({version["publicKey"] for version in listed}) == len(listed)
    told = {(rotation["newVersion"], rotation["newPublicKey"]) for rotation in won}
    assert told == {(version["version"], version["publicKey"]) for version in listed[1:]}
    for version in listed:
        assert_signed_by(signed(line, wallet, version["version"]), version)


def test_a_new_trading_key_waits_until_it_is_activated(line: Line) -> None:
    before = made(line, "waiting", "secp256k1")
    rotation = rotated(line, "waiting", reason="new agent")
    assert (rotation["state"], rotation["newVersion"], rotation["oldVersion"]) == ("pending", 2, 1)
    assert rotation["newAddress"] != rotation["oldAddress"] == before["address"]
    assert "expiresAt" not in rotation
    assert line.get("/wallets/waiting").json["wallet"] == before
    assert code(signed(line, "waiting", 2)) == (403, "version-pending")
    assert_signed_by(signed(line, "waiting"), versions(line, "waiting")[0])
    assert line.get("/wallets/waiting/rotation-history").json["history"]["rotationHistory"] == []
    activated = line.post("/wallets/waiting/activate", {"version": 2})
    assert activated.status == 200, activated.body
    assert activated.json["rotation"]["state"] == "active"
    first, second = versions(line, "waiting")
    assert (first["state"], second["state"]) == ("retiring", "active")
    assert_signed_by(signed(line, "waiting"), second)
    assert_signed_by(signed(line, "waiting", 1), first)
    [entry] = line.get("/wallets/waiting/rotation-history").json["history"]["rotationHistory"]
    assert (entry["fromVersion"], entry["toVersion"], entry["reason"]) == (1, 2, "new agent")


def test_an_order_is_signed_by_the_address_of_the_version_that_is_named(line: Line) -> None:
    made(line, "orders", "secp256k1")
    rotated(line, "orders", activate=True)
    body = {"walletId": "orders", "action": {"type": "noop"}}
    for version in versions(line, "orders"):
        answer = line.post("/hyperliquid/sign", {**body, "version": version["version"]})
        assert (answer.status, answer.json["address"]) == (200, version["address"])
        assert answer.json["receipt"]["keyVersion"] == version["version"]
    assert line.post("/hyperliquid/sign", body).json["receipt"]["keyVersion"] == 2


def test_rotating_while_a_version_waits_answers_that_version(line: Line) -> None:
    made(line, "asked-twice", "secp256k1")
    first = rotated(line, "asked-twice")
    assert rotated(line, "asked-twice") == first
    activated = rotated(line, "asked-twice", activate=True)
    assert (activated["newPublicKey"], activated["state"]) == (first["newPublicKey"], "active")
    assert len(versions(line, "asked-twice")) == 2


def test_activating_again_answers_the_same(line: Line) -> None:
    made(line, "activated-twice", "secp256k1")
    rotated(line, "activated-twice")
    one, two = (line.post("/wallets/activated-twice/activate", {"version": 2}) for _ in range(2))
    assert one.json == two.json


@pytest.mark.parametrize("number", [1, 2])
def test_a_version_that_does_not_wait_is_not_activated(line: Line, number: int) -> None:
    wallet = f"not-pending-{number}"
    made(line, wallet, "secp256k1")
    rotated(line, wallet, activate=True)
    rotated(line, wallet, activate=True)
    assert code(line.post(f"/wallets/{wallet}/activate", {"version": number})) == (409, "version-not-pending")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/wallets/rotate", {"walletId": "nobody"}),
        ("/wallets/migrate", {"walletId": "nobody"}),
        ("/wallets/nobody/activate", {"version": 1}),
        ("/wallets/nobody/retire", {}),
    ],
)
def test_an_unknown_wallet_is_404(line: Line, route: str, body: dict[str, object]) -> None:
    assert code(line.post(route, body)) == (404, "wallet-not-found")


@pytest.mark.parametrize("route", ["", "/versions", "/rotation-history"])
def test_nothing_is_read_of_an_unknown_wallet(line: Line, route: str) -> None:
    assert code(line.get(f"/wallets/nobody{route}")) == (404, "wallet-not-found")


@pytest.mark.parametrize("route", ["/wallets/sign", "/wallets/sign-order", "/hyperliquid/sign"])
def test_an_unknown_version_signs_nothing(line: Line, route: str) -> None:
    line.post("/wallets/generate", {"walletId": "one-version", "keyType": "secp256k1"})
    content: dict[str, object] = {"message": MESSAGE} if route == "/wallets/sign" else {"action": {"type": "noop"}}
    content = {"orderPayload": {}} if route == "/wallets/sign-order" else content
    answer = line.post(route, {"walletId": "one-version", "version": 2, **content})
    assert code(answer) == (404, "version-not-found")


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, 2**31])
def test_a_version_that_is_no_version_is_400(line: Line, version: object) -> None:
    body = {"walletId": "one-version", "message": MESSAGE, "version": version}
    assert line.post("/wallets/sign", body).status == 400


def test_a_reason_has_an_end(line: Line) -> None:
    made(line, "long-reason", "ed25519")
    assert line.post("/wallets/rotate", {"walletId": "long-reason", "reason": "x" * 501}).status == 400
    assert len(versions(line, "long-reason")) == 1


def test_migrating_says_that_every_wallet_is_versioned(line: Line) -> None:
    made(line, "migrated", "ed25519")
    body = line.post("/wallets/migrate", {"walletId": "migrated"}).json
    assert (body["success"], body["walletId"]) == (True, "migrated")
    assert "versioned already" in body["message"]


# ---- the grace -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_old_version_could_not_sign_in_its_grace_and_here_it_signs_when_it_is_named(
    line: Line, key_type: str
) -> None:
    """Defect 11, first half: the grace period was nominal."""
    wallet = f"grace-{key_type}"
    made(line, wallet, key_type)
    rotated(line, wallet, activate=True)
    first, second = versions(line, wallet)
    assert first["state"] == "retiring"
    assert_signed_by(signed(line, wallet, 1), first)
    assert_signed_by(signed(line, wallet, 2), second)
    assert_signed_by(signed(line, wallet), second)


def test_a_grace_that_is_over_ended_never_and_here_at_once(service_without_grace: Service) -> None:
    """Defect 11, second half: expiry is enforced at every signature."""
    with line_to(service_without_grace) as line:
        made(line, "expiring", "ed25519")
        rotated(line, "expiring")
        assert code(signed(line, "expiring", 1)) == (403, "version-retired")
        assert_signed_by(signed(line, "expiring"), versions(line, "expiring")[1])


@pytest.fixture
def service_without_grace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("no-grace") / "data", HYPERKMS_GRACE_DAYS="0") as running:
        yield running
