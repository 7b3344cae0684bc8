"""Clients over HTTP: who is let in, for what, and for how long (rows 17 and 18 of the first system's defects)."""

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.commands import run
from support.record import records_in
from support.service import START_S, Answer, Service
from support.stored_keys import change_stored, ruined

INVALID_KEY = "Unauthorized: Invalid API key"
NOOP = {"type": "noop"}


def _make(service: Service, name: str, **members: object) -> dict[str, str]:
    """The header of a new client."""
    answer = service.post("/clients", {"name": name, **members})
    assert answer.status == 200, answer.body
    return {"X-API-Key": answer.json["apiKey"]}


def _what(answer: Answer) -> Any:
    """All that an outsider sees of a refusal, but the id of the request."""
    told = {name: value for name, value in answer.json.items() if name != "requestId"}
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status, told, headers


# ---- row 17: one global API key, compared with !==, open when unset -----------------------------------


def test_row_17_without_any_setting_nobody_is_let_in_without_a_key(shared_service: Service) -> None:
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "undefined"}, {"Authorization": "Bearer"}):
        answer = shared_service.get("/wallets", headers=headers)
        assert (answer.status, answer.json["error"]) == (401, INVALID_KEY)


def test_row_17_each_bot_has_a_key_that_may_only_what_it_was_allowed(shared_service: Service) -> None:
    for wallet in ("mine", "foreign"):
        shared_service.generate(wallet, keyType="secp256k1")
    shared_service.generate("bytes", keyType="ed25519")
    bot = _make(shared_service, "bot-07", wallets=["mine", "bytes"], allow=["trade"])
    post, get = shared_service.post, shared_service.get
    done = {
        "trades": post("/hyperliquid/sign", {"walletId": "mine", "action": NOOP}, headers=bot),
        "reads": get("/wallets/mine/public-key", headers=bot),
        "lists": get("/wallets", headers=bot),
    }
    refused = {
        "signs a text": post("/wallets/sign", {"walletId": "mine", "message": "x"}, headers=bot),
        "signs bytes": post("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {}}, headers=bot),
        "generates": post("/wallets/generate", {"walletId": "new"}, headers=bot),
        "makes clients": post("/clients", {"name": "other"}, headers=bot),
        "lists clients": get("/clients", headers=bot),
    }
    assert {what: answer.status for what, answer in done.items()} == dict.fromkeys(done, 200)
    codes = {what: (answer.status, answer.json["code"]) for what, answer in refused.items()}
    assert codes == dict.fromkeys(refused, (403, "scope-missing"))
    assert "bot-07" in refused["signs a text"].json["error"]


def test_row_17_a_bot_sees_its_own_wallets_and_cannot_tell_a_foreign_one_from_a_missing_one(
    shared_service: Service,
) -> None:
    for wallet in ("own-1", "own-2", "others"):
        shared_service.generate(wallet, keyType="secp256k1")
    held = _make(shared_service, "held", wallets=["own-1", "own-2", "not-yet"], allow=["trade", "sign-text"])
    listed = shared_service.get("/wallets", headers=held).json
    assert [wallet["walletId"] for wallet in listed["wallets"]] == ["own-1", "own-2"]
    assert (listed["count"], listed["total"]) == (2, 2)
    foreign, missing = (_every_way_to_ask(shared_service, wallet, held) for wallet in ("others", "nobody"))
    assert foreign == missing
    assert [status for status, *_ in foreign] == [404] * 4


def _every_way_to_ask(service: Service, wallet: str, headers: dict[str, str]) -> list[Any]:
    answers = [
        service.get(f"/wallets/{wallet}/public-key", headers=headers),
        service.post("/hyperliquid/sign", {"walletId": wallet, "action": NOOP}, headers=headers),
        service.post("/wallets/sign", {"walletId": wallet, "message": "x"}, headers=headers),
        service.post("/wallets/sign-order", {"walletId": wallet, "orderPayload": {}}, headers=headers),
    ]
    seen = [_what(answer) for answer in answers]
    return [(status, str(told).replace(wallet, "WALLET"), told_with) for status, told, told_with in seen]


def test_row_17_who_is_held_to_wallets_makes_no_others(shared_service: Service) -> None:
    shared_service.generate("taken")
    maker = _make(shared_service, "maker", wallets=["planned"], allow=["generate"])
    for wallet in ("taken", "unplanned"):
        refused = shared_service.post("/wallets/generate", {"walletId": wallet}, headers=maker)
        assert (refused.status, refused.json["code"]) == (403, "scope-missing")
    assert shared_service.post("/wallets/generate", {"walletId": "planned"}, headers=maker).status == 200


def test_row_17_unknown_wrong_revoked_and_expired_keys_are_refused_in_one_way(shared_service: Service) -> None:
    good = _make(shared_service, "good", allow=["read"])
    gone = _make(shared_service, "gone", allow=["read"])
    replaced = _make(shared_service, "replaced", allow=["read"])
    assert shared_service.get("/wallets", headers=gone).status == 200
    assert shared_service.post("/clients/gone/revoke", {}).status == 200
    assert shared_service.post("/clients/replaced/rotate", {"overlapHours": 0}).status == 200
    key = good["X-API-Key"]
    refused = [
        shared_service.get("/wallets", headers=headers)
        for headers in (
            {"X-API-Key": "hk_00000000_" + "A" * 43},
            {"X-API-Key": key[:-1] + ("A" if key[-1] != "A" else "B")},
            gone,
            replaced,
        )
    ]
    assert [_what(answer) for answer in refused] == [_what(refused[0])] * 4
    assert (refused[0].status, refused[0].json["error"]) == (401, INVALID_KEY)


def test_row_17_keys_are_kept_as_hashes_and_never_logged(service: Service) -> None:
    made = service.post("/clients", {"name": "bot", "allow": ["read"]})
    rotated = service.post("/clients/bot/rotate", {})
    keys = [made.json["apiKey"], rotated.json["apiKey"]]
    for key in keys:
        assert service.get("/wallets", headers={"X-API-Key": key}).status == 200
        assert service.get("/wallets", headers={"X-API-Key": key + "x"}).status == 401
    shown = [service.get("/clients").body, service.get("/clients/bot").body]
    service.stop()
    stored = [path.read_bytes() for path in service.data.rglob("*") if path.is_file()]
    for text in (*shown, *stored, "".join(service.lines).encode()):
        assert not any(key[12:].encode() in text for key in keys)


# ---- row 18: reads unauthenticated; a read can trigger a KMS decrypt -----------------------------------


def test_row_18_reads_need_a_key(shared_service: Service) -> None:
    shared_service.generate("read-me")
    for path in ("/wallets", "/wallets/read-me/public-key", "/clients"):
        answer = shared_service.get(path, headers={})
        assert (answer.status, answer.json["error"]) == (401, INVALID_KEY)


def test_row_18_a_read_opens_no_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("wallet", "generate", "w", "--data", str(data), cwd=tmp_path).returncode == 0
    change_stored(data, "w", ruined)
    with Service.start(data) as service:
        assert service.get("/wallets/w/public-key").status == 200
        assert service.get("/wallets").json["count"] == 1
        refused = service.post("/wallets/sign", {"walletId": "w", "message": "x"})
        assert refused.status == 500, "only a signature opens the key, and finds it damaged"


# ---- administration ------------------------------------------------------------------------------------


def test_a_revocation_is_seen_by_another_process_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service.start(data) as one, Service.start(data) as other:
        key = _make(one, "bot", allow=["read"])
        for _ in range(3):
            assert one.get("/wallets", headers=key).status == other.get("/wallets", headers=key).status == 200
        assert one.post("/clients/bot/revoke", {}).status == 200
        assert other.get("/wallets", headers=key).status == 401
        assert one.get("/wallets", headers=key).status == 401


def test_a_second_administrator_can_take_over(service: Service) -> None:
    refused = service.post("/clients/administrator/revoke", {})
    assert (refused.status, refused.json["code"]) == (403, "last-administrator")
    second = _make(service, "second", role="administrator")
    assert service.post("/clients/administrator/revoke", {}, headers=second).status == 200
    assert service.get("/clients").status == 401
    assert service.get("/clients", headers=second).status == 200


def test_who_made_and_revoked_a_client_is_in_the_record(service: Service) -> None:
    key = _make(service, "bot", wallets=["w7"], allow=["trade"])["X-API-Key"]
    service.post("/clients/bot/rotate", {})
    revoked = service.post("/clients/bot/revoke", {})
    service.post("/clients/bot/revoke", {})
    service.stop()
    lines = records_in(service.data / "records")
    told = [(line["record"]["operation"], line["record"]["client"], line["record"]["subject"]) for line in lines]
    assert told == [(did, "administrator", "bot") for did in ("create-client", "rotate-client-key", "revoke-client")]
    assert [line["v"] for line in lines] == [14, 14, 14]
    made = lines[0]["record"]
    assert (made["wallets"], made["may"], made["keys"]) == (["w7"], ["read", "sign-order", "trade"], [key[:11]])
    assert lines[2]["record"]["requestId"] == revoked.headers["x-request-id"]


def test_old_and_new_key_work_side_by_side_after_a_rotation(shared_service: Service) -> None:
    old = _make(shared_service, "rotating", allow=["read"])
    answer = shared_service.post("/clients/rotating/rotate", None).json
    new = {"X-API-Key": answer["apiKey"]}
    assert shared_service.get("/wallets", headers=old).status == shared_service.get("/wallets", headers=new).status
    ends = [key.get("expiresAt") for key in answer["client"]["keys"]]
    assert sorted(end is None for end in ends) == [False, True], "a day without being told"


def test_a_name_is_never_used_twice(shared_service: Service) -> None:
    _make(shared_service, "once")
    shared_service.post("/clients/once/revoke", {})
    again = shared_service.post("/clients", {"name": "once"})
    assert (again.status, again.json["code"]) == (409, "client-exists")
    assert shared_service.get("/clients/once").json["client"]["state"] == "revoked"
    assert shared_service.get("/clients/nobody").status == 404


@pytest.mark.parametrize(
    "members",
    [
        {"name": "../x"},
        {"name": "legacy"},
        {"name": "x", "allow": ["administer"]},
        {"name": "x", "allow": ["everything"]},
        {"name": "x", "wallets": ["../w"]},
        {"name": "x", "wallets": []},
        {"name": "x", "role": "root"},
        {"name": "x", "role": "administrator", "wallets": ["w"]},
        {"name": "x", "expiresInDays": 0},
        {"name": "x", "apiKey": "of my own"},
    ],
)
def test_what_cannot_be_a_client_is_malformed(shared_service: Service, members: dict[str, object]) -> None:
    assert shared_service.post("/clients", members).status == 400
    assert shared_service.get("/clients/x").status == 404


# ---- a body that comes late ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clients", {"name": "made-after-the-end", "role": "administrator"}),
        ("/wallets/sign", {"walletId": "late", "message": "x" * 9000}),
    ],
)
def test_a_key_that_is_revoked_while_its_request_arrives_is_refused(
    shared_service: Service, path: str, body: dict[str, str]
) -> None:
    shared_service.post("/wallets/generate", {"walletId": "late", "keyType": "ed25519"})
    name = f"late-{path.count('/')}"
    key = _make(shared_service, name, role="administrator")["X-API-Key"]
    content = json.dumps(body).encode()
    at = urlsplit(shared_service.url)
    with closing(http.client.HTTPConnection(str(at.hostname), at.port, timeout=START_S)) as connection:
        connection.putrequest("POST", path)
        for header, value in (("X-API-Key", key), ("Content-Length", str(len(content))), ("Expect", "100-continue")):
            connection.putheader(header, value)
        connection.endheaders()
        # That the service asks for the body says that it has let the key in.
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100")
        assert shared_service.post(f"/clients/{name}/revoke", {}).status == 200
        connection.send(content)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]) == (401, INVALID_KEY)
