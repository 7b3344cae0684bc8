"""The end of a wallet, or of a version, through the door."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.keep_alive import Line, line_to
from support.service import START_S, Answer, Service
from support.stored_keys import change_stored, ruined, stored_versions

MESSAGE = "hello"
KEY_TYPES = ("ed25519", "secp256k1")


@pytest.fixture
def line(shared_service: Service) -> Iterator[Line]:
    with line_to(shared_service) as opened:
        yield opened


def sealed(service: Service, wallet: str) -> list[int]:
    """The versions of a wallet whose sealed keys exist."""
    return stored_versions(service.data, wallet)


def make(line: Line, wallet: str, *, key_type: str = "secp256k1", rotations: int = 0) -> None:
    assert line.post("/wallets/generate", {"walletId": wallet, "keyType": key_type}).status == 200
    for _ in range(rotations):
        assert line.post("/wallets/rotate", {"walletId": wallet, "activate": True}).status == 200


def retired(line: Line, wallet: str, **members: object) -> Any:
    answer = line.post(f"/wallets/{wallet}/retire", members)
    assert answer.status == 200, answer.body
    return answer.json


def states(body: Any) -> list[str]:
    return [version["state"] for version in body["versions"]]


def sign(line: Line, wallet: str, **members: object) -> Answer:
    return line.post("/wallets/sign", {"walletId": wallet, "message": MESSAGE, **members})


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_deleting_was_a_flag_and_here_a_retired_wallet_never_signs_again(line: Line, key_type: str) -> None:
    """Defect 12, first half: every version is refused at once, by every route."""
    wallet = f"ended-{key_type}"
    make(line, wallet, key_type=key_type, rotations=1)
    body = retired(line, wallet, reason="the bot is shut down")
    assert body["wallet"]["retiredReason"] == "the bot is shut down"
    assert body["wallet"]["retiredAt"]
    for chosen in ({}, {"version": 1}, {"version": 2}):
        assert code(sign(line, wallet, **chosen)) == (403, "wallet-retired")
    assert code(line.post("/wallets/sign-order", {"walletId": wallet, "orderPayload": {}})) == (403, "wallet-retired")
    action = line.post("/hyperliquid/sign", {"walletId": wallet, "action": {"type": "noop"}})
    assert code(action) == (403, "wallet-retired")
    assert code(line.post("/wallets/rotate", {"walletId": wallet})) == (403, "wallet-retired")
    assert code(line.post(f"/wallets/{wallet}/activate", {"version": 2})) == (403, "wallet-retired")


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_retired_key_could_be_had_back_and_here_its_sealed_key_is_destroyed_and_a_tombstone_stays(
    line: Line, shared_service: Service, key_type: str
) -> None:
    """Defect 12, second half."""
    wallet = f"destroyed-{key_type}"
    make(line, wallet, key_type=key_type, rotations=2)
    before = line.get(f"/wallets/{wallet}/versions").json["versions"]
    body = retired(line, wallet, destroy=True)
    assert states(body) == ["retired"] * 3
    assert all(version["destroyedAt"] for version in body["versions"])
    assert sealed(shared_service, wallet) == []
    assert [version["publicKey"] for version in body["versions"]] == [version["publicKey"] for version in before]
    assert line.get(f"/wallets/{wallet}/public-key").json["publicKey"] == before[-1]["publicKey"]
    again = line.post("/wallets/generate", {"walletId": wallet, "keyType": key_type})
    assert code(again) == (409, "wallet-exists")


def test_a_retired_wallet_keeps_its_keys_for_the_grace_unless_they_are_to_be_destroyed(
    line: Line, shared_service: Service
) -> None:
    make(line, "last-grace", rotations=1)
    first = retired(line, "last-grace")
    assert states(first) == ["retiring", "retiring"]
    assert all(version["expiresAt"] for version in first["versions"])
    assert sealed(shared_service, "last-grace") == [1, 2]
    assert retired(line, "last-grace") == first
    second = retired(line, "last-grace", destroy=True)
    assert states(second) == ["retired", "retired"]
    assert second["wallet"]["retiredAt"] == first["wallet"]["retiredAt"]
    assert sealed(shared_service, "last-grace") == []


def test_the_body_of_a_retirement_may_be_empty(line: Line) -> None:
    make(line, "no-body")
    assert line.request("POST", "/wallets/no-body/retire").status == 200
    assert code(sign(line, "no-body")) == (403, "wallet-retired")


def test_one_version_is_retired_before_its_grace_is_over(line: Line, shared_service: Service) -> None:
    make(line, "one-of", rotations=1)
    assert sign(line, "one-of", version=1).status == 200
    body = retired(line, "one-of", version=1, reason="it may be known")
    assert states(body) == ["retired", "active"]
    assert sealed(shared_service, "one-of") == [2]
    assert code(sign(line, "one-of", version=1)) == (403, "version-retired")
    assert sign(line, "one-of").status == 200
    assert retired(line, "one-of", version=1) == body
    assert "retiredAt" not in body["wallet"]


def test_a_pending_version_is_given_up(line: Line, shared_service: Service) -> None:
    make(line, "given-up")
    assert line.post("/wallets/rotate", {"walletId": "given-up"}).json["rotation"]["state"] == "pending"
    assert states(retired(line, "given-up", version=2)) == ["active", "retired"]
    assert sealed(shared_service, "given-up") == [1]
    assert line.post("/wallets/rotate", {"walletId": "given-up"}).json["rotation"]["newVersion"] == 3


def test_the_current_version_is_not_retired_without_its_wallet(line: Line) -> None:
    make(line, "current", rotations=1)
    assert code(line.post("/wallets/current/retire", {"version": 2})) == (409, "version-current")
    assert code(line.post("/wallets/current/retire", {"version": 3})) == (404, "version-not-found")


def test_the_list_omitted_wallets_and_here_it_has_every_one_by_its_state(service: Service) -> None:
    """Defect 10, with versions and retired wallets: GET /wallets omitted what the current code had made."""
    with line_to(service) as line:
        names = [f"w{number}" for number in range(7)]
        for name in names:
            make(line, name, rotations=1)
        for name in names[::3]:
            retired(line, name)
        for state, wanted in (
            ("all", names),
            ("retired", names[::3]),
            ("live", [name for name in names if name not in names[::3]]),
        ):
            assert paged(line, state) == wanted
        default = line.get("/wallets").json
        assert (default["count"], default["total"]) == (4, 4)
        assert line.get("/wallets?state=some").status == 400


def paged(line: Line, state: str) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = line.get(f"/wallets?limit=2&after={after}&state={state}").json
        found += [wallet["walletId"] for wallet in page["wallets"]]
        if "next" not in page:
            assert page["total"] == len(found)
            return found
        after = page["next"]


def test_reading_could_decrypt_a_key_and_here_it_touches_none(line: Line, shared_service: Service) -> None:
    """Defect 18, for what there is to read of versions: it is answered without any sealed key."""
    make(line, "read", rotations=1)
    change_stored(shared_service.data, "read", ruined)
    for route in ("", "/versions", "/rotation-history", "/public-key"):
        assert line.get(f"/wallets/read{route}").status == 200


def test_the_sweep_says_what_it_did_in_one_line_each(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("swept") / "data"
    with Service.start(data, HYPERKMS_GRACE_DAYS="0") as service, line_to(service) as line:
        make(line, "swept", rotations=1)
        lines = [event_of(service, name) for name in ("version-expired", "key-destroyed")]
        assert [(event["wallet"], event["version"]) for event in lines] == [("swept", 1)] * 2
        assert sealed(service, "swept") == [2]


def event_of(service: Service, name: str) -> Any:
    """The first log line of an event; waits until it is there."""
    pause = threading.Event()
    for _ in range(START_S * 20):
        for text in list(service.lines):
            event = json.loads(text)
            if event["event"] == name:
                return event
        pause.wait(0.05)
    raise AssertionError(name)


def test_of_two_services_on_one_directory_one_sweeps(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("two") / "data"
    settings = {"HYPERKMS_GRACE_DAYS": "0"}
    with Service.start(data, **settings) as one, Service.start(data, **settings) as two, line_to(two) as line:
        make(line, "first", rotations=1)
        event_of(one, "key-destroyed")
        one.kill()
        make(line, "second", rotations=1)
        assert event_of(two, "key-destroyed")["wallet"] == "second"


# ---- who may -------------------------------------------------------------------------------------------


def bot(line: Line, name: str, *allowed: str, wallets: list[str] | None = None) -> dict[str, str]:
    """The header of a new client that may do this with these wallets."""
    answer = line.post("/clients", {"name": name, "allow": list(allowed), "wallets": wallets})
    assert answer.status == 200, answer.body
    return {"X-API-Key": answer.json["apiKey"]}


LIFE: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("POST", "/wallets/rotate", {"walletId": "not-its-own"}),
    ("POST", "/wallets/migrate", {"walletId": "not-its-own"}),
    ("POST", "/wallets/not-its-own/activate", {"version": 1}),
    ("POST", "/wallets/not-its-own/retire", {}),
    ("GET", "/wallets/not-its-own", None),
    ("GET", "/wallets/not-its-own/versions", None),
    ("GET", "/wallets/not-its-own/rotation-history", None),
)


@pytest.mark.parametrize(("method", "route", "body"), LIFE)
def test_a_client_learns_nothing_of_a_wallet_that_is_not_its_own(
    line: Line, method: str, route: str, body: dict[str, object] | None
) -> None:
    line.post("/wallets/generate", {"walletId": "not-its-own"})
    header = bot(line, f"held-{route.rpartition('/')[2]}", "rotate", "retire", "migrate", "read", wallets=["its-own"])
    content = None if body is None else json.dumps(body).encode()
    answer = line.request(method, route, content, header)
    assert code(answer) == (404, "wallet-not-found")
    unknown = content and content.replace(b"not-its-own", b"nobody")
    beside = line.request(method, route.replace("not-its-own", "nobody"), unknown, header)
    assert beside.json["detail"] == answer.json["detail"].replace("not-its-own", "nobody")


@pytest.mark.parametrize(("method", "route", "body"), LIFE[:4])
def test_a_bot_that_trades_neither_rotates_nor_retires(
    line: Line, method: str, route: str, body: dict[str, object] | None
) -> None:
    line.post("/wallets/generate", {"walletId": "not-its-own"})
    header = bot(line, f"trader-{route.rpartition('/')[2]}", "trade")
    assert code(line.request(method, route, json.dumps(body).encode(), header)) == (403, "scope-missing")
